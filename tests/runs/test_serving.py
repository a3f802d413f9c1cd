"""Where a checkpoint answers only on request: it is served once, and the recorded model is the one that answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.endpoints.interface import ServedModel, ServingRequest
from orchestrator.errors import LostLease, RequestRefused
from orchestrator.runs.polling import poll
from orchestrator.runs.serving import MOST_REQUESTS, VALIDATION_SECONDS
from orchestrator.runs.states import State
from orchestrator.store import records
from orchestrator.store.runs import RUNS

BASE = "meta-llama/Meta-Llama-3.1-8B-Instruct"


class FakeServing:
    """A host that serves at once, unless it is told otherwise."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.served: dict[str, ServedModel] = {}
        self.requests: list[ServingRequest] = []
        self.removed: list[str] = []
        self.status, self.problem = "active", None
        self.faults: list[tuple[Exception, bool]] = []
        """What the next requests meet: an error, and whether they take effect all the same."""
        self._numbers = itertools.count(1)

    async def models(self) -> list[ServedModel]:
        return list(self.served.values())

    async def serve(self, request: ServingRequest) -> ServedModel:
        self.requests.append(request)
        error, lands = self.faults.pop(0) if self.faults else (None, True)
        made = self.made(request.name, request.job_id, request.checkpoint_id, request.description)
        if lands:
            self.served[made.name] = made
        if error:
            raise error
        return made

    def made(self, name: str, job_id: str | None, checkpoint_id: str | None, description: str) -> ServedModel:
        whole = f"{BASE}-LoRa:{name}-abc{next(self._numbers)}"
        return ServedModel(
            whole, self.status, self.problem, job_id, checkpoint_id, description, created_at=self.now()
        )

    async def remove(self, name: str) -> None:
        self.removed.append(name)
        self.served.pop(name, None)


@pytest.fixture
def serving(clock, endpoint, context) -> FakeServing:
    context.config = replace(context.config, result="served-checkpoint")
    endpoint.serving = FakeServing(clock.now)
    return endpoint.serving


@pytest.fixture
async def ended(make_run, context, endpoint, serving):
    """A run whose job has succeeded, with two checkpoints and without a model."""
    endpoint.life = ()
    job = endpoint.add_job(status="running")
    run = make_run(context, state=State.RUNNING, job_id=job["id"])
    endpoint.raw_jobs[job["id"]] |= {"status": "succeeded", "fine_tuned_model": None}
    endpoint.checkpoints_of[job["id"]] += [{"id": f"ckpt-{step}", "step_number": step} for step in (4, 8)]
    await poll(context)
    return run


async def test_the_last_checkpoint_is_served_once_and_recorded_by_the_name_that_answers(ended, step, serving, db):
    waiting = await step(ended)
    assert (waiting.state, waiting.fine_tuned_model) == (State.COLLECTING, None)
    done = await step(ended)
    [request] = serving.requests
    [name] = serving.served
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, name)
    assert (request.job_id, request.checkpoint_id, request.model) == (ended.job_id, "ckpt-8", ended.model)
    assert ended.id in request.name
    assert done.create_not_before is None
    with db.read() as connection:
        assert [model.model for model in records.models_newest(connection)] == [name]


async def test_a_model_that_is_being_validated_is_waited_for(ended, step, serving, clock, context):
    serving.status = "validating"
    await step(ended)
    for _ in range(3):
        waiting = await step(ended)
        assert waiting.state == State.COLLECTING
        assert "says validating of the model" in waiting.reason
    assert context.blocked == set()
    clock.pass_(VALIDATION_SECONDS + 1)
    await step(ended)
    assert context.blocked == {ended.id}
    assert len(serving.requests) == 1


async def test_after_a_lost_answer_the_model_is_found_and_not_asked_for_again(ended, step, serving, errors):
    serving.faults = [(errors.unknown(), True)]
    waiting = await step(ended)
    assert "unconfirmed" in waiting.reason
    assert (await step(ended)).state == State.SUCCEEDED
    assert len(serving.requests) == 1


async def test_a_request_that_never_arrived_is_repeated_after_the_settling_window(
    ended, step, serving, errors, clock, config
):
    serving.faults = [(errors.unknown(), False)]
    await step(ended)
    clock.pass_(config.settling_seconds - 1)
    await step(ended)
    assert len(serving.requests) == 1
    clock.pass_(2)
    await step(ended)
    assert len(serving.requests) == 2
    assert (await step(ended)).state == State.SUCCEEDED


async def test_a_process_that_finds_an_open_request_looks_for_a_whole_window_of_its_own(
    ended, step, serving, errors, clock, config, make_world, context, db
):
    serving.faults = [(errors.unknown(), False)]
    await step(ended)
    clock.pass_(10 * config.settling_seconds)
    other = make_world(config=context.config, owner=context.owner)
    await step(ended, other)
    assert len(serving.requests) == 1
    clock.pass_(config.settling_seconds + 1)
    await step(ended, other)
    assert len(serving.requests) == 2


async def test_after_a_few_requests_without_a_model_the_user_is_asked(ended, step, serving, errors, clock, context):
    serving.faults = [(errors.unknown(), False)] * 5
    for _ in range(5):
        waiting = await step(ended)
        clock.pass_(context.config.settling_seconds + 1)
    assert len(serving.requests) == MOST_REQUESTS
    assert context.blocked == {ended.id}
    assert "ftorch resume asks again" in waiting.reason


