"""Finding the job of an unconfirmed create: the right one, only that one, and never somebody else's."""

from __future__ import annotations

import pytest

from orchestrator.endpoints.interface import JobPage
from orchestrator.runs.context import CLOCK_SKEW_SECONDS
from orchestrator.runs.jobs import sent_suffix
from orchestrator.runs.reconcile import matching_jobs
from orchestrator.runs.states import State


@pytest.fixture
def found(context):
    async def found(run):
        return [job.id for job in await matching_jobs(run, context)]

    return found


@pytest.fixture
def marked(no_metadata):
    """A job as the run's request makes it where jobs carry no metadata."""

    def marked(run, **fields):
        return no_metadata.landed(run, **{"suffix": sent_suffix(run, no_metadata.capabilities), **fields})

    return marked


async def test_a_job_is_known_by_its_token(unconfirmed, endpoint, found):
    run = unconfirmed()
    endpoint.landed(run, metadata={"ftorch_token": "01ANOTHER"})
    mine = endpoint.landed(run)
    assert await found(run) == [mine["id"]]
    assert endpoint.count("jobs") == 1


async def test_a_filter_that_the_host_ignores_does_not_adopt_strangers(unconfirmed, endpoint, found, monkeypatch):
    monkeypatch.setattr(endpoint, "_fits", lambda raw, metadata: True)
    run = unconfirmed()
    mine = endpoint.landed(run)
    endpoint.add_job(metadata={"ftorch_token": "01ANOTHER"}, training_file=run.training_file_id, seed=run.seed)
    assert await found(run) == [mine["id"]]


async def test_a_host_that_drops_the_metadata_is_searched_by_the_marks(unconfirmed, endpoint, found):
    run = unconfirmed()
    mine = endpoint.landed(run, metadata=None)
    assert await found(run) == [mine["id"]]


async def test_without_metadata_the_marks_identify_a_job(unconfirmed, marked, found):
    run = unconfirmed()
    assert await found(run) == []
    mine = marked(run)
    assert await found(run) == [mine["id"]]


@pytest.mark.parametrize(
    "difference",
    [
        {"training_file": "file-other"},
        {"seed": 1},
        {"model": "gpt-4o-mini-2024-07-18"},
        {"suffix": "drone-run99999"},
        {"created_at": 1_800_000_000.0 - 24 * 3600 - 1},
        {"created_at": 1_800_000_000.0 - CLOCK_SKEW_SECONDS - 1, "seed": None},
        {"metadata": {"ftorch_token": "01ANOTHER"}},
    ],
    ids=["file", "seed", "model", "suffix", "older", "older, no seed", "another token"],
)
async def test_one_mark_that_differs_makes_it_another_job(difference, unconfirmed, marked, found):
    run = unconfirmed()
    marked(run, **difference)
    assert await found(run) == []


@pytest.mark.parametrize(
    "difference",
    [
        {"model": "gpt-4.1-mini-2025-04-14-eu"},
        {"seed": None},
        {"suffix": None},
        {"created_at": 1_800_000_000.0 - CLOCK_SKEW_SECONDS + 1, "seed": None},
        {"created_at": 1_800_000_000.0 - 12 * 3600},
        {"created_at": None},
        {"hyperparameters": {"n_epochs": 99}},
    ],
    ids=[
        "resolved model",
        "seed not echoed",
        "suffix not echoed",
        "a clock behind",
        "a clock far off",
        "no time",
        "hyperparameters",
    ],
)
async def test_marks_that_the_host_does_not_give_back_are_not_held_against_a_job(
    difference, unconfirmed, marked, found
):
    run = unconfirmed()
    mine = marked(run, **difference)
    assert await found(run) == [mine["id"]]


async def test_a_job_that_another_run_owns_is_never_adopted(unconfirmed, marked, found, make_run):
    run = unconfirmed()
    job = marked(run)
    make_run(state=State.RUNNING, job_id=job["id"])
    assert await found(run) == []


async def test_the_same_job_id_on_another_endpoint_owns_nothing_here(unconfirmed, marked, found, make_run):
    run = unconfirmed()
    job = marked(run)
    make_run(state=State.RUNNING, job_id=job["id"], endpoint="elsewhere")
    assert await found(run) == [job["id"]]


async def test_a_job_is_found_behind_many_pages_and_no_page_too_many(
    unconfirmed, marked, found, no_metadata, clock
):
    run = unconfirmed(seed_given=True)
    no_metadata.page_size = 10
    for age in range(40, 0, -1):
        no_metadata.add_job(created_at=clock.now() - CLOCK_SKEW_SECONDS - age)
    mine = marked(run)
    for _ in range(25):
        no_metadata.add_job(training_file="file-other")
    assert await found(run) == [mine["id"]]
    assert no_metadata.count("jobs") == 3  # two of strangers, and the one in which the times pass the intent


