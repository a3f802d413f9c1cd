"""The endpoint over the real SDK: what is sent, how often, and how lists are read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from email.parser import BytesParser
from typing import Any

import httpx2
import pytest
from support.contents import content_of

from orchestrator.errors import (
    AnswerUnreadable,
    EndpointBusy,
    EndpointUnreachable,
    KeyRefused,
    NoJobList,
    OutcomeUnknown,
    QuotaExhausted,
    RequestRefused,
)
from orchestrator.tracktables import WandbIntegration

JOB = {"id": "ftjob-1", "status": "queued"}
FILE = {"id": "file-1", "filename": "train.jsonl", "status": "processed"}


def ok(body):
    return httpx2.Response(200, json=body)


def refusal(status, code=None):
    return httpx2.Response(status, json={"error": {"message": "no", "code": code}})


def listing(items, **more):
    return ok({"object": "list", "data": items, **more})


UNKNOWN = {
    "408": refusal(408),
    "409": refusal(409),
    "500": refusal(500),
    "503 with a time": httpx2.Response(503, headers={"retry-after": "1"}),
    "timeout": httpx2.ReadTimeout("slow"),
    "reset": httpx2.ReadError("reset"),
    "cut": httpx2.RemoteProtocolError("cut"),
    "a page for people": httpx2.Response(200, html="<h1>hello</h1>"),
    "half a body": httpx2.Response(200, content=b'{"id": "ftj'),
    "nothing": httpx2.Response(200, content=b""),
    "no id": ok({"object": "fine_tuning.job"}),
}
DEFINITE = {
    "400": (refusal(400), RequestRefused),
    "401": (refusal(401), KeyRefused),
    "403": (refusal(403, "training_not_available"), RequestRefused),
    "404": (refusal(404), RequestRefused),
    "429": (refusal(429), EndpointBusy),
    "429 with a time": (httpx2.Response(429, headers={"retry-after": "1"}), EndpointBusy),
    "no credit": (refusal(429, "insufficient_quota"), QuotaExhausted),
    "connection refused": (httpx2.ConnectError("refused"), EndpointUnreachable),
    "redirect": (httpx2.Response(307, headers={"location": "http://elsewhere/v1"}), RequestRefused),
}


@pytest.mark.parametrize("fault", UNKNOWN)
async def test_a_create_of_unknown_outcome_is_sent_once_and_said_to_be_unknown(fault, connect, wire, request_):
    wire.answers(UNKNOWN[fault])
    with pytest.raises(OutcomeUnknown):
        await (await connect()).create(request_)
    assert len(wire.requests) == 1
    assert wire.slept == []


@pytest.mark.parametrize("fault", DEFINITE)
async def test_a_create_that_certainly_failed_is_sent_once_and_explained(fault, connect, wire, request_):
    answer, error = DEFINITE[fault]
    wire.answers(answer)
    with pytest.raises(error):
        await (await connect()).create(request_)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("fault", [*UNKNOWN, *DEFINITE])
async def test_an_upload_is_sent_once(fault, connect, wire, tmp_path):
    wire.answers(UNKNOWN[fault] if fault in UNKNOWN else DEFINITE[fault][0])
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(OutcomeUnknown if fault in UNKNOWN else DEFINITE[fault][1]):
        await (await connect()).upload(content_of(tmp_path / "a.jsonl"), "a.jsonl")
    assert len(wire.requests) == 1


async def test_what_a_create_sends(connect, wire, request_):
    wire.answers(ok(JOB))
    job = await (await connect()).create(request_)
    (sent,) = wire.requests
    assert (sent.method, sent.url.path) == ("POST", "/v1/fine_tuning/jobs")
    assert json.loads(sent.content) == {
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": "file-t",
        "seed": 7,
        "suffix": "drone",
        "metadata": {"ftorch_token": "01T"},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": "auto"}}},
    }
    assert job.id == "ftjob-1"


async def test_a_create_names_the_project_of_weights_and_biases_where_the_endpoint_reports_there(
    connect, wire, request_, config
):
    tracked = replace(config, wandb=WandbIntegration("drones", entity="team", tags=("a", "b")))
    wire.answers(ok(JOB))
    await (await connect(tracked)).create(request_)
    await (await connect(tracked, wandb=False)).create(request_)
    named, unnamed = (json.loads(sent.content) for sent in wire.requests)
    fields = {"project": "drones", "entity": "team", "tags": ["a", "b"]}
    assert named["integrations"] == [{"type": "wandb", "wandb": fields}]
    assert "integrations" not in unnamed


async def test_auto_is_left_out_where_it_is_not_accepted(connect, wire, request_):
    wire.answers(ok(JOB))
    await (await connect(accepts_auto=False)).create(request_)
    method = json.loads(wire.requests[0].content)["method"]
    assert method["supervised"]["hyperparameters"] == {"n_epochs": 3}


async def test_metadata_is_neither_sent_nor_asked_for_where_there_is_none(connect, wire, request_):
    wire.answers(ok(JOB), listing([]))
    endpoint = await connect(metadata=False)
    await endpoint.create(replace(request_, metadata={}))
    await endpoint.jobs(metadata={"ftorch_token": "01T"})
    assert "metadata" not in json.loads(wire.requests[0].content)
    assert "metadata" not in str(wire.requests[1].url)


async def test_a_grader_goes_along(connect, wire, request_):
    wire.answers(ok(JOB))
    method = {"type": "reinforcement", "hyperparameters": {"n_epochs": 1}, "grader": {"type": "string_check"}}
    await (await connect()).create(replace(request_, method=method))
    assert json.loads(wire.requests[0].content)["method"] == {
        "type": "reinforcement",
        "reinforcement": {"grader": {"type": "string_check"}, "hyperparameters": {"n_epochs": 1}},
    }


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte-order mark"])
async def test_the_bytes_go_up_without_a_byte_order_mark_and_with_the_right_length(mark, connect, wire, tmp_path):
    wire.answers(ok(FILE))
    content = b'{"messages": []}\r\n\xc3\xa4' * 1000
    (tmp_path / "a.jsonl").write_bytes(mark + content)
    await (await connect()).upload(content_of(tmp_path / "a.jsonl"), "ftorch-1.jsonl")
    (sent,) = wire.requests
    assert int(sent.headers["content-length"]) == len(sent.content)
    head = b"content-type: " + sent.headers["content-type"].encode() + b"\r\n\r\n"
    message: Any = BytesParser().parsebytes(head + sent.content)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    assert parts["purpose"].get_payload() == "fine-tune"
    assert parts["file"].get_filename() == "ftorch-1.jsonl"
    assert content in sent.content
    assert b"\xef\xbb\xbf" not in sent.content


async def test_a_large_file_gets_more_time(connect, wire, tmp_path):
    wire.answers(ok(FILE))
    (tmp_path / "small.jsonl").write_text("{}\n")
    (tmp_path / "large.jsonl").write_bytes(b" " * 5_000_000)
    endpoint = await connect()
    await endpoint.upload(content_of(tmp_path / "small.jsonl"), "a.jsonl")
    await endpoint.upload(content_of(tmp_path / "large.jsonl"), "a.jsonl")
    small, large = (request.extensions["timeout"]["read"] for request in wire.requests)
    assert small == pytest.approx(60, abs=1)
    assert large == 80


async def test_files_are_found_by_name_newest_first(connect, wire):
    named = [{"id": f"file-{at}", "filename": "a.jsonl", "created_at": at} for at in (2, 3, 1)]
    wire.answers(listing([*named, {"id": "file-9", "filename": "b.jsonl"}, {"filename": "a.jsonl"}, "junk"]))
    assert [file.id for file in await (await connect()).find_files("a.jsonl")] == ["file-3", "file-2", "file-1"]


async def test_a_result_file_is_read(connect, wire):
    wire.answers(refusal(503), httpx2.Response(200, content=b"step,train_loss\n1,0.5\n"))
    assert await (await connect()).result_rows("file-r") == [{"step": "1", "train_loss": "0.5"}]


# --- lists ------------------------------------------------------------------------------------------------------


def page(first, count, **more):
    return listing([{"id": f"e{n}", "created_at": n, "message": "m"} for n in range(first, first + count)], **more)


async def test_all_pages_are_read(connect, wire):
    wire.answers(page(0, 100, has_more=True), page(100, 50, has_more=False))
    assert len(await (await connect()).events("ftjob-1")) == 150
    assert wire.requests[1].url.params["after"] == "e99"


async def test_a_host_that_ignores_the_cursor_is_read_once_and_not_for_ever(connect, wire):
    wire.answers(page(0, 100, has_more=True))
    assert len(await (await connect()).events("ftjob-1")) == 100
    assert len(wire.requests) == 2


@pytest.mark.parametrize(("size", "requests"), [(40, 1), (100, 2)])
async def test_a_host_without_has_more_is_asked_again_only_after_a_full_page(size, requests, connect, wire):
    wire.answers(page(0, size))
    assert len(await (await connect()).events("ftjob-1")) == size
    assert len(wire.requests) == requests


NO_LIST = [{}, {"data": None}, {"data": "x"}, {"error": {"message": "not today"}}, {"jobs": [{"id": "ftjob-1"}]}]


@pytest.mark.parametrize("body", NO_LIST)
async def test_what_is_no_list_is_not_an_empty_one(body, connect, wire):
    wire.answers(ok(body))
    endpoint = await connect()
    with pytest.raises(NoJobList, match='no array under "data"'):
        await endpoint.jobs()
    with pytest.raises(RequestRefused):
        await endpoint.events("ftjob-1")
    assert await endpoint.checkpoints("ftjob-1") == []


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
async def test_a_host_that_refuses_its_list_says_nothing_about_its_jobs(status, connect, wire):
    wire.answers(refusal(status))
    with pytest.raises(NoJobList):
        await (await connect()).jobs()


@pytest.mark.parametrize(
    ("body", "after", "told"),
    [
        ({"data": [{"id": "ftjob-1"}]}, None, ("ftjob-1", False)),
        ({"data": [{"id": "ftjob-1"}]}, "ftjob-1", (None, False)),  # it does not page on, and may have more
        ({"data": [{"id": "ftjob-1"}], "has_more": True}, "ftjob-1", (None, False)),
        ({"data": []}, "ftjob-1", (None, True)),
        ({"data": [{"id": "ftjob-1"}], "has_more": False}, None, (None, True)),
    ],
)
async def test_only_the_hosts_own_word_makes_a_page_the_last(body, after, told, connect, wire):
    wire.answers(ok(body))
    page = await (await connect()).jobs(after=after)
    assert (page.next, page.is_last) == told


@pytest.mark.parametrize("made", [None, 0, False, "", " ", [], {}])
async def test_a_created_job_without_a_usable_id_is_an_unknown_outcome(made, connect, wire, request_):
    wire.answers(ok({"id": made, "status": "queued"}))
    with pytest.raises(OutcomeUnknown, match="no id"):
        await (await connect()).create(request_)


async def test_every_create_carries_its_token_as_idempotency_key(connect, wire, request_):
    wire.answers(ok({"id": "ftjob-1"}))
    endpoint = await connect()
    await endpoint.create(request_)
    await endpoint.create(request_)
    assert [each.headers["idempotency-key"] for each in wire.requests] == [request_.token] * 2


async def test_a_page_of_jobs_tells_the_next_one_while_there_is_one(connect, wire):
    jobs = [{"id": f"ftjob-{n}"} for n in range(100)]
    wire.answers(listing(jobs, has_more=True))
    endpoint = await connect()
    first = await endpoint.jobs()
    assert (len(first.jobs), first.next) == (100, "ftjob-99")
    assert (await endpoint.jobs(after="ftjob-99")).next is None  # the same page again
    assert wire.requests[0].url.params["limit"] == "100"


async def test_jobs_are_filtered_by_metadata_on_the_endpoint(connect, wire):
    wire.answers(listing([JOB]))
    await (await connect()).jobs(metadata={"ftorch_token": "01T"})
    assert wire.requests[0].url.params["metadata[ftorch_token]"] == "01T"


async def test_known_events_end_the_search_where_the_newest_come_first(connect, wire):
    newest_first = [{"id": f"e{n}", "created_at": n} for n in range(100, 0, -1)]
    wire.answers(listing(newest_first, has_more=True))
    found = await (await connect()).events("ftjob-1", {"e50"})
    assert len(wire.requests) == 1
    assert [event.created_at for event in found] == sorted(event.created_at for event in found)


async def test_known_events_hide_no_new_ones_where_the_oldest_come_first(connect, wire):
    wire.answers(page(0, 100, has_more=True), page(100, 3, has_more=False))
    found = await (await connect()).events("ftjob-1", {f"e{n}" for n in range(100)})
    assert [event.id for event in found] == ["e100", "e101", "e102"]


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_host_without_checkpoints_has_none(status, connect, wire):
    wire.answers(refusal(status))
    if status == 501:
        with pytest.raises(EndpointUnreachable):
            await (await connect()).checkpoints("ftjob-1")
    else:
        assert await (await connect()).checkpoints("ftjob-1") == []


# --- wishes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested_action", "path"), [("cancel", "cancel"), ("pause", "pause"), ("unpause", "resume")]
)
async def test_a_wish_is_one_request(requested_action, path, connect, wire):
    wire.answers(ok(JOB))
    await getattr(await connect(), requested_action)("ftjob-1")
    assert wire.requests[0].url.path == f"/v1/fine_tuning/jobs/ftjob-1/{path}"


async def test_a_lasting_conflict_refuses_a_wish(connect, wire):
    wire.answers(refusal(409))
    with pytest.raises(RequestRefused):
        await (await connect()).cancel("ftjob-1")


async def test_a_check_is_one_small_harmless_request(connect, wire):
    wire.answers(listing([JOB]))
    assert "can be read" in await (await connect()).check()
    assert [(request.method, request.url.params["limit"]) for request in wire.requests] == [("GET", "1")]


async def test_a_host_that_sends_a_byte_now_and_then_is_given_up(connect, wire, config, monkeypatch):
    monkeypatch.setattr("orchestrator.endpoints.openai._WHOLE_REQUEST", 0.001)

    class Slow(httpx2.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    wire.answers(*(httpx2.Response(200, stream=Slow()) for _ in range(10)))
    with pytest.raises(EndpointUnreachable, match="did not answer in time"):
        await (await connect()).job("ftjob-1")


async def test_a_list_that_never_ends_is_left(connect, wire, monkeypatch):
    monkeypatch.setattr("orchestrator.endpoints.openai._MOST_PAGES", 3)
    wire.answers(*(listing([{"id": f"ev-{n}", "created_at": 1}], has_more=True) for n in range(10)))
    assert len(await (await connect()).events("ftjob-1")) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", 10**400),
        ("created_at", 1e300),
        ("created_at", float("inf")),
        ("seed", 2**70),
        ("trained_tokens", -(2**80)),
        ("estimated_finish", "9" * 500),
    ],
)
async def test_a_number_that_nothing_can_hold_harms_only_itself(field, value, connect, wire):
    wire.answers(httpx2.Response(200, content=json.dumps({**JOB, field: value})))
    job = await (await connect()).job("ftjob-1")
    assert (job.id, getattr(job, field)) == ("ftjob-1", None)


async def test_an_answer_that_is_nested_too_deep_is_unreadable(connect, wire):
    wire.answers(httpx2.Response(200, content=b'{"id": "ftjob-1", "x": ' + b"[" * 100_000))
    with pytest.raises(AnswerUnreadable):
        await (await connect()).job("ftjob-1")


def sent_by(wire):
    return json.loads(wire.requests[-1].content)


async def test_hyperparameters_go_to_the_top_where_the_host_reads_them_there(connect, wire, config, request_):
    wire.answers(ok(JOB))
    endpoint = await connect(of=replace(config, hyperparameters="top-level"), accepts_auto=False)
    await endpoint.create(request_)
    assert sent_by(wire)["hyperparameters"] == {"n_epochs": 3}
    assert "method" not in sent_by(wire)


async def test_another_method_than_the_default_is_named_beside_them(connect, wire, config, request_):
    wire.answers(ok(JOB))
    preference = replace(request_, method={**request_.method, "type": "dpo"})
    await (await connect(of=replace(config, hyperparameters="top-level"))).create(preference)
    assert sent_by(wire)["method"] == {"type": "dpo"}


async def test_a_host_without_a_list_of_jobs_is_told_when_it_is_checked(connect, wire):
    wire.answers(refusal(404), ok({"data": []}))
    assert "limited guarantee" in await (await connect()).check()


async def test_a_wrong_address_is_not_taken_for_a_host_without_a_list(connect, wire):
    wire.answers(refusal(404), refusal(404))
    with pytest.raises(RequestRefused):
        await (await connect()).check()


GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "yes",
    "operation": "eq",
}


async def test_a_grader_is_checked_by_the_request_that_is_made_for_it(connect, wire):
    wire.answers(ok({"grader": GRADER}))
    await (await connect()).check_grader(GRADER)
    [request] = wire.requests
    assert (request.method, request.url.path) == ("POST", "/v1/fine_tuning/alpha/graders/validate")
    assert json.loads(request.content) == {"grader": GRADER}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_grader_is_raised(connect, wire, status):
    wire.answers(refusal(status))
    with pytest.raises(RequestRefused):
        await (await connect()).check_grader(GRADER)


@pytest.mark.parametrize(
    "answer", [refusal(404), refusal(403), refusal(500), httpx2.Response(200, html="<h1>hello</h1>")]
)
async def test_an_answer_that_is_not_about_the_grader_says_nothing(connect, wire, answer):
    wire.answers(answer)
    await (await connect()).check_grader(GRADER)
