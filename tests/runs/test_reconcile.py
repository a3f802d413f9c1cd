"""Finding the job of an unconfirmed create: the right one, only that one, and never somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.endpoints.interface import JobPage
from orchestrator.errors import NoJobList
from orchestrator.runs.jobs import sent_suffix
from orchestrator.runs.marks import CLOCK_SKEW_SECONDS
from orchestrator.runs.reconcile import Look, look_once
from orchestrator.runs.states import State


@pytest.fixture
def found(context):
    async def found(run):
        return [job.id for job in (await look_once(run, context)).found]

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


CHANGED_BY_HOSTS = {
    "file": {"training_file": "file-other"},
    "no file": {"training_file": None},
    "model": {"model": "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference"},
    "created at 0": {"created_at": 0},
    "created before time": {"created_at": -5},
    "a clock hours off": {"created_at": 1_800_000_000.0 - 12 * 3600},
    "hyperparameters": {"hyperparameters": {"n_epochs": 99}},
}
"""What hosts were seen to change in the job that they echo."""


@pytest.mark.parametrize(
    "spelled", [lambda text: text[:5], lambda text: text.upper()[:5], lambda text: text.replace("-", "_")[:4]]
)
async def test_a_suffix_that_the_host_cut_or_spelled_otherwise_is_no_contradiction(
    unconfirmed, marked, no_metadata, found, spelled
):
    run = unconfirmed()
    mine = marked(run, suffix=spelled(sent_suffix(run, no_metadata.capabilities)), seed=None)
    marked(run, suffix="cats", seed=None)
    assert await found(run) == [mine["id"]]


@pytest.mark.parametrize("change", CHANGED_BY_HOSTS.values(), ids=CHANGED_BY_HOSTS)
@pytest.mark.parametrize("certain", ["the seed", "the run's id in the suffix", "the token"])
async def test_a_certain_mark_decides_whatever_else_is_changed(
    certain, change, unconfirmed, no_metadata, found, context
):
    run = unconfirmed(seed_given=certain != "the seed")
    marks: dict[str, dict[str, Any]] = {
        "the seed": {"suffix": "cut-short"},
        "the run's id in the suffix": {"suffix": f"OTHER-{run.id.upper()}", "seed": 5},
        "the token": {"metadata": {"ftorch_token": run.creation_token}, "suffix": None, "seed": None},
    }
    mine = no_metadata.landed(run, **{**marks[certain], **change})
    assert await found(run) == [mine["id"]]


async def test_what_contradicts_a_certain_mark_is_noted(unconfirmed, marked, step, context):
    run = unconfirmed()
    marked(
        run,
        model="another-name",
        suffix="drone",
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    assert (await step(run)).job_id
    told = " ".join(context.listener.warnings)
    assert "base model gpt-4.1-mini-2025-04-14 was requested, but it has another-name" in told
    assert "suffix" in told
    assert "n_epochs 3 was requested, but it has 1" in told


@pytest.mark.parametrize(
    "difference",
    [
        {"training_file": "file-other"},
        {"training_file": None},
        {"seed": 1},
        {"model": "gpt-4o-mini-2024-07-18"},
        {"suffix": "drone-run99999"},
        {"created_at": 1_800_000_000.0 - CLOCK_SKEW_SECONDS - 1},
        {"metadata": {"ftorch_token": "01ANOTHER"}},
    ],
    ids=["file", "no file", "seed", "model", "suffix", "older", "another token"],
)
async def test_without_a_certain_mark_one_that_differs_makes_it_another_job(difference, unconfirmed, marked, found):
    run = unconfirmed(seed_given=True)
    marked(run, **{"suffix": None, **difference})
    assert await found(run) == []


async def test_a_seed_that_the_user_fixed_is_no_proof(unconfirmed, no_metadata, found):
    run = unconfirmed(seed_given=True)
    no_metadata.landed(run, suffix="somebody-elses", training_file="file-other")
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


async def test_a_host_that_repeats_its_page_for_ever_is_left(unconfirmed, look, no_metadata, monkeypatch):
    async def jobs(after=None, metadata=None):
        no_metadata.calls.append(("jobs", after))
        return JobPage((), "ftjob-1", is_last=False)

    monkeypatch.setattr(no_metadata, "jobs", jobs)
    seen = await look(unconfirmed())
    assert seen.found == []
    assert "can't be read to its end" in seen.doubt
    assert no_metadata.count("jobs") == 1


# --- "not there" needs a proof ------------------------------------------------------------------------------


@pytest.fixture
def look(context):
    async def look(run):
        return await look_once(run, context)

    return look


async def test_a_list_that_was_read_to_its_end_is_proof(unconfirmed, look, no_metadata):
    assert await look(unconfirmed()) == Look([], None)


async def test_a_list_that_can_not_be_read_is_no_proof(unconfirmed, step, no_metadata, errors, clock):
    run = unconfirmed()
    no_list = NoJobList(endpoint="fake", problem='there is no array under "data"', status=None)
    no_metadata.fault("jobs", no_list, times=50)
    for _ in range(8):
        run = await step(run)
        clock.pass_(50)
    assert (run.state, run.creation_open) == (State.UNKNOWN, True)
    assert 'no array under "data"' in run.reason
    assert f"ftorch resume --again {run.id}" in run.reason
    assert no_metadata.count("create") == 0


@pytest.mark.parametrize("times", [[0, 0, 0], [-1, 5, 0], [None, None], [10, 2_000_000_000, 1_100_000_000]])
async def test_times_that_are_none_or_in_no_order_do_not_end_the_reading(times, unconfirmed, found, no_metadata):
    run = unconfirmed()
    no_metadata.page_size = 1
    mine = no_metadata.landed(run, suffix=None)
    for made_at in times:
        no_metadata.add_job(created_at=made_at, training_file="file-other")
    assert await found(run) == [mine["id"]]


async def test_another_accounts_list_is_no_proof(unconfirmed, look, no_metadata, make_run):
    make_run(state=State.SUCCEEDED, job_id="ftjob-of-mine")
    seen = await look(unconfirmed())
    assert "another account's key" in seen.doubt


async def test_one_recorded_job_that_is_seen_shows_that_it_is_the_account(
    unconfirmed, look, no_metadata, make_run, clock
):
    old = no_metadata.add_job(created_at=clock.now() - 90 * 86_400)
    make_run(state=State.SUCCEEDED, job_id=old["id"])
    make_run(state=State.SUCCEEDED, job_id="ftjob-deleted-there")
    assert (await look(unconfirmed())).doubt is None


async def test_a_cancelled_create_that_can_not_be_settled_is_not_called_cancelled(
    unconfirmed, step, no_metadata, clock
):
    run = unconfirmed(requested_action="cancel")
    no_metadata.fault("jobs", NoJobList(endpoint="fake", problem="no route", status=404), times=50)
    for _ in range(8):
        run = await step(run)
        clock.pass_(50)
    assert run.state == State.UNKNOWN


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
    run = unconfirmed(seed_given=True)
    unsaid = {"no suffix": {"suffix": None}, "no seed": {"seed": None, "suffix": None}}[doubt]
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


async def test_a_second_job_that_fits_without_a_mark_is_told_and_not_cancelled(
    unconfirmed, marked, no_metadata, step, context
):
    run = unconfirmed()
    first, second = (marked(run, suffix=None, seed=None) for _ in range(2))
    adopted = await step(run)
    assert adopted.job_id == first["id"]
    assert no_metadata.count("cancel") == 0
    [warning] = [text for text in context.listener.warnings if second["id"] in text]
    assert "fits too and bears no mark of this run, so it is not cancelled" in warning
