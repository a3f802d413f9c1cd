"""A large file goes up in parts, and becomes a file once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.endpoints.interface import Parts
from orchestrator.engine.machine import Wait
from orchestrator.errors import DataFileUnusable, EndpointBusy, LostLease
from orchestrator.runs import uploading

PART_BYTES = 50


@pytest.fixture
def endpoint(endpoint):
    endpoint.capabilities = replace(endpoint.capabilities, parts=Parts(above=1, size=PART_BYTES))
    return endpoint


async def test_the_parts_arrive_as_the_file_that_was_checked(send, endpoint, row, data_file):
    file_id = await send()
    assert file_id == row().file_id
    assert endpoint.received[file_id] == data_file.read_bytes()
    assert endpoint.count("add_part") == -(-data_file.stat().st_size // PART_BYTES) > 1
    assert endpoint.count("upload") == 0


async def test_a_file_goes_up_whole_up_to_the_size_that_asks_for_parts(send, endpoint, data_file):
    size = data_file.stat().st_size
    endpoint.capabilities = replace(endpoint.capabilities, parts=Parts(above=size, size=PART_BYTES))
    await send()
    assert (endpoint.count("upload"), endpoint.count("open_upload")) == (1, 0)


async def test_its_course_is_told_and_ends(send, context, data_file):
    await send()
    *course, end = context.listener.sent
    assert course == sorted(course)
    assert course[-1] == data_file.stat().st_size
    assert end is None


@pytest.mark.parametrize("step", ["open_upload", "add_part"])
async def test_what_fails_before_it_is_complete_is_cancelled_and_sent_again_at_once(
    step, send, endpoint, errors, row
):
    endpoint.fault(step, errors.unreachable())
    with pytest.raises(type(errors.unreachable())):
        await send()
    assert endpoint.open_uploads == {}
    assert (row().attempted_at, row().lease_owner) == (None, None)
    assert await send() == row().file_id
    assert len(endpoint.raw_files) == 1


async def test_a_lost_answer_to_the_last_request_is_found_by_name_and_nothing_sent_again(
    send, endpoint, errors, fault, row
):
    endpoint.fault("complete_upload", fault(errors.unknown(), lands=True))
    assert isinstance(await send(), Wait)
    assert await send() == row().file_id
    assert endpoint.count("complete_upload") == endpoint.count("open_upload") == 1


async def test_a_last_request_that_did_not_arrive_can_not_land_later(send, endpoint, errors, clock, config):
    endpoint.fault("complete_upload", errors.unknown())
    assert isinstance(await send(), Wait)
    assert endpoint.open_uploads == {}
    clock.pass_(config.settling_seconds + 1)
    assert isinstance(await send(), str)
    assert len(endpoint.raw_files) == 1


async def test_an_endpoint_that_can_not_even_cancel_is_no_further_trouble(send, endpoint, errors):
    endpoint.fault("add_part", EndpointBusy(endpoint="fake", problem="slow down", retry_after=7))
    endpoint.fault("cancel_upload", errors.unknown())
    assert isinstance(await send(), Wait)
    assert isinstance(await send(), str)
    assert len(endpoint.raw_files) == 1


async def test_a_file_that_changes_between_two_parts_is_never_completed(send, endpoint, data_file, row):
    add_part = endpoint.add_part

    async def add_and_change(*arguments):
        part_id = await add_part(*arguments)
        data_file.write_bytes(data_file.read_bytes()[:-2] + b"!\n")
        return part_id

    endpoint.add_part = add_and_change
    with pytest.raises(DataFileUnusable, match="changed"):
        await send()
    assert (endpoint.raw_files, endpoint.open_uploads) == ({}, {})
    assert (row().file_id, row().attempted_at) == (None, None)


async def test_a_worker_that_slept_past_its_lease_completes_nothing(
    send, endpoint, fault, make_world, clock, config
):
    endpoint.fault("add_part", fault(None, lands=True, delay=9999))
    with pytest.raises(LostLease):
        await send()
    assert endpoint.count("complete_upload") == 0
    assert (endpoint.raw_files, endpoint.open_uploads) == ({}, {})
    other = make_world()
    assert isinstance(await send(other), Wait)
    clock.pass_(config.settling_seconds + 1)
    assert isinstance(await send(other), str)
    assert len(endpoint.raw_files) == 1


async def test_an_address_without_uploads_in_parts_gets_the_file_in_one_request(send, endpoint, row, data_file):
    endpoint.takes_parts = False
    file_id = await send()
    assert file_id == row().file_id
    assert endpoint.received[file_id] == data_file.read_bytes()
    assert (endpoint.count("open_upload"), endpoint.count("add_part"), endpoint.count("upload")) == (1, 0, 1)


async def test_the_one_request_is_warned_of_above_the_size_that_is_known_to_fail(
    send, endpoint, context, data_file, monkeypatch
):
    endpoint.takes_parts = False
    monkeypatch.setattr(uploading, "LARGEST_IN_ONE_REQUEST", data_file.stat().st_size - 1)
    await send()
    [warning] = context.listener.warnings
    assert warning.startswith("http://fake/v1 takes no uploads in parts: train.jsonl (")
    assert warning.endswith("the resource's own address takes parts")


async def test_a_lost_answer_to_the_one_request_is_found_by_name_and_not_sent_again(send, endpoint, errors, fault):
    endpoint.takes_parts = False
    endpoint.fault("upload", fault(errors.unknown(), lands=True))
    assert isinstance(await send(), Wait)
    assert isinstance(await send(), str)
    assert len(endpoint.raw_files) == endpoint.count("upload") == 1
