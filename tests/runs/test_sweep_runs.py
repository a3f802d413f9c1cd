"""What the loop does for sweeps: their own cap, attendants, and what a stopped trial leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from orchestrator.runs.limits import admission
from orchestrator.runs.states import RequestedAction, State
from orchestrator.store import records, runs as run_store, sweeps as store
from orchestrator.store.schema import runs
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial


@pytest.fixture
def sweep(db):
    recorded = RecordedSweep("sweep001", "drone", "fake", "drone.toml", {}, trials=3, max_active=2, created_at=0.0)
    with db.write() as connection:
        store.add(connection, recorded)
    return recorded


@pytest.fixture
def trial(db, sweep):
    """Makes a run the first trial of the sweep."""

    def trial(run, **columns):
        recorded = RecordedTrial(sweep.id, 1, {"n_epochs": 3}, 0, run.fingerprint, run.id, **columns)
        with db.write() as connection:
            store.add_trial(connection, recorded)
        return recorded

    return trial


def test_a_sweeps_own_cap_holds_for_its_runs_and_for_no_others(db, sweep, make_run, config):
    for state in (State.RUNNING, State.CREATING):
        make_run(sweep_id=sweep.id, state=state)
    waiting, other = make_run(sweep_id=sweep.id), make_run()
    with db.read() as connection:
        wait = admission(connection, waiting, config, 0.0)
        assert admission(connection, other, config, 0.0) is None
    assert wait is not None
    assert wait.reason == "waiting for a slot: 2 of the 2 that the sweep may take (max_active) are taken"


def test_the_endpoints_cap_holds_for_a_sweep_that_would_take_more(db, sweep, make_run, config):
    for _ in range(3):
        make_run(state=State.RUNNING)
    with db.read() as connection:
        wait = admission(connection, make_run(sweep_id=sweep.id), config, 0.0)
    assert wait is not None
    assert "3 of 3 are taken on fake" in wait.reason


async def test_a_stopped_trial_keeps_its_checkpoints_and_says_why(
    db, trial, make_run, context, endpoint, drive, reread
):
    endpoint.life = ("running",)
    job = endpoint.add_job(status="running")
    checkpoint = {"id": "ckpt-1", "step_number": 40, "fine_tuned_model_checkpoint": "ft:m:ckpt-step-40"}
    endpoint.checkpoints_of[job["id"]] = [{**checkpoint, "metrics": {"valid_loss": 0.7}, "created_at": 1.0}]
    run = make_run(context, state=State.RUNNING, job_id=job["id"])
    trial(run, pruned="its validation loss was too high")
    with db.write() as connection:
        run_store.request_action(connection, run.id, RequestedAction.CANCEL)
    await drive(run)
    ended = reread(run)
    assert (ended.state, ended.reason) == (State.CANCELLED, "pruned: its validation loss was too high")
    with db.read() as connection:
        [kept] = records.checkpoints_of(connection, run.id)
    assert (kept.step, kept.model) == (40, "ft:m:ckpt-step-40")


async def test_runs_that_an_attendant_adds_are_driven_until_it_is_done(db, make_run, context, drive, reread):
    first, second = make_run(), make_run()
    with db.write() as connection:
        connection.execute(update(runs).where(runs.c.id == second.id).values(created_at=first.created_at + 1))

    class AddsOne:
        endpoint = "fake"

        def __init__(self):
            self.named = []

        def attend(self, now):
            is_time = reread(first).is_over and not self.named
            self.named += [second.id] if is_time else []
            return [second.id] if is_time else []

        def is_done(self):
            return bool(self.named)

    await drive(first, supervisors=[AddsOne()])
    assert {reread(first).state, reread(second).state} == {State.SUCCEEDED}
    assert second.id in context.followed


def test_a_trial_is_found_by_its_run(db, trial, make_run):
    run = make_run()
    recorded = trial(run)
    with db.write() as connection:
        assert store.prune(connection, recorded, "evidence")
        assert not store.prune(connection, recorded, "later evidence")
        assert not store.prune(connection, replace(recorded, run_id="another"), "of another run")
        assert store.evidence(connection, run.id) == "evidence"
        assert store.evidence(connection, "unknown") is None


async def test_trials_of_a_full_sweep_are_left_alone_while_the_endpoint_has_free_slots(
    db, make_run, context, endpoint, drive, reread, clock
):
    """Eight trials of a sweep that runs one at a time: each says once or twice that it waits, not every two
    seconds."""
    recorded = RecordedSweep("sweep002", "drone", "fake", "drone.toml", {}, trials=8, max_active=1, created_at=0.0)
    with db.write() as connection:
        store.add(connection, recorded)
    endpoint.life = ("queued", *["running"] * 5, "succeeded")
    trials = [make_run(sweep_id="sweep002") for _ in range(8)]
    waits = []
    context.listener.noted = lambda run: waits.append(run.reason.startswith("waiting for a slot: 1 of the 1"))
    await drive(*trials)
    assert {reread(run).state for run in trials} == {State.SUCCEEDED}
    assert 0 < sum(waits) <= 3 * len(trials)
