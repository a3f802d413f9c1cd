"""The paid request: every outcome it can have, and what is done then."""

from __future__ import annotations

import pytest

from orchestrator.endpoints.objects import read_job
from orchestrator.errors import EndpointBusy, KeyRefused, LostLease, OutcomeUnknown, QuotaExhausted
from orchestrator.ids import ulid
from orchestrator.runs.jobs import CONTENT_KEY, TOKEN_KEY, content_of
from orchestrator.runs.states import State
from orchestrator.store import records, runs as store
from orchestrator.store.schema import runs


@pytest.fixture
async def intended(make_run, context, step):
    """A run whose intent to create this process has just committed."""
    run = await step(make_run(context, state=State.UPLOADING))
    assert (run.state, run.creation_open, run.creation_attempts) == (State.CREATING, True, 1)
    return run


async def test_an_answer_is_recorded_with_its_job(intended, step, endpoint):
    run = await step(intended)
    assert (run.state, run.job_id, run.creation_open) == (State.QUEUED, next(iter(endpoint.raw_jobs)), False)
    assert run.remote_job["id"] == run.job_id


async def test_the_request_carries_the_token_the_run_and_the_seed(intended, step, endpoint):
    run = await step(intended)
    (request,) = [detail for kind, detail in endpoint.calls if kind == "create"]
    marks = {TOKEN_KEY: run.creation_token, "ftorch_run": run.id, CONTENT_KEY: content_of(run)}
    assert request.metadata == marks
    assert (request.seed, request.suffix, request.training_file) == (run.seed, "drone", run.training_file_id)


async def test_without_metadata_the_suffix_carries_the_run(no_metadata, make_run, context, step):
    run = await step(make_run(context, state=State.UPLOADING, suffix="s" * 64))
    await step(run)
    (request,) = [detail for kind, detail in no_metadata.calls if kind == "create"]
    assert request.metadata == {}
    assert request.suffix.endswith(f"-{run.id}")
    assert len(request.suffix) <= 64


async def test_the_intent_is_committed_before_anything_is_sent(make_run, context, step, endpoint, reread, history):
    run = make_run(context, state=State.UPLOADING)
    seen = []

    async def create(request):
        seen.append((reread(run), history(run)[-1]))
        return await type(endpoint).create(endpoint, request)

    await step(run)
    endpoint.create = create
    await step(run)
    ((before, line),) = seen
    assert (before.state, before.creation_open, line.to_state) == (State.CREATING, True, State.CREATING)
    assert before.creation_token
    assert before.creation_started_at == before.creation_attempted_at is not None


async def test_a_refusal_fails_the_run_with_the_endpoints_words(intended, step, endpoint, errors):
    endpoint.fault("create", errors.refused(400, "invalid_hyperparameters", "n_epochs is too high"))
    assert (await step(intended)).creation_open  # until one look has found nothing
    run = await step(intended)
    assert (run.state, run.error_code, run.error_message) == (
        State.FAILED, "invalid_hyperparameters", "n_epochs is too high",
    )  # fmt: skip
    assert "n_epochs is too high" in run.reason
    assert not run.creation_open


async def test_a_job_that_failed_in_the_very_answer_brings_its_events(
    intended, drive, context, endpoint, reread, db
):
    async def create(request):
        job = await type(endpoint).create(endpoint, request)
        endpoint.raw_jobs[job.id] |= {
            "status": "failed",
            "error": {"code": "bad_data", "message": "line 4 is broken"},
        }
        event = {"id": "e1", "created_at": 1, "level": "error", "message": "line 4 is broken", "type": "message"}
        endpoint.events_of[job.id].append(event)
        return read_job(dict(endpoint.raw_jobs[job.id]))

    endpoint.create = create
    await drive(intended)
    assert (reread(intended).state, reread(intended).error_code) == (State.FAILED, "bad_data")
    with db.read() as connection:
        assert [event.message for event in records.events_of(connection, intended.id)] == ["line 4 is broken"]


async def test_the_end_of_training_at_openai_names_the_ways_on(intended, step, endpoint, errors):
    endpoint.fault("create", errors.refused(403, "training_not_available", "OpenAI is winding down."))
    await step(intended)
    run = await step(intended)
    assert run.state == State.FAILED
    assert "--endpoint local" in run.error_message
    assert "Azure" in run.error_message


