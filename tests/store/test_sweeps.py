"""Sweeps and trials as rows, on every database."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from orchestrator.store import runs as run_store, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

MakeRun = Callable[..., Run]
SWEEP = RecordedSweep("sweep001", "drone", "local", "drone.toml", {"interval": None}, 3, None, 1.0)


def record(database: Database, make_run: MakeRun, *states: str, **columns: Any) -> list[RecordedTrial]:
    """A sweep with a trial in each of these states."""
    found = []
    with database.write() as connection:
        store.add(connection, SWEEP)
        for number, state in enumerate(states, start=1):
            run = make_run(state=state, sweep_id=SWEEP.id)
            run_store.add(connection, run, "recorded")
            trial = RecordedTrial(SWEEP.id, number, {"n_epochs": number}, 0, f"{number:064}", run.id, **columns)
            store.add_trial(connection, trial)
            found.append(trial)
    return found


def test_what_was_written_is_read(database: Database, make_run: MakeRun) -> None:
    trials = record(database, make_run, "pending", "running")
    with database.read() as connection:
        assert store.newest(connection) == store.newest(connection, name="drone", endpoint="local") == [SWEEP]
        assert store.newest(connection, name="drone", endpoint="openai") == []
        assert store.trials_of(connection, SWEEP.id) == trials
        assert [each.trial for each in store.standings(connection, SWEEP.id)] == trials
        assert set(store.runs_of(connection, SWEEP.id)) == {trial.run_id for trial in trials}


def test_trials_are_counted_by_state_and_the_stopped_ones_apart(database: Database, make_run: MakeRun) -> None:
    _, _, stopped, removed = record(database, make_run, "pending", "succeeded", "cancelled", "succeeded")
    with database.write() as connection:
        store.prune(connection, stopped, "evidence")
        store.list_only(connection, SWEEP.id, [1, 2, 3])
        assert store.counts(connection) == {SWEEP.id: {"pending": 1, "succeeded": 1, "pruned": 1}}
        store.list_again(connection, removed)
        assert store.counts(connection)[SWEEP.id]["succeeded"] == 2


def test_the_mark_tells_that_a_run_moved_or_a_trial_came(database: Database, make_run: MakeRun) -> None:
    trial, *_ = record(database, make_run, "pending", "pending")
    with database.write() as connection:
        marks = [store.mark(connection, SWEEP.id)]
        connection.execute(runs.update().where(runs.c.id == trial.run_id).values(version=2))
        marks.append(store.mark(connection, SWEEP.id))
        run = make_run(sweep_id=SWEEP.id)
        run_store.add(connection, run, "recorded")
        marks.append(store.mark(connection, SWEEP.id))
        store.add_trial(connection, RecordedTrial(SWEEP.id, 9, {}, 0, "9" * 64, run.id))
        marks.append(store.mark(connection, SWEEP.id))
        store.stop(connection, SWEEP.id, 5.0)
        marks.append(store.mark(connection, SWEEP.id))
    assert [earlier == later for earlier, later in pairwise(marks)] == [False, True, False, False]