async def test_a_host_that_lists_the_oldest_first_is_read_to_the_end(
    unconfirmed, marked, found, no_metadata, clock, monkeypatch
):
    run = unconfirmed()
    no_metadata.page_size = 10
    mine = marked(run)
    for age in range(25):
        no_metadata.add_job(created_at=clock.now() - CLOCK_SKEW_SECONDS - 1000 - age)
    assert await found(run) == [mine["id"]]
    assert no_metadata.count("jobs") == 3


async def test_a_host_that_repeats_its_page_for_ever_is_left(unconfirmed, found, no_metadata, monkeypatch):
    async def jobs(after=None, metadata=None):
        no_metadata.calls.append(("jobs", after))
        return JobPage((), "ftjob-1", is_last=False)

    monkeypatch.setattr(no_metadata, "jobs", jobs)
    assert await found(unconfirmed()) == []
    assert no_metadata.count("jobs") == 2


# --- several matches ----------------------------------------------------------------------------------------


async def test_of_two_jobs_the_oldest_is_adopted_and_the_other_cancelled(
    unconfirmed, endpoint, step, clock, context
):
    run = unconfirmed()
    younger = endpoint.landed(run, created_at=clock.now() + 50)
    oldest = endpoint.landed(run, created_at=clock.now() + 2)
    adopted = await step(run)
    assert adopted.job_id == oldest["id"]
    assert [detail for kind, detail in endpoint.calls if kind == "cancel"] == [younger["id"]]
    assert younger["id"] in context.listener.warnings[0]
    assert younger["id"] in context.listener.warnings[0]


async def test_a_second_job_by_seed_and_suffix_of_ours_is_cancelled_too(unconfirmed, marked, step, no_metadata):
    run = unconfirmed()
    first, second = marked(run), marked(run)
    assert (await step(run)).job_id == first["id"]
    assert [detail for kind, detail in no_metadata.calls if kind == "cancel"] == [second["id"]]


async def test_a_suffix_with_the_runs_id_is_certain_whoever_chose_the_seed(unconfirmed, marked, step, no_metadata):
    run = unconfirmed(seed_given=True)
    first, second = marked(run), marked(run)
    assert (await step(run)).job_id == first["id"]
    assert [detail for kind, detail in no_metadata.calls if kind == "cancel"] == [second["id"]]


@pytest.mark.parametrize("doubt", ["no suffix", "no seed"])
async def test_a_match_that_is_not_certainly_ours_is_never_cancelled(doubt, unconfirmed, marked, step, no_metadata):
    run = unconfirmed()
    unsaid = {"no suffix": {"suffix": None}, "no seed": {"seed": None}}.get(doubt, {})
    first = marked(run)
    marked(run, **unsaid)
    assert (await step(run)).job_id == first["id"]
    assert no_metadata.count("cancel") == 0


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
async def test_a_second_job_that_is_over_is_told_and_left(status, unconfirmed, endpoint, step, context):
    run = unconfirmed()
    first = endpoint.landed(run)
    endpoint.landed(run, status=status)
    assert (await step(run)).job_id == first["id"]
    assert endpoint.count("cancel") == 0
    assert status in context.listener.warnings[0]


async def test_a_second_job_that_can_not_be_cancelled_does_not_stop_the_adoption(
    unconfirmed, endpoint, step, context, errors
):
    run = unconfirmed()
    first = endpoint.landed(run)
    endpoint.landed(run)
    endpoint.fault("cancel", errors.refused(400, message="it is finished"))
    assert (await step(run)).job_id == first["id"]
    assert "it is finished" in context.listener.warnings[0]


async def test_an_adopted_job_may_be_over_already(unconfirmed, endpoint, step):
    run = unconfirmed()
    endpoint.landed(run, status="failed", error={"code": "invalid_training_file", "message": "line 3"})
    failed = await step(run)
    assert (failed.state, failed.error_code) == (State.FAILED, "invalid_training_file")
    assert "line 3" in failed.reason


async def test_an_endpoint_that_refuses_its_list_blocks_the_run_and_nothing_is_sent(
    unconfirmed, endpoint, step, errors, context, clock
):
    run = unconfirmed()
    endpoint.fault("jobs", errors.refused(403, message="list is not allowed"))
    clock.pass_(9999)
    waiting = await step(run)
    assert (waiting.state, waiting.creation_open) == (State.CREATING, True)
    assert "list is not allowed" in waiting.reason
    assert context.blocked == {run.id}
    assert endpoint.count("create") == 0
