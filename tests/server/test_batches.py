"""Batches over the API, by the official SDK."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest

from orchestrator.server.app import Settings, create_app, running
from orchestrator.server.store import Store
from orchestrator.server.store.batches import LineAnswer

URL: Final = "/v1/chat/completions"
MODEL = "gpt-4.1-mini"
DAY = 24 * 3600
HOST = """
import asyncio, sys
from pathlib import Path
from orchestrator.server.app import create_app, running
async def main():
    app = create_app(Path(sys.argv[1]))
    async with running(app):
        await asyncio.Event().wait()
asyncio.run(main())
"""


def line(number: int, **changes: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Climb to {number} metres"}]}
    return {"custom_id": f"q{number}", "method": "POST", "url": URL, "body": body, **changes}


def body(**changes: Any) -> dict[str, Any]:
    return {**line(1)["body"], **changes}


async def created(client: openai.AsyncOpenAI, lines: list[Any], **extra: Any) -> Any:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    content = "".join(f"{text}\n" for text in texts).encode()
    file = await client.files.create(file=("questions.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint=URL, completion_window="24h", metadata={"a": "b"}, **extra
    )


async def ended(client: openai.AsyncOpenAI, batch_id: str) -> Any:
    for _ in range(1000):
        batch = await client.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "cancelled", "expired"):
            return batch
        await asyncio.sleep(0.01)
    raise AssertionError(batch)


async def lines_of(client: openai.AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(text) for text in (await client.files.content(file_id)).text.splitlines()]


async def test_a_batch_answers_each_line_under_its_id(training) -> None:
    batch = await created(training, [line(number) for number in range(30)])
    assert (batch.status, batch.metadata, batch.expires_at - batch.created_at) == ("validating", {"a": "b"}, DAY)
    done = await ended(training, batch.id)
    assert (done.status, done.model, done.errors, done.error_file_id) == ("completed", MODEL, None, None)
    assert dict(done.request_counts) == {"completed": 30, "failed": 0, "total": 30}
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    answers = await lines_of(training, done.output_file_id)
    assert [answer["custom_id"] for answer in answers] == [f"q{number}" for number in range(30)]
    assert {answer["response"]["status_code"] for answer in answers} == {200}
    assert {answer["response"]["body"]["object"] for answer in answers} == {"chat.completion"}
    spent = sum(answer["response"]["body"]["usage"]["total_tokens"] for answer in answers)
    assert done.usage.total_tokens == spent
    file = await training.files.retrieve(done.output_file_id)
    assert (file.purpose, file.filename) == ("batch_output", f"{batch.id}_output.jsonl")


async def test_a_line_that_is_refused_stands_in_the_error_file(training) -> None:
    bad = line(2, body=body(messages=[]))
    streamed = line(3, body=body(stream=True))
    done = await ended(training, (await created(training, [line(1), bad, streamed])).id)
    assert dict(done.request_counts) == {"completed": 1, "failed": 2, "total": 3}
    errors = await lines_of(training, done.error_file_id)
    assert [(error["custom_id"], error["response"]["status_code"]) for error in errors] == [
        ("q2", 400),
        ("q3", 400),
    ]
    assert errors[0]["response"]["body"]["error"]["param"] == "messages"
    assert len(await lines_of(training, done.output_file_id)) == 1


@pytest.mark.parametrize(
    ("wrong", "code", "number"),
    [
        ("{", "invalid_json_line", 2),
        ("[]", "invalid_json_line", 2),
        (line(1), "duplicate_custom_id", 2),
        (line(2, custom_id=None), "missing_required_parameter", 2),
        (line(2, method="GET"), "invalid_value", 2),
        (line(2, url="/v1/responses"), "url_mismatch", 2),
        (line(2, body=body(model="gpt-4.1")), "model_mismatch", 2),
        (line(2, body=[]), "missing_required_parameter", 2),
    ],
)
async def test_a_wrong_line_fails_the_batch_and_is_named(training, wrong: Any, code: str, number: int) -> None:
    done = await ended(training, (await created(training, [line(1), wrong, line(3)])).id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert [(error.code, error.line) for error in done.errors.data] == [(code, number)]


async def test_files_that_are_no_batch_fail_as_a_whole(training, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = await ended(training, (await created(training, [line(1, body=body(model="ft:gone:local::x"))])).id)
    assert [error.code for error in gone.errors.data] == ["model_not_found"]
    empty = await ended(training, (await created(training, [""])).id)
    assert [(error.code, error.line) for error in empty.errors.data] == [("empty_file", None)]
    monkeypatch.setattr("orchestrator.server.batchwork.MAX_LINES", 2)
    many = await ended(training, (await created(training, [line(number) for number in range(3)])).id)
    assert [error.code for error in many.errors.data] == ["too_many_tasks"]
    monkeypatch.setattr("orchestrator.server.batchwork.MAX_BYTES", 10)
    large = await ended(training, (await created(training, [line(1)])).id)
    assert [error.code for error in large.errors.data] == ["file_too_large"]


async def test_what_can_be_no_batch_is_refused_at_once(client) -> None:
    file = await client.files.create(file=("train.jsonl", b"{}\n"), purpose="fine-tune")
    right = {"input_file_id": file.id, "endpoint": URL, "completion_window": "24h"}
    for wrong, param in (
        ({}, "input_file_id"),
        ({"input_file_id": "file-gone"}, "input_file_id"),
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.batches.create(**{**right, **wrong})
        assert refused.value.param == param
    with pytest.raises(openai.NotFoundError):
        await client.batches.retrieve("batch_gone")


async def test_batches_are_listed_newest_first_by_page(client) -> None:
    made = [(await created(client, [line(1)])).id for _ in range(5)]
    first = await client.batches.list(limit=2)
    assert [batch.id for batch in first.data] == made[:2:-1]
    assert [batch.id async for batch in client.batches.list(limit=2)] == made[::-1]
    with pytest.raises(openai.BadRequestError):
        await client.batches.list(after="batch_gone")


async def test_a_cancelled_batch_keeps_what_was_answered(tmp_path: Path, connect, app, client) -> None:
    batch = await created(client, [line(number) for number in range(3)])
    answered(app.state.context.store, batch.id, 1, ids=["q0"])
    cancelling = await client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling"
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    async with running(app):
        done = await ended(client, batch.id)
    assert (done.status, done.error_file_id, done.cancelled_at is not None) == ("cancelled", None, True)
    assert [answer["custom_id"] for answer in await lines_of(client, done.output_file_id)] == ["q0"]
    over = await created(client, ["{"])
    async with running(app):
        await ended(client, over.id)
    with pytest.raises(openai.BadRequestError, match="is failed and cannot be cancelled"):
        await client.batches.cancel(over.id)


async def test_an_expired_batch_has_its_answers_and_says_what_it_has_not(tmp_path: Path, connect) -> None:
    time = 1_800_000_000.0
    app = create_app(tmp_path, settings=Settings(now=lambda: time))
    async with connect(app) as client:
        expiry: Any = {"anchor": "created_at", "seconds": 3600}
        batch = await created(client, [line(number) for number in range(3)], output_expires_after=expiry)
        answered(app.state.context.store, batch.id, 1, ids=["q0"])
        time += DAY
        async with running(app):
            done = await ended(client, batch.id)
        assert (done.status, done.expired_at) == ("expired", int(time))
        assert [answer["custom_id"] for answer in await lines_of(client, done.output_file_id)] == ["q0"]
        errors = await lines_of(client, done.error_file_id)
        assert [(each["custom_id"], each["error"]["code"]) for each in errors] == [
            ("q1", "batch_expired"),
            ("q2", "batch_expired"),
        ]
        time += 3600
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(done.output_file_id)


async def test_a_batch_whose_file_is_deleted_fails(app, client) -> None:
    batch = await created(client, [line(1)])
    await client.files.delete(batch.input_file_id)
    async with running(app):
        done = await ended(client, batch.id)
    assert [error.code for error in done.errors.data] == ["file_not_found"]


async def test_other_requests_are_answered_while_a_batch_goes_on(training) -> None:
    long = await created(training, [line(number) for number in range(2000)])
    short = await ended(training, (await created(training, [line(1)])).id)
    assert short.status == "completed"
    asked = await training.chat.completions.create(**line(1)["body"])
    assert asked.choices[0].message
    seen = await training.batches.retrieve(long.id)
    assert seen.status in ("validating", "in_progress")
    assert (await training.batches.cancel(long.id)).status == "cancelling"


async def test_a_killed_host_leaves_a_batch_that_the_next_goes_on_with(tmp_path: Path, connect) -> None:
    app = create_app(tmp_path)
    async with connect(app) as client:
        batch = await created(client, [line(number) for number in range(400)])
        with subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path)]) as host:
            async for seen in watched(client, batch.id):
                if seen.request_counts.completed:
                    break
            host.send_signal(signal.SIGKILL)
        left = await client.batches.retrieve(batch.id)
        assert (left.status, 0 < left.request_counts.completed < 400) == ("in_progress", True)
        early = {answer["id"] for answer in stored(app.state.context.store, batch.id)}
        async with running(app):
            done = await ended(client, batch.id)
        answers = await lines_of(client, done.output_file_id)
    assert [answer["custom_id"] for answer in answers] == [f"q{number}" for number in range(400)]
    assert dict(done.request_counts) == {"completed": 400, "failed": 0, "total": 400}
    assert early < {answer["id"] for answer in answers}, "what was answered before the kill is not answered again"


async def test_two_hosts_of_one_store_answer_each_line_once(tmp_path: Path, connect) -> None:
    here, there = create_app(tmp_path), create_app(tmp_path)
    async with connect(here) as client, running(here), running(there):
        batches = [await created(client, [line(number) for number in range(50)]) for _ in range(4)]
        for batch in batches:
            done = await ended(client, batch.id)
            assert dict(done.request_counts) == {"completed": 50, "failed": 0, "total": 50}
            assert len(await lines_of(client, done.output_file_id)) == 50


async def watched(client: openai.AsyncOpenAI, batch_id: str) -> AsyncIterator[Any]:
    for _ in range(2000):
        yield await client.batches.retrieve(batch_id)
        await asyncio.sleep(0.005)
    raise AssertionError("it took too long")


def answered(store: Store, batch_id: str, first: int, *, ids: list[str]) -> None:
    """As if a host had answered these lines and then stopped."""
    batch = store.batches.get(batch_id)
    assert batch is not None
    store.batches.begin(batch, MODEL, 3, batch.created_at)
    texts = [json.dumps({"id": each, "custom_id": each}) for each in ids]
    store.batches.add_answers(batch, [LineAnswer(first + n, text, False) for n, text in enumerate(texts)])


def stored(store: Store, batch_id: str) -> list[dict[str, Any]]:
    batch = store.batches.get(batch_id)
    assert batch is not None
    return [json.loads(text) for text in store.batches.answers(batch, errors=False)]
