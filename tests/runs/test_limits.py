"""Caps and budgets, held by all processes together."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.engine.machine import Move
from orchestrator.runs.limits import admission, lookalike
from orchestrator.runs.states import SLOT_HOLDERS, State, record
from orchestrator.runs.steps import pending
from orchestrator.store.migrate import open_database


@pytest.fixture
def admit(db, config, clock):
    def admit(run):
        with db.write() as connection:
            return admission(connection, run, config, clock.now())

    return admit


@pytest.mark.parametrize("state", SLOT_HOLDERS)
def test_runs_before_and_on_the_endpoint_take_its_slots(state, make_run, admit, config):
    for _ in range(config.max_active):
        make_run(state=state)
    wait = admit(make_run())
    assert "3 of 3" in wait.reason
    assert not wait.blocked


def test_all_that_wait_for_a_slot_look_again_at_once_so_that_the_first_takes_it(make_run, admit, config, clock):
    for _ in range(config.max_active):
        make_run(state=State.RUNNING)
    first = admit(make_run())
    clock.pass_(0.7)
    second = admit(make_run())
    assert first.until == second.until > clock.now()


@pytest.mark.parametrize("state", sorted(set(State) - set(SLOT_HOLDERS)))
def test_runs_that_are_over_or_paused_take_none(state, make_run, admit, config):
    for _ in range(config.max_active):
        make_run(state=state)
    assert admit(make_run()) is None


def test_the_slots_of_another_endpoint_do_not_count(make_run, admit, config):
    for _ in range(config.max_active):
        make_run(state=State.RUNNING, endpoint="elsewhere")
    assert admit(make_run()) is None


def test_two_workers_at_once_never_take_more_slots_than_there_are(db, make_run, make_world, reread):
    """Each worker has a connection of its own and knows nothing of the other."""
    workers = [make_world(database=open_database(str(db.engine.url))) for _ in range(2)]
    runs = [[make_run(worker) for _ in range(6)] for worker in workers]
    start = threading.Barrier(2)

    def admit_all(worker, mine):
        start.wait()
        for run in mine:
            outcome: Any = asyncio.run(pending(run, worker))
            record(worker, run, outcome)

    threads = [threading.Thread(target=admit_all, args=pair) for pair in zip(workers, runs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.database.close()
    states = [reread(run).state for mine in runs for run in mine]
    assert states.count(State.UPLOADING) == 3
    assert states.count(State.PENDING) == 9


def test_a_run_that_would_pass_the_budget_stays_pending_and_says_why(make_run, admit):
    make_run(state=State.SUCCEEDED, cost_usd=3.5, estimated_cost_usd=1.0, job_id="ftjob-1", finished_at=1.0)
    make_run(state=State.RUNNING, estimated_cost_usd=2.0, job_id="ftjob-2")
    wait = admit(make_run(max_cost_usd=6.0))
    assert wait.blocked
    assert "$5.50" in wait.reason
    assert "$1.00" in wait.reason
    assert "$6.00" in wait.reason
    assert admit(make_run(max_cost_usd=6.5)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"state": State.PENDING},
        {"state": State.FAILED, "finished_at": 1.0},
        {"state": State.RUNNING, "name": "stock"},
        {"state": State.RUNNING, "endpoint": "elsewhere"},
    ],
    ids=["not begun", "failed before a job existed", "another job file", "another endpoint"],
)
def test_what_was_not_spent_on_this_job_file_here_leaves_the_budget_alone(other, make_run, admit):
    make_run(estimated_cost_usd=100.0, **other)
    assert admit(make_run(max_cost_usd=1.0)) is None


def test_a_failed_job_that_existed_still_counts(make_run, admit):
    make_run(state=State.FAILED, finished_at=1.0, job_id="ftjob-1", estimated_cost_usd=5.0)
    assert admit(make_run(max_cost_usd=5.0)).blocked


async def test_a_limit_that_cannot_be_held_is_said_aloud(make_run, context, step):
    run = await step(make_run(context, max_cost_usd=20.0, estimated_cost_usd=None))
    assert run.state == State.UPLOADING
    assert "unknown" in run.reason
    assert "max_cost_usd" in run.reason


async def test_a_run_begins_when_a_slot_gets_free(make_run, context, step, config, reread):
    context.config = replace(config, max_active=1)
    first, second = make_run(context), make_run(context)
    assert (await step(first)).state == State.UPLOADING
    assert (await step(second)).state == State.PENDING
    record(context, reread(first), Move(State.CANCELLED, "as wished"))
    assert (await step(second)).state == State.UPLOADING


@pytest.fixture
def look(db, clock):
    def look(run):
        with db.read() as connection:
            return lookalike(connection, run, clock.now())

    return look


@pytest.mark.parametrize("seed", [7, 8])
def test_an_unconfirmed_run_of_the_same_look_is_waited_for_whatever_its_seed(seed, make_run, look):
    make_run(state=State.CREATING, creation_open=True, seed=7, id="other")
    wait = look(make_run(seed=seed))
    assert "other" in wait.reason


@pytest.mark.parametrize(
    "other",
    [
        {"creation_open": False},
        {"model": "gpt-4o-mini-2024-07-18"},
        {"training_sha256": "0" * 64},
        {"endpoint": "elsewhere"},
        {"finished_at": 1.0, "state": State.FAILED},
    ],
)
def test_runs_that_differ_or_are_confirmed_are_not_waited_for(other, make_run, look):
    make_run(**{"state": State.CREATING, "creation_open": True, "seed": 7, **other})
    assert look(make_run(seed=7)) is None


def test_an_endpoints_budget_for_the_month_holds_for_all_job_files(make_run, config, db, clock):
    limited = replace(config, max_cost_usd_per_month=10.0)
    make_run(state=State.RUNNING, name="other", estimated_cost_usd=8.0, job_id="ftjob-1")
    run = make_run(estimated_cost_usd=3.0)
    with db.write() as connection:
        wait = admission(connection, run, limited, clock.now())
        assert wait.blocked
        assert "used $8.00 this month" in wait.reason
        assert "max_cost_usd_per_month is $10.00" in wait.reason
        assert admission(connection, replace(run, estimated_cost_usd=2.0), limited, clock.now()) is None


def test_last_months_runs_do_not_count_for_this_month(make_run, config, db, clock):
    limited = replace(config, max_cost_usd_per_month=10.0)
    long_ago = clock.now() - 40 * 86400
    make_run(state=State.RUNNING, estimated_cost_usd=8.0, job_id="ftjob-1", creation_started_at=long_ago)
    run = make_run(estimated_cost_usd=3.0)
    with db.write() as connection:
        assert admission(connection, run, limited, clock.now()) is None
