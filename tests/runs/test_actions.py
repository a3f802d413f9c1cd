"""Cancel, pause and unpause: recorded first, carried out when they can be."""

from __future__ import annotations

import pytest

from orchestrator.errors import EndpointBusy
from orchestrator.runs.actions import carry_out
from orchestrator.runs.states import RequestedAction, State
from orchestrator.store import runs as store


@pytest.fixture
def request_action(db, context, reread):
    """Wish and let the worker look once; returns whether the wish is settled and the run as it is then."""

    async def request_action(run, requested):
        with db.write() as connection:
            store.request_action(connection, run.id, requested)
        settled = await carry_out(reread(run), context)
        return settled, reread(run)

    return request_action


@pytest.mark.parametrize("state", [State.PENDING, State.UPLOADING])
async def test_before_a_job_exists_cancel_needs_no_request(state, make_run, context, request_action, endpoint):
    settled, run = await request_action(make_run(context, state=state), RequestedAction.CANCEL)
    assert settled
    assert (run.state, run.requested_action) == (State.CANCELLED, None)
    assert endpoint.calls == []


async def test_an_intent_not_sent_yet_is_cancelled_without_sending_it(
    make_run, context, step, request_action, endpoint
):
    run = await step(make_run(context, state=State.UPLOADING))
    settled, run = await request_action(run, RequestedAction.CANCEL)
    assert settled
    assert run.state == State.CANCELLED
    assert endpoint.count("create") == 0


async def test_an_unconfirmed_create_is_found_first_and_cancelled_then(
    unconfirmed, request_action, step, endpoint, clock
):
    run = unconfirmed()
    settled, kept = await request_action(run, RequestedAction.CANCEL)
    assert not settled
    assert (kept.state, kept.requested_action) == (State.CREATING, "cancel")
    endpoint.landed(run)
    await step(run)
    settled, run = await request_action(run, RequestedAction.CANCEL)
    assert (settled, run.state) == (True, State.CANCELLED)
    assert endpoint.count("cancel") == 1


async def test_nothing_is_created_in_order_to_be_cancelled(unconfirmed, drive, request_action, endpoint, reread):
    run = unconfirmed()
    await request_action(run, RequestedAction.CANCEL)
    await drive(run)
    assert reread(run).state == State.CANCELLED
    assert endpoint.count("create") == 0


async def test_a_create_that_brought_no_job_is_cancelled_after_the_settling_window(
    unconfirmed, step, clock, config
):
    run = unconfirmed(requested_action="cancel")
    assert (await step(run)).state == State.CREATING
    clock.pass_(config.settling_seconds)
    cancelled = await step(run)
    assert (cancelled.state, cancelled.creation_attempts, cancelled.creation_open) == (State.CANCELLED, 1, False)


async def test_a_wish_during_the_upload_stops_the_create(make_run, drive, endpoint, db, reread):
    run = make_run()
    upload = endpoint.upload

    async def wished_meanwhile(*args, **fields):
        with db.write() as connection:
            store.request_action(connection, run.id, RequestedAction.CANCEL)
        return await upload(*args, **fields)

    endpoint.upload = wished_meanwhile
    await drive(run)
    assert reread(run).state == State.CANCELLED
    assert endpoint.count("create") == 0


@pytest.mark.parametrize(
    ("requested", "state", "after"),
    [
        (RequestedAction.CANCEL, State.QUEUED, State.CANCELLED),
        (RequestedAction.CANCEL, State.RUNNING, State.CANCELLED),
        (RequestedAction.CANCEL, State.PAUSED, State.CANCELLED),
        (RequestedAction.PAUSE, State.RUNNING, State.PAUSED),
        (RequestedAction.UNPAUSE, State.PAUSED, State.RUNNING),
    ],
)
async def test_a_job_on_the_endpoint_is_told(
    requested, state, after, make_run, context, request_action, endpoint, history
):
    job = endpoint.add_job(status=state)
    settled, run = await request_action(make_run(context, state=state, job_id=job["id"]), requested)
    assert settled
    assert (run.state, run.requested_action) == (after, None)
    assert endpoint.calls[0][0] == requested
    assert f"asked to be {RequestedAction(requested).done}, " in history(run)[-1].reason


async def test_a_job_that_takes_its_time_to_stop_is_followed(make_run, context, request_action, endpoint):
    job = endpoint.add_job(status="running")

    async def cancel(job_id):
        endpoint.raw_jobs[job_id]["status"] = "cancelling"
        return await endpoint.job(job_id)

    endpoint.cancel = cancel
    settled, run = await request_action(
        make_run(context, state=State.RUNNING, job_id=job["id"]), RequestedAction.CANCEL
    )
    assert settled
    assert (run.state, run.remote_status, run.requested_action) == (State.RUNNING, "cancelling", None)


async def test_a_refused_wish_is_dropped_and_told(make_run, context, request_action, endpoint, errors):
    job = endpoint.add_job(status="running")
    endpoint.fault("cancel", errors.refused(400, message="it is finished"))
    settled, run = await request_action(
        make_run(context, state=State.RUNNING, job_id=job["id"]), RequestedAction.CANCEL
    )
    assert settled
    assert (run.state, run.requested_action) == (State.RUNNING, None)
    assert context.listener.warnings == [f"run {run.id} can't be cancelled: it is finished (400)"]


async def test_a_wish_that_met_passing_trouble_stays(make_run, context, request_action, endpoint, reread):
    job = endpoint.add_job(status="running")
    run = make_run(context, state=State.RUNNING, job_id=job["id"])
    endpoint.fault("cancel", EndpointBusy(endpoint="fake", problem="busy", retry_after=1))
    with pytest.raises(EndpointBusy):
        await request_action(run, RequestedAction.CANCEL)
    assert reread(run).requested_action == "cancel"


async def test_a_wish_while_results_are_collected_waits_for_the_end(
    make_run, context, request_action, endpoint, step
):
    job = endpoint.add_job(status="succeeded", fine_tuned_model="ft:x")
    run = make_run(context, state=State.COLLECTING, job_id=job["id"])
    settled, _ = await request_action(run, RequestedAction.CANCEL)
    assert not settled
    done = await step(run)
    assert (done.state, done.requested_action) == (State.SUCCEEDED, None)


async def test_a_wish_of_a_run_that_is_over_is_not_taken(make_run, db, reread):
    run = make_run(state=State.SUCCEEDED, finished_at=1.0)
    with db.write() as connection:
        assert not store.request_action(connection, run.id, RequestedAction.CANCEL)
    assert reread(run).requested_action is None


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.PAUSED])
async def test_the_loop_carries_a_wish_out_before_it_ends(state, make_run, drive, endpoint, db, reread):
    job = endpoint.add_job(status=state)
    run = make_run(state=state, job_id=job["id"], requested_action="cancel")
    await drive(run)
    assert reread(run).state == State.CANCELLED


async def test_one_wish_in_trouble_does_not_keep_the_other_runs_waiting(
    make_run, drive, endpoint, errors, reread, context
):
    jobs = [endpoint.add_job(status="running", age=1) for _ in range(2)]
    stuck = make_run(state=State.RUNNING, job_id=jobs[0]["id"], requested_action="cancel")
    other = make_run(state=State.RUNNING, job_id=jobs[1]["id"])
    endpoint.fault("cancel", errors.unreachable(), times=8)
    await drive(stuck, other)
    assert reread(other).state == State.SUCCEEDED
    assert endpoint.count("cancel") < 8  # the job ended meanwhile, and so did the wish
