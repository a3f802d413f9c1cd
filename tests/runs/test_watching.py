"""Reporting runs that another process drives."""

from __future__ import annotations

from sqlalchemy import event

from orchestrator.runs.engine import Watch
from orchestrator.runs.states import State, move
from orchestrator.store import records
from orchestrator.store.records import Metric


def measure(db, run, *steps):
    with db.write() as connection:
        records.add_metrics(connection, [Metric(run.id, step, 9, valid_loss=1.0) for step in steps])


async def test_what_another_worker_writes_is_reported_once(make_run, make_world, db):
    watcher, other = make_world(), make_world()
    run = make_run(other, state=State.QUEUED, job_id="ftjob-1")
    watcher.followed.add(run.id)
    watch = Watch(watcher)
    measure(db, run, 1, 2)
    watch.look()
    assert (watcher.listener.moves, watcher.listener.steps) == ([], []), "what was there before is no news"
    measure(db, run, 3, 4)
    with db.write() as connection:
        move(connection, run, State.RUNNING, "it runs", owner=other.owner, now=other.now())
    watch.look()
    watch.look()
    assert (watcher.listener.moves, watcher.listener.steps) == (["running"], [3, 4])


async def test_to_look_at_ones_own_runs_costs_one_query_however_many_they_are(make_run, context, db):
    context.followed.update(make_run(context, state=State.RUNNING, job_id=f"ftjob-{n}").id for n in range(20))
    watch, queries = Watch(context), []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
    watch.look()
    watch.look()
    assert sum(query.startswith("SELECT") for query in queries) == 2