async def test_a_conflict_about_a_new_file_is_waited_out(intended, step, endpoint, clock):
    message = f"File {intended.training_file_id} is not ready"
    facts = {"problem": f"{message} (HTTP 409)", "status": 409, "code": "file_not_ready", "message": message}
    endpoint.fault("create", OutcomeUnknown(endpoint="fake", **facts))
    waiting = await step(intended)
    assert (waiting.state, waiting.creation_open, waiting.creation_attempts) == (State.CREATING, False, 1)
    clock.pass_(5)
    again = await step(waiting)
    assert (again.creation_open, again.creation_attempts) == (True, 1)
    assert (await step(again)).state == State.QUEUED


async def test_too_many_requests_waits_as_told_then_asks_again(intended, step, endpoint, clock):
    endpoint.fault("create", EndpointBusy(endpoint="fake", problem="3 jobs run already", retry_after=42))
    waiting = await step(intended)
    assert (waiting.state, waiting.creation_open) == (State.CREATING, False)
    assert waiting.due_at == waiting.create_not_before == clock.now() + 42
    early = await step(waiting)
    assert (early.creation_open, early.due_at) == (False, clock.now() + 42)
    assert "asking again at" in early.reason
    clock.pass_(42)
    again = await step(early)
    assert (again.creation_attempts, again.creation_open) == (1, True)  # what was turned away is no attempt
    assert again.creation_token == intended.creation_token
    assert (await step(again)).state == State.QUEUED
    assert endpoint.count("create") == 2
    assert endpoint.count("jobs") > 0  # a gateway may have passed the first one on


async def test_a_create_that_was_made_behind_a_refusal_is_found(intended, step, endpoint, errors, fault):
    endpoint.fault("create", fault(errors.refused(403, None, "gateway"), lands=True))
    await step(intended)
    run = await step(intended)
    assert (run.state, endpoint.count("create"), len(endpoint.raw_jobs)) == (State.QUEUED, 1, 1)


async def test_a_create_that_was_made_behind_a_429_is_found(intended, step, endpoint, clock, fault):
    busy = EndpointBusy(endpoint="fake", problem="busy", retry_after=5)
    endpoint.fault("create", fault(busy, lands=True))
    await step(intended)
    clock.pass_(6)
    run = await step(intended)
    assert (run.state, endpoint.count("create"), len(endpoint.raw_jobs)) == (State.QUEUED, 1, 1)


async def test_a_day_of_waiting_looks_every_hour_and_asks_not_before(intended, step, endpoint, clock, fault):
    endpoint.fault("create", EndpointBusy(endpoint="fake", problem="daily cap", retry_after=86_400))
    waiting = await step(intended)
    assert waiting.due_at == clock.now() + 3600
    clock.pass_(3601)
    waiting = await step(waiting)
    assert (endpoint.count("create"), waiting.creation_open) == (1, False)
    assert endpoint.count("jobs") > 0


async def test_without_a_time_the_pauses_grow(intended, step, endpoint, clock):
    endpoint.fault("create", EndpointBusy(endpoint="fake", problem="cap", retry_after=None), times=4)
    run, pauses = intended, []
    for _ in range(4):
        run = await step(run)
        pauses.append(run.create_not_before - clock.now())
        clock.pass_(pauses[-1])
        run = await step(run)
    assert pauses == [5, 10, 20, 40]


@pytest.mark.parametrize("said", ["File {id} is not ready", "dataset is not ready: UPLOADING", "{id} not found"])
async def test_a_new_file_that_is_not_ready_is_waited_out(intended, step, endpoint, errors, clock, said):
    said = said.format(id=intended.training_file_id)
    endpoint.fault("create", errors.refused(400, "FAILED_PRECONDITION", said), times=2)
    run = intended
    for _ in range(2):
        run = await step(run)
        assert (run.state, run.creation_open) == (State.CREATING, False)
        assert said in run.reason
        clock.pass_(5)
        run = await step(run)
    assert (await step(run)).state == State.QUEUED


