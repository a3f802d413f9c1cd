"""Where we choose a job's id, it is looked up by that id, sent again soon, and never taken from somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from support.fake_endpoint import HAS_ALL, FakeClock, FakeEndpoint, Fault, unknown

from orchestrator.endpoints.interface import chosen_id
from orchestrator.runs.context import Context
from orchestrator.runs.limits import told_apart
from orchestrator.runs.reconcile import look_once
from orchestrator.runs.states import State
from orchestrator.store.runs import Run

Make = Callable[..., Run]
Step = Callable[[Run], Awaitable[Run]]


@pytest.fixture
def choosing(endpoint: FakeEndpoint) -> FakeEndpoint:
    """An endpoint whose jobs are created under ids that we choose."""
    endpoint.capabilities = replace(HAS_ALL, metadata=False, chosen_ids=True)
    return endpoint


def landed(endpoint: FakeEndpoint, run: Run, **fields: Any) -> str:
    """The job that the run's request made."""
    made = chosen_id(run.creation_token or "")
    endpoint.raw_jobs[made] = {**endpoint.landed(run), "id": made, **fields}
    return made


async def test_the_job_is_looked_up_by_its_id_and_not_in_the_list(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step
) -> None:
    run = unconfirmed()
    made = landed(choosing, run)
    adopted = await step(run)
    assert (adopted.state, adopted.job_id) == (State.QUEUED, made)
    assert (choosing.count("job_of"), choosing.count("jobs")) == (1, 0)


async def test_a_create_without_its_job_is_sent_again_after_a_fifth_of_the_window(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step, clock: FakeClock
) -> None:
    run = await step(unconfirmed())
    assert (run.state, run.creation_attempts) == (State.CREATING, 1)
    clock.pass_(25)  # of the 120 seconds elsewhere
    assert (await step(run)).creation_attempts == 2


async def test_a_cancel_waits_for_the_whole_window_since_the_request_may_still_arrive(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step, clock: FakeClock
) -> None:
    run = await step(unconfirmed(requested_action="cancel"))
    clock.pass_(25)
    run = await step(run)
    assert (run.state, run.creation_attempts) == (State.CREATING, 1)
    clock.pass_(100)
    assert (await step(run)).state == State.CANCELLED


async def test_a_job_that_can_not_be_seen_is_looked_for_as_long_as_elsewhere(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step, clock: FakeClock
) -> None:
    choosing.somebody_elses = "no permission"
    run = await step(unconfirmed())
    clock.pass_(25)
    run = await step(run)
    assert run.state == State.CREATING
    clock.pass_(100)
    assert (await step(run)).state == State.UNKNOWN


async def test_somebody_elses_job_under_the_id_is_neither_adopted_nor_asked_over(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step, clock: FakeClock
) -> None:
    choosing.somebody_elses = "the account has a job ftorch-01 that this run did not make: its dataset is cats"
    run = unconfirmed()
    for _ in range(4):
        run = await step(run)
        clock.pass_(60)
    assert (run.state, run.job_id) == (State.UNKNOWN, None)
    assert "its dataset is cats" in run.reason
    assert choosing.count("create") == 0


async def test_another_accounts_key_proves_nothing(
    unconfirmed: Make, choosing: FakeEndpoint, context: Context, make_run: Make
) -> None:
    make_run(state=State.SUCCEEDED, job_id="ftorch-of-another-account")
    look = await look_once(unconfirmed(), context)
    assert look.found == []
    assert "is this another account's key?" in str(look.doubt)


async def test_runs_that_look_the_same_need_not_wait_for_each_other(
    unconfirmed: Make, choosing: FakeEndpoint, context: Context
) -> None:
    assert told_apart(unconfirmed(), context) is None


async def test_a_run_of_a_lost_answer_ends_with_one_job(
    unconfirmed: Make, choosing: FakeEndpoint, step: Step, clock: FakeClock
) -> None:
    choosing.fault("job_of", Fault(unknown(), lands=False))
    run = unconfirmed()
    landed(choosing, run)
    with pytest.raises(type(unknown())):
        await step(run)
    assert (await step(run)).job_id == chosen_id(run.creation_token or "")
