"""Submitting the same thing twice never pays twice."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace

import pytest

from orchestrator.config import find_workspace
from orchestrator.jobfile import load_job_file
from orchestrator.runs.plan import plan_job
from orchestrator.runs.states import State
from orchestrator.runs.submission import record_run
from orchestrator.store import runs as store
from orchestrator.store.migrate import open_database
from orchestrator.store.schema import runs as table

JOB = """
name = "small"
model = "gpt-4.1-mini-2025-04-14"
{extra}
[data]
training_file = "train.jsonl"
[method]
n_epochs = {epochs}
[limits]
max_cost_usd = {limit}
"""


@pytest.fixture
def plan(tmp_path):
    def plan(*, extra="", epochs=1, limit=20, rows=10):
        lines = [
            {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"It is {n}"}]}
            for n in range(rows)
        ]
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / "small.toml").write_text(JOB.format(extra=extra, epochs=epochs, limit=limit))
        return plan_job(load_job_file(tmp_path / "small.toml"), find_workspace(tmp_path))

    return plan


@pytest.fixture
def submit(db):
    numbers = random.Random(5)

    def submit(plan, **options):
        return record_run(plan, db, now=1.0, rng=numbers, **options)

    return submit


def test_the_same_submission_is_found_again(plan, submit):
    first, second = submit(plan()), submit(plan())
    assert first.is_new
    assert not second.is_new
    assert first.run.id == second.run.id


@pytest.mark.parametrize(
    "change", [{"epochs": 2}, {"rows": 11}, {"extra": 'suffix = "b"'}, {"extra": "seed = 5"}], ids=str
)
def test_a_submission_that_would_train_something_else_is_new(change, plan, submit):
    assert submit(plan()).run.id != submit(plan(**change)).run.id


def test_a_run_and_what_is_to_follow_it_are_recorded_together_or_not_at_all(plan, submit, db):
    followed = []

    def fail(connection, run):
        raise RuntimeError(run.id)

    with pytest.raises(RuntimeError):
        submit(plan(), also=[fail])
    with db.read() as connection:
        assert connection.execute(table.select()).all() == []
    first = submit(plan(), also=[lambda _, run: followed.append(run.id)])
    submit(plan(), also=[lambda _, run: followed.append(run.id)])
    assert followed == [first.run.id, first.run.id]


def test_another_limit_is_still_the_same_training(plan, submit):
    assert submit(plan()).run.id == submit(plan(limit=30)).run.id


def test_again_trains_once_more(plan, submit):
    assert submit(plan()).run.id != submit(plan(), again=True).run.id


@pytest.mark.parametrize(
    ("state", "is_new"),
    [(State.FAILED, True), (State.CANCELLED, True), (State.SUCCEEDED, False), (State.RUNNING, False)],
)
def test_what_ended_badly_may_be_submitted_again(state, is_new, plan, submit, db):
    first = submit(plan()).run
    with db.write() as connection:
        connection.execute(table.update().where(table.c.id == first.id).values(state=state))
    assert submit(plan()).is_new is is_new


def test_two_processes_that_submit_the_same_at_once_get_one_run(plan, db):
    planned, start, found = plan(), threading.Barrier(4), []

    def submit(number):
        database = open_database(str(db.engine.url))
        start.wait()
        found.append(record_run(planned, database, now=1.0, rng=random.Random(number)))
        database.close()

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({submitted.run.id for submitted in found}) == 1
    assert sum(submitted.is_new for submitted in found) == 1


def test_every_run_without_a_seed_of_the_users_gets_its_own(plan, submit):
    seeds = {submit(plan(), again=True).run.seed for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    given = submit(plan(extra="seed = 5")).run
    assert (given.seed, given.seed_given) == (5, True)


def test_a_run_id_in_use_is_not_given_twice(plan, submit, db):
    class Stuck(random.Random):
        """Draws the same id twice before it goes on."""

        drawn = 0

        def choice(self, letters):
            self.drawn += 1
            return letters[(self.drawn - 1) // 16]

    rng = Stuck()
    first = record_run(plan(), db, now=1.0, rng=rng, again=True).run.id
    rng.drawn = 8
    second = record_run(plan(), db, now=1.0, rng=rng, again=True).run.id
    assert first != second


def test_what_was_submitted_is_written_down_whole(plan, submit, db):
    planned = plan(extra='suffix = "tiny"')
    run = submit(planned).run
    with db.read() as connection:
        assert store.get(connection, run.id) == replace(run)
    assert run.training_sha256 == planned.training.file.sha256
    assert (run.examples, run.suffix, run.max_cost_usd, run.state) == (10, "tiny", 20, State.PENDING)
    assert run.hyperparameters["n_epochs"] == 1


def test_a_raised_limit_reaches_the_run_that_waits_for_it(plan, submit, db):
    """A run that is over budget says: raise it in the job file and submit again."""
    waiting = submit(plan(limit=1)).run
    again = submit(plan(limit=50))
    assert not again.is_new
    with db.read() as connection:
        assert store.get(connection, waiting.id).max_cost_usd == 50
