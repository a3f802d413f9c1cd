"""The same bytes go to an endpoint once, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.contents import content_of

from orchestrator.dataset.files import inspect_file, sent_name
from orchestrator.endpoints.interface import TRAINING
from orchestrator.engine.machine import Wait
from orchestrator.errors import DataFileNotFound, DataFileUnusable, EndpointBusy, KeyRefused, LostLease
from orchestrator.runs.states import State
from orchestrator.store import uploads


async def test_a_file_goes_up_once_and_is_found_again(send, endpoint, row):
    first, second = await send(), await send()
    assert first == second == row().file_id
    assert endpoint.count("upload") == 1
    assert row().lease_owner is None


async def test_runs_that_need_the_same_bytes_at_once_share_one_upload(context, endpoint, make_run, drive, reread):
    runs = [make_run(), make_run(), make_run()]
    await drive(*runs)
    assert endpoint.count("upload") == 1
    assert endpoint.count("create") == 3
    assert len({reread(run).training_file_id for run in runs}) == 1


async def test_two_workers_at_once_share_one_upload(send, context, make_world, endpoint):
    found = await asyncio.gather(send(context), send(make_world()))
    assert endpoint.count("upload") == 1
    assert sum(isinstance(each, Wait) for each in found) == 1


async def test_a_lost_answer_is_found_by_name_and_not_sent_again(send, endpoint, errors, fault, row):
    endpoint.fault("upload", fault(errors.unknown(), lands=True))
    assert isinstance(await send(), Wait)
    assert await send() == row().file_id
    assert endpoint.count("upload") == 1


async def test_an_upload_that_never_landed_is_sent_again_only_after_the_settling_window(
    send, endpoint, errors, clock, config
):
    endpoint.fault("upload", errors.unknown())
    await send()
    clock.pass_(config.settling_seconds - 1)
    wait = await send()
    assert "unconfirmed" in wait.reason
    assert endpoint.count("upload") == 1
    clock.pass_(2)
    assert isinstance(await send(), str)
    assert endpoint.count("upload") == 2


async def test_the_settling_window_begins_when_the_upload_was_given_up(
    send, endpoint, errors, fault, clock, config
):
    endpoint.fault("upload", fault(errors.unknown(), delay=60))
    await send()
    clock.pass_(config.settling_seconds - 1)
    await send()
    assert endpoint.count("upload") == 1


async def test_a_file_that_lands_late_is_taken(send, endpoint, errors, clock, data_file):
    endpoint.fault("upload", errors.unknown())
    await send()
    clock.pass_(30)
    late = await endpoint.upload(content_of(data_file), sent_name(inspect_file(data_file)))
    assert await send() == late.id
    assert endpoint.count("upload") == 2  # the test's own was the second


async def test_a_namesake_of_another_size_is_not_ours(send, endpoint, errors, data_file):
    await endpoint.upload(content_of(data_file), sent_name(inspect_file(data_file)))
    endpoint.raw_files["file-1"]["bytes"] = 5
    endpoint.fault("upload", errors.unknown())
    await send()
    assert isinstance(await send(), Wait)


async def test_what_a_dead_process_began_is_looked_for_at_once(
    send, make_world, db, endpoint, sha, data_file, clock, dead_owner
):
    name = sent_name(inspect_file(data_file))
    landed = await endpoint.upload(content_of(data_file), name)
    with db.write() as connection:
        claim = uploads.claim(
            connection, endpoint="fake", purpose=TRAINING, sha256=sha, sent_name=name, owner=dead_owner,
            size=data_file.stat().st_size, expires_at=clock.now() + 999, now=clock.now(), abandoned=[],
        )  # fmt: skip
        uploads.write(connection, claim, dead_owner, clock.now(), attempted_at=clock.now())
    assert await send() == landed.id
    assert endpoint.count("upload") == 1


async def test_a_file_deleted_there_is_uploaded_again(send, endpoint, context):
    endpoint.raw_files.pop(await send())
    again = await send()
    assert again in endpoint.raw_files
    assert endpoint.count("upload") == 2
    assert "no longer" in context.listener.warnings[0]


async def test_a_file_marked_deleted_is_uploaded_again(send, endpoint):
    endpoint.raw_files[await send()]["status"] = "deleted"
    assert isinstance(await send(), str)
    assert endpoint.count("upload") == 2


async def test_a_file_that_another_worker_has_just_uploaded_again_is_not_sent_a_third_time(
    send, context, make_world, endpoint
):
    gone = await send()
    endpoint.raw_files.pop(gone)
    look = endpoint.file

    async def look_too_late(file_id):
        endpoint.file = look
        await send(context)
        return await look(file_id)

    endpoint.file = look_too_late
    assert isinstance(await send(make_world()), Wait)
    assert await send(make_world()) != gone
    assert endpoint.count("upload") == 2


async def test_a_file_that_changed_since_it_was_submitted_is_not_sent(send, data_file, endpoint):
    data_file.write_text('{"messages": [1]}\n' * 12)
    with pytest.raises(DataFileUnusable, match="changed"):
        await send()
    assert endpoint.calls == []


@pytest.mark.parametrize("spoil", ["changed", "deleted"])
async def test_a_file_that_is_spoilt_between_its_check_and_its_sending_is_not_uploaded(
    spoil, send, data_file, endpoint, row
):
    upload = endpoint.upload

    async def too_late(*arguments, **fields):
        data_file.unlink() if spoil == "deleted" else data_file.write_bytes(data_file.read_bytes()[:-2] + b"!\n")
        return await upload(*arguments, **fields)

    endpoint.upload = too_late
    with pytest.raises((DataFileUnusable, DataFileNotFound)):
        await send()
    assert endpoint.raw_files == {}
    assert (row().file_id, row().attempted_at, row().lease_owner) == (None, None, None)


async def test_the_course_of_an_upload_is_told_and_ends(send, context, data_file):
    await send()
    assert context.listener.sent[-2:] == [data_file.stat().st_size, None]


@pytest.mark.parametrize("spoil", ["changed", "deleted", "refused"])
async def test_a_run_whose_file_can_not_be_used_fails_with_the_reason(
    spoil, make_run, context, step, data_file, endpoint, errors
):
    run = make_run(context, state=State.UPLOADING)
    if spoil == "changed":
        data_file.write_text("other\n")
    elif spoil == "deleted":
        data_file.unlink()
    else:
        endpoint.fault("upload", errors.refused(400, message="too big"))
    failed = await step(run)
    assert (failed.state, failed.error_code) == (State.FAILED, "file")
    assert str(data_file) in failed.reason


async def test_a_busy_endpoint_is_waited_for_and_nothing_stays_unconfirmed(send, endpoint, clock, row):
    endpoint.fault("upload", EndpointBusy(endpoint="fake", problem="slow down", retry_after=17))
    wait = await send()
    assert wait.until == clock.now() + 17
    assert row().attempted_at is None
    assert isinstance(await send(), str)


async def test_a_busy_endpoint_that_names_no_time_is_asked_less_and_less_often(send, endpoint, clock, config):
    pauses = []
    for _ in range(25):
        endpoint.fault("upload", EndpointBusy(endpoint="fake", problem="slow down", retry_after=None))
        wait = await send()
        pauses.append(wait.until - clock.now())
        clock.pass_(pauses[-1])
    assert pauses[:4] == pytest.approx([config.poll_seconds * 2**turn for turn in range(4)])
    assert pauses[-1] == pytest.approx(3600)
    assert isinstance(await send(), str)


async def test_an_upload_that_never_left_is_free_to_be_sent_again_at_once(send, endpoint, errors, row):
    for error in (errors.unreachable(sent=False), KeyRefused(endpoint="fake", problem="no", api_key_env="K")):
        endpoint.fault("upload", error)
        with pytest.raises(type(error)):
            await send()
        assert (row().attempted_at, row().lease_owner) == (None, None)
    assert isinstance(await send(), str)


async def test_a_host_that_processes_files_first_is_waited_for(send, endpoint, context):
    endpoint.capabilities = replace(endpoint.capabilities, needs_processed_files=True)
    file_id = await send()
    endpoint.raw_files[file_id]["status"] = "pending"
    assert "pending" in (await send()).reason
    endpoint.raw_files[file_id]["status"] = None
    assert await send() == file_id
    endpoint.raw_files[file_id] |= {"status": "error", "status_details": "line 3 is broken"}
    with pytest.raises(DataFileUnusable, match="line 3"):
        await send()


async def test_a_worker_that_slept_past_its_lease_records_nothing(send, endpoint, make_world, fault, clock, row):
    endpoint.fault("upload", fault(None, delay=9999))
    with pytest.raises(LostLease):
        await send()
    assert row().file_id is None
    assert isinstance(await send(make_world()), str)
    assert endpoint.count("upload") == 1  # the sleeper's file was found by its name


async def test_a_long_upload_keeps_its_lease_while_the_worker_lives(
    db, context, clock, sha, make_world, send, data_file
):
    with db.write() as connection:
        uploads.claim(
            connection, endpoint="fake", purpose=TRAINING, sha256=sha, sent_name="n", owner=context.owner,
            size=data_file.stat().st_size, expires_at=clock.now() + 30, now=clock.now(), abandoned=[],
        )  # fmt: skip
    for _ in range(10):
        clock.pass_(10)
        with db.write() as connection:
            uploads.UPLOADS.renew(connection, context.owner, clock.now() + 30, clock.now())
    assert isinstance(await send(make_world()), Wait)
    clock.pass_(31)
    with db.write() as connection:
        uploads.UPLOADS.renew(connection, context.owner, clock.now() + 30, clock.now())
    assert isinstance(await send(make_world()), str)


# --- a grader is checked first ----------------------------------------------------------------------------------


@pytest.fixture
def graded(make_run):
    """Makes a run of reinforcement."""
    method = {"type": "reinforcement", "hyperparameters": {}, "grader": {"type": "string_check"}}
    return lambda: make_run(method=method)


async def test_a_refused_grader_ends_the_run_before_anything_is_sent(endpoint, errors, graded, drive, reread):
    endpoint.capabilities = replace(endpoint.capabilities, checks_graders=True)
    endpoint.fault("check_grader", errors.refused(400))
    run = graded()
    await drive(run)
    ended = reread(run)
    assert (ended.state, ended.error_code) == (State.FAILED, "grader")
    assert ended.error_message.startswith("fake refuses the grader: ")
    assert (endpoint.count("upload"), endpoint.count("create")) == (0, 0)


async def test_a_grader_is_checked_once_by_a_process(endpoint, clock, graded, drive, reread):
    endpoint.capabilities = replace(endpoint.capabilities, checks_graders=True, needs_processed_files=True)
    run = graded()
    await drive(run)
    assert reread(run).state == State.SUCCEEDED
    assert endpoint.count("check_grader") == 1


async def test_no_grader_is_checked_where_there_is_none_or_nobody_who_checks(endpoint, make_run, graded, drive):
    await drive(graded())
    endpoint.capabilities = replace(endpoint.capabilities, checks_graders=True)
    await drive(make_run())
    assert endpoint.count("check_grader") == 0