async def test_a_file_that_is_not_ready_for_ten_minutes_is_refused(intended, step, endpoint, errors, clock):
    endpoint.fault("create", errors.refused(400, "file_not_ready", "the file is not ready"))
    clock.pass_(601)
    await step(intended)
    assert (await step(intended)).state == State.FAILED


async def test_after_three_unknown_outcomes_only_the_user_asks_again(
    intended, step, endpoint, errors, clock, config, db
):
    endpoint.fault("create", errors.unknown(), times=4)
    run, sent = intended, []
    while run.state == State.CREATING:
        before = endpoint.count("create")
        run = await step(run)
        sent += [clock.now()] * (endpoint.count("create") - before)
        clock.pass_(config.settling_seconds / 4)
    first, second, third = sent
    assert third - second > second - first > config.settling_seconds
    assert run.state == State.UNKNOWN
    assert f"ftorch resume --again {run.id}" in run.reason
    clock.pass_(99_999)
    run = await step(run)
    assert (run.state, endpoint.count("create")) == (State.UNKNOWN, 3)
    with db.write() as connection:
        store.request_action(connection, run.id, "again")
    run = await step(run)
    assert (run.state, run.requested_action) == (State.CREATING, None)
    await step(run)
    assert endpoint.count("create") == 4


async def test_a_refusal_after_an_unknown_outcome_is_believed_only_after_a_window(
    intended, step, endpoint, errors, clock, config
):
    endpoint.fault("create", errors.unknown(), errors.refused(400, None, "no"))
    await step(intended)
    clock.pass_(config.settling_seconds + 1)
    run = await step(intended)
    assert run.creation_attempts == 2
    run = await step(run)
    for _ in range(3):
        clock.pass_(config.settling_seconds / 4)
        run = await step(run)
        assert run.state == State.CREATING
    clock.pass_(2 * config.settling_seconds)
    run = await step(run)
    assert (run.state, run.error_message) == (State.FAILED, "no")


async def test_too_many_requests_without_a_time_waits_a_poll(intended, step, endpoint, clock, config):
    endpoint.fault("create", EndpointBusy(endpoint="fake", problem="busy", retry_after=None))
    assert (await step(intended)).due_at == clock.now() + config.poll_seconds


@pytest.mark.parametrize(
    "error",
    [
        KeyRefused(endpoint="fake", problem="no", api_key_env="K"),
        QuotaExhausted(endpoint="fake", problem="no credit"),
        "never sent",
    ],
    ids=["key refused", "no credit", "connection refused"],
)
async def test_what_certainly_created_nothing_may_be_asked_again_at_once(
    error, intended, step, endpoint, errors, reread
):
    error = errors.unreachable(sent=False) if error == "never sent" else error
    endpoint.fault("create", error)
    with pytest.raises(type(error)):
        await step(intended)
    kept = reread(intended)
    assert (kept.state, kept.creation_open) == (State.CREATING, False)
    await step(kept)
    assert (await step(kept)).state == State.QUEUED
    assert len(endpoint.raw_jobs) == 1


async def test_a_lost_answer_is_adopted_not_repeated(intended, step, endpoint, errors, fault):
    endpoint.fault("create", fault(errors.unknown(), lands=True))
    waiting = await step(intended)
    assert (waiting.state, waiting.creation_open) == (State.CREATING, True)
    assert "unconfirmed" in waiting.reason
    adopted = await step(waiting)
    assert (adopted.state, adopted.creation_open) == (State.QUEUED, False)
    assert [adopted.job_id] == list(endpoint.raw_jobs)
    assert endpoint.count("create") == 1


async def test_a_create_that_never_landed_is_repeated_only_after_the_settling_window(
    intended, step, endpoint, errors, clock, config
):
    endpoint.fault("create", errors.unknown())
    await step(intended)
    for _ in range(10):
        clock.pass_(config.settling_seconds / 10 - 0.01)
        assert (await step(intended)).creation_attempts == 1
    clock.pass_(1)
    again = await step(intended)
    assert (again.creation_attempts, again.creation_token) == (2, intended.creation_token)
    assert endpoint.count("create") == 1
    assert (await step(intended)).state == State.QUEUED
    assert endpoint.count("create") == 2
    assert len(endpoint.raw_jobs) == 1


