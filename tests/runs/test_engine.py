"""The loop of a worker: leases, outages, and when it ends."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned
from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, QuotaExhausted
from orchestrator.runs.engine import EndpointLoop
from orchestrator.runs.states import State
from orchestrator.store.schema import runs as table


async def test_a_run_goes_all_the_way(make_run, drive, reread, history, endpoint):
    run = make_run()
    await drive(run)
    done = reread(run)
    assert (done.state, done.fine_tuned_model) == (State.SUCCEEDED, f"ft:{run.model}:{done.job_id}")
    assert [line.to_state for line in history(run)] == [
        "pending", "uploading", "creating", "queued", "running", "collecting", "succeeded",
    ]  # fmt: skip
    assert (done.lease_owner, done.lease_expires_at) == (None, None)
    assert (endpoint.count("upload"), endpoint.count("create")) == (1, 1)


async def test_many_runs_share_the_slots_and_all_end(make_run, drive, reread, endpoint):
    runs = [make_run() for _ in range(12)]
    await drive(*runs)
    assert {reread(run).state for run in runs} == {State.SUCCEEDED}
    assert endpoint.count("create") == len(endpoint.raw_jobs) == 12
    assert endpoint.count("upload") == 1


async def test_only_the_runs_asked_for_are_begun_but_jobs_are_followed_for_all(make_run, drive, reread, endpoint):
    asked, stranger = make_run(), make_run()
    job = endpoint.add_job(status="running", age=1)
    running = make_run(state=State.RUNNING, job_id=job["id"])
    await drive(asked)
    assert reread(asked).state == State.SUCCEEDED
    assert reread(stranger).state == State.PENDING
    assert reread(running).state in (State.COLLECTING, State.SUCCEEDED)


async def test_a_paused_run_is_looked_at_before_the_loop_ends(make_run, drive, reread, endpoint):
    job = endpoint.add_job(status="succeeded")
    paused = make_run(state=State.PAUSED, job_id=job["id"])
    await drive(paused)
    assert reread(paused).state == State.SUCCEEDED


async def test_a_paused_run_and_a_run_over_budget_end_the_loop(make_run, drive, reread, endpoint):
    job = endpoint.add_job(status="paused")
    paused = make_run(state=State.PAUSED, job_id=job["id"])
    poor = make_run(max_cost_usd=0.5)
    await drive(paused, poor)
    assert reread(paused).state == State.PAUSED
    assert "over budget" in reread(poor).reason


# --- outages ---------------------------------------------------------------------------------------------------


async def test_an_endpoint_that_never_answered_is_told_and_the_leases_are_given_back(
    make_run, drive, reread, endpoint, errors
):
    run = make_run()
    endpoint.fault("upload", errors.unreachable(sent=False))
    with pytest.raises(EndpointUnreachable):
        await drive(run)
    kept = reread(run)
    assert (kept.state, kept.lease_owner) == (State.UPLOADING, None)
    assert "it is away" in kept.reason
    await drive(run)
    assert reread(run).state == State.SUCCEEDED


async def test_an_endpoint_that_answered_before_is_waited_for(make_run, drive, reread, endpoint, errors, context):
    endpoint.fault("job", *[errors.unreachable()] * 5)
    run = make_run()
    await drive(run)
    assert reread(run).state == State.SUCCEEDED
    pauses = [text.rsplit(" in ")[1] for text in context.listener.warnings]
    assert pauses == ["1 s", "2 s", "4 s", "8 s", "16 s"]


async def test_retry_after_is_obeyed_by_every_part_of_the_loop(make_run, drive, endpoint, errors, fault, clock):
    """Also by the search for a lost upload, which comes each second otherwise."""
    job = endpoint.add_job(status="running", age=1)
    asked = []
    meet = endpoint._meet

    async def timed(kind, detail, effect):
        asked.append((kind, clock.now()))
        return await meet(kind, detail, effect)

    endpoint._meet = timed
    endpoint.life = ("queued", "running", "running", "running", "succeeded")
    endpoint.fault("upload", errors.unknown())
    endpoint.fault("find_files", errors.unreachable(retry_after=50))
    await drive(make_run(), make_run(state=State.RUNNING, job_id=job["id"]))
    told = next(at for kind, at in asked if kind == "find_files")
    later = [at for _, at in asked if at > told]
    assert later[0] >= told + 50


async def test_a_busy_endpoint_has_answered(make_run, drive, reread, endpoint):
    endpoint.fault("job", EndpointBusy(endpoint="fake", problem="slow down", retry_after=30))
    job = endpoint.add_job(status="running", age=1)
    run = make_run(state=State.RUNNING, job_id=job["id"])
    await drive(run)
    assert reread(run).state == State.SUCCEEDED


async def test_one_run_in_trouble_does_not_stop_the_others(make_run, drive, reread, endpoint, errors):
    job = endpoint.add_job(status="running", age=1)
    running = make_run(state=State.RUNNING, job_id=job["id"])
    new = make_run()
    endpoint.fault("upload", *[errors.unreachable(sent=False)] * 3)
    await drive(new, running)
    assert {reread(running).state, reread(new).state} == {State.SUCCEEDED}


@pytest.mark.parametrize("kind", ["upload", "create", "job"])
@pytest.mark.parametrize("refusal", [KeyRefused, QuotaExhausted])
async def test_what_the_user_must_mend_ends_the_loop_and_keeps_the_run(
    kind, refusal, make_run, drive, reread, endpoint
):
    run = make_run()
    times = 3 if (kind, refusal) == ("job", KeyRefused) else 1  # a look at a job is tried again: that may pass
    endpoint.fault(kind, refusal(endpoint="fake", problem="no", api_key_env="K"), times=times)
    with pytest.raises(refusal):
        await drive(run)
    assert not reread(run).is_over
    assert reread(run).lease_owner is None
    await drive(run)
    assert reread(run).state == State.SUCCEEDED
    assert len(endpoint.raw_jobs) == 1


# --- stopping --------------------------------------------------------------------------------------------------


async def test_stopping_ends_the_loop_and_not_the_job(make_run, context, endpoint, reread):
    stop = asyncio.Event()
    endpoint.life = ("queued", "running")
    run = make_run()
    loop = asyncio.create_task(EndpointLoop(context, [run.id]).run(stop))
    async with asyncio.timeout(5):
        while reread(run).state != State.RUNNING:
            await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert (reread(run).state, reread(run).lease_owner) == (State.RUNNING, None)
    assert endpoint.count("cancel") == 0


async def test_stopping_does_not_wait_for_the_next_poll(make_run, make_world, endpoint):
    real_sleep = replace(make_world().clock, sleep=asyncio.sleep)
    stop = asyncio.Event()
    endpoint.life = ("queued", "running")
    job = endpoint.add_job()
    run = make_run(state=State.RUNNING, job_id=job["id"])
    loop = asyncio.create_task(EndpointLoop(make_world(clock=real_sleep), [run.id]).run(stop))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(loop, 0.5)


async def test_the_loop_ends_when_its_caller_has_what_it_wants(make_run, drive, reread, endpoint):
    run = make_run()
    await drive(run, until=lambda: reread(run).job_id is not None)
    assert reread(run).job_id
    assert not reread(run).is_over


# --- two workers ------------------------------------------------------------------------------------------------


async def test_of_two_workers_one_drives_and_the_other_reports(make_run, make_world, drive, reread, endpoint):
    run = make_run()
    first, second = make_world(), make_world()
    for worker in (first, second):
        worker.followed.add(run.id)
    await asyncio.gather(drive(run, worker=first), drive(run, worker=second))
    assert reread(run).state == State.SUCCEEDED
    assert (endpoint.count("create"), endpoint.count("upload")) == (1, 1)
    driven, watched = (worker.listener.moves for worker in (first, second))
    assert driven[-1] == watched[-1] == "succeeded"
    assert driven == ["uploading", "creating", "queued", "running", "collecting", "succeeded"]


async def test_a_sleeping_worker_writes_nothing_after_another_took_over(
    make_run, make_world, drive, reread, history, endpoint, clock
):
    """It is suspended inside the create request; when it wakes, the run is long done."""
    run = make_run()
    sleeper, other = make_world(), make_world()
    asleep, awake = asyncio.Event(), asyncio.Event()
    create = endpoint.create

    async def create_and_sleep(request):
        job = await create(request)
        asleep.set()
        await awake.wait()
        return job

    endpoint.create = create_and_sleep
    sleeping = asyncio.create_task(drive(run, worker=sleeper))
    await asleep.wait()
    clock.pass_(LEASE_SECONDS + 1)
    await drive(run, worker=other)
    done, lines = reread(run), history(run)
    assert done.state == State.SUCCEEDED
    awake.set()
    await sleeping
    assert reread(run) == done
    assert history(run) == lines
    assert endpoint.count("create") == len(endpoint.raw_jobs) == 1


async def test_a_live_workers_run_is_not_taken(make_run, drive, reread, endpoint, clock):
    held = make_run(lease_owner=f"elsewhere:{os.getpid()}:0", lease_expires_at=clock.now() + 20)
    await drive(held)
    assert reread(held).state == State.SUCCEEDED
    assert clock.now() >= 1_800_000_020


async def test_a_dead_workers_run_is_taken_at_once(make_run, drive, reread, clock, dead_owner):
    run = make_run(lease_owner=dead_owner, lease_expires_at=clock.now() + 9999)
    await drive(run)
    assert reread(run).state == State.SUCCEEDED
    assert clock.now() < 1_800_000_000 + 60


def test_a_worker_counts_as_dead_only_where_that_is_certain(dead_owner, context):
    assert is_abandoned(dead_owner)
    assert not is_abandoned(context.owner)
    machine, _, rest = dead_owner.rsplit(":", 2)
    assert not is_abandoned(f"{machine}:{os.getppid()}:{rest}")
    assert not is_abandoned(dead_owner.replace(machine, "another.machine"))
    assert not is_abandoned(f"{machine}:1:{rest}")


async def test_a_run_taken_back_by_its_own_worker_is_driven_on(make_run, drive, reread, clock, db):
    run = make_run()
    with db.write() as connection:
        connection.execute(table.update().values(lease_owner="gone:1:0", lease_expires_at=clock.now() - 1))
    await drive(run)
    assert reread(run).state == State.SUCCEEDED