async def test_a_refusal_names_the_ways_on_and_needs_no_settling_window(ended, step, serving, errors):
    serving.faults = [(errors.refused(400, message="no adapters of this model"), False)]
    with pytest.raises(RequestRefused) as caught:
        await step(ended)
    said = str(caught.value)
    assert "no adapters of this model" in said
    assert f"checkpoint {ended.job_id}:ckpt-8 is trained" in said
    assert "serving_models" in said
    assert 'result = "last-checkpoint"' in said
    await step(ended)
    assert (await step(ended)).state == State.SUCCEEDED


async def test_a_refusal_after_a_lost_request_closes_nothing(ended, step, serving, errors, clock, config, reread):
    serving.faults = [(errors.unknown(), False), (errors.refused(400), False)]
    await step(ended)
    clock.pass_(config.settling_seconds + 1)
    with pytest.raises(RequestRefused):
        await step(ended)
    assert reread(ended).create_not_before is not None


async def test_a_model_that_the_host_could_not_serve_is_removed_and_said(ended, step, serving, reread):
    serving.status, serving.problem = "error", "rank 512 is too large"
    await step(ended)
    [name] = serving.served
    with pytest.raises(RequestRefused, match="rank 512 is too large"):
        await step(ended)
    assert serving.removed == [name]
    serving.status = "active"
    await step(ended)
    assert (await step(ended)).state == State.SUCCEEDED


async def test_of_two_models_of_a_run_the_oldest_stays(ended, step, serving, clock, context):
    await step(ended)
    [first] = serving.served
    request = serving.requests[0]
    clock.pass_(1)
    second = serving.made(request.name, request.job_id, request.checkpoint_id, request.description)
    serving.served = {second.name: second, **serving.served}
    done = await step(ended)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, first)
    assert serving.removed == [second.name]
    assert second.name in context.listener.warnings[0]


async def test_a_model_that_somebody_served_by_hand_is_taken_and_never_removed(ended, step, serving, context):
    for status in ("validating", "active"):
        serving.status = status
        by_hand = serving.made(f"mine-{ended.id}", ended.job_id, "ckpt-8", "for the demo")
        serving.served[by_hand.name] = by_hand
    done = await step(ended)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, by_hand.name)
    assert serving.requests == serving.removed == []
    assert "it stays" in context.listener.warnings[0]


async def test_a_broken_model_that_somebody_served_by_hand_is_left_alone(ended, step, serving):
    serving.status = "error"
    by_hand = serving.made(f"mine-{ended.id}", ended.job_id, "ckpt-8", "for the demo")
    serving.served[by_hand.name] = by_hand
    serving.status = "active"
    await step(ended)
    done = await step(ended)
    assert (done.state, len(serving.requests), serving.removed) == (State.SUCCEEDED, 1, [])
    assert done.fine_tuned_model != by_hand.name


@pytest.mark.parametrize("status", ["active", "error", None])
async def test_for_an_adopted_job_nothing_is_served_that_is_not_yet(
    status, make_run, context, endpoint, serving, step
):
    job = endpoint.add_job(status="succeeded", fine_tuned_model=None)
    endpoint.life = ()
    endpoint.checkpoints_of[job["id"]] += [{"id": "ckpt-8", "step_number": 8}]
    run = make_run(context, state=State.COLLECTING, job_id=job["id"], job_file="")
    if status is not None:
        serving.status = status
        found = serving.made("theirs", job["id"], "ckpt-8", "")
        serving.served[found.name] = found
    done = await step(run)
    expected = found.name if status == "active" else f"{job['id']}:ckpt-8"
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, expected)
    assert serving.requests == serving.removed == []


@pytest.mark.parametrize(
    "origin", [{"job_id": "ftjob-other"}, {"checkpoint_id": "ckpt-4"}, {"status": "deleted"}, {"description": "x"}]
)
async def test_another_jobs_or_a_deleted_model_is_not_taken(origin, ended, step, serving):
    name = "drone" if "description" in origin else f"drone-{ended.id}"
    other = serving.made(name, ended.job_id, "ckpt-8", f"ftorch run {ended.id}")
    serving.served[other.name] = replace(other, **origin)
    await step(ended)
    done = await step(ended)
    assert len(serving.requests) == 1
    assert done.fine_tuned_model not in (None, other.name)


async def test_a_process_that_slept_past_its_lease_asks_for_nothing(
    ended, step, serving, monkeypatch, db, clock, make_world
):
    def overslept(name: str) -> None:
        if name == "before-serving":
            monkeypatch.undo()
            with db.write() as connection:
                RUNS.take(connection, make_world().owner, clock.now() + 1e9, RUNS.table.c.id == ended.id)

    monkeypatch.setattr("orchestrator.engine.crashpoints.armed", overslept)
    with pytest.raises(LostLease):
        await step(ended)
    assert serving.requests == []


async def test_nothing_is_served_where_the_table_says_so(ended, step, serving, context):
    context.config = replace(context.config, result="last-checkpoint")
    done = await step(ended)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, f"{ended.job_id}:ckpt-8")
    assert serving.requests == []


async def test_a_succeeded_job_without_checkpoints_stays_unknown(ended, step, endpoint, clock, config, context):
    found: dict[str, Any] = endpoint.checkpoints_of
    kept = found.pop(ended.job_id)
    clock.pass_(config.settling_seconds + 1)
    assert (await step(ended)).state == State.UNKNOWN
    assert (await step(ended)).state == State.UNKNOWN
    assert context.blocked == {ended.id}
    found[ended.job_id] = kept
    assert (await step(ended)).state == State.COLLECTING