async def test_the_settling_window_begins_when_the_request_was_given_up(
    intended, step, endpoint, errors, fault, clock, config
):
    """A request with a long time limit can land long after its intent."""
    endpoint.fault("create", fault(errors.unknown(), delay=10 * config.settling_seconds))
    await step(intended)
    assert (await step(intended)).creation_attempts == 1
    clock.pass_(config.settling_seconds - 1)
    late = endpoint.landed(intended)
    assert (await step(intended)).job_id == late["id"]
    assert endpoint.count("create") == 1


async def test_a_lagging_list_is_no_proof_that_there_is_no_job(intended, step, endpoint, errors, fault, clock):
    endpoint.fault("create", fault(errors.unknown(), lands=True))
    endpoint.hidden_lists = 6
    for _ in range(4):
        assert (await step(intended)).state == State.CREATING
        clock.pass_(24)
    assert (await step(intended)).state == State.QUEUED
    assert endpoint.count("create") == 1


async def test_an_attempt_found_in_the_database_is_looked_for_before_it_is_sent(unconfirmed, step, endpoint):
    """The process that committed it may have died before or after the request."""
    waiting = await step(unconfirmed())
    assert (waiting.state, waiting.creation_attempts) == (State.CREATING, 1)
    assert (endpoint.count("create"), endpoint.count("jobs")) == (0, 2)


async def test_an_attempt_is_sent_by_the_process_that_committed_it_only_once(intended, step, endpoint, errors):
    endpoint.fault("create", errors.unknown())
    for _ in range(3):
        await step(intended)
    assert endpoint.count("create") == 1


async def test_a_worker_that_slept_past_its_lease_does_not_send(intended, step, endpoint, db, reread):
    with db.write() as connection:
        connection.execute(runs.update().values(lease_owner="another"))
    with pytest.raises(LostLease):
        await step(intended)
    assert endpoint.count("create") == 0
    assert reread(intended).creation_open


async def test_alike_runs_are_created_one_after_another_where_only_marks_tell_them_apart(
    no_metadata, make_run, context, step, errors
):
    first = await step(make_run(context, state=State.UPLOADING, seed=7, seed_given=True))
    second = make_run(context, state=State.UPLOADING, seed=7, seed_given=True)
    waiting = await step(second)
    assert waiting.state == State.UPLOADING
    assert first.id in waiting.reason
    await step(first)
    assert (await step(second)).state == State.CREATING


async def test_a_repeated_attempt_keeps_the_same_order(no_metadata, make_run, context, step, clock):
    """The first was told to wait; meanwhile an alike run went out and is not confirmed."""
    first = await step(make_run(context, state=State.UPLOADING, seed=7, seed_given=True))
    no_metadata.fault("create", EndpointBusy(endpoint="fake", problem="busy", retry_after=1))
    await step(first)
    second = await step(make_run(context, state=State.UPLOADING, seed=7, seed_given=True))
    assert second.state == State.CREATING
    clock.pass_(1)
    waiting = await step(first)
    assert not waiting.creation_open
    assert second.id in waiting.reason


async def test_with_metadata_alike_runs_are_created_at_once(make_run, context, step):
    for _ in range(2):
        assert (await step(make_run(context, state=State.UPLOADING, seed=7))).state == State.CREATING


def test_a_token_is_a_ulid(context):
    tokens = [ulid(context.random, 1_800_000_000 + n) for n in range(50)]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == 50
    assert all(len(token) == 26 and set(token) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for token in tokens)
    # the example of the ULID specification for this time: 01ARYZ6S41…
    assert ulid(context.random, 1469918176.385).startswith("01ARYZ6S41")


async def test_an_answer_with_another_runs_job_is_named_and_nothing_more_is_sent(
    intended, step, endpoint, make_run, context, clock
):
    other = endpoint.add_job(status="running")
    owner = make_run(state=State.RUNNING, job_id=other["id"])

    async def create(request):
        endpoint.calls.append(("create", request))
        return read_job(dict(other))

    endpoint.create = create
    run = await step(intended)
    assert (run.state, run.job_id) == (State.UNKNOWN, None)
    assert other["id"] in run.reason
    assert owner.id in run.reason
    clock.pass_(9999)
    await step(run)
    assert endpoint.count("create") == 1
