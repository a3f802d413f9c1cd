"""A chat request with an Idempotency-Key is answered once, however often it comes."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.server.app import create_app
from orchestrator.server.store.batches import KEPT_SECONDS, Answers, KeptAnswer
from orchestrator.server.store.database import FIRST_TABLES, Database

ASKED: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Land"}]}


async def ask(http: httpx2.AsyncClient, key: str | None = "k", **changes: Any) -> httpx2.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await http.post("/chat/completions", json={**ASKED, **changes}, headers=headers)


async def test_the_same_key_brings_the_same_bytes_back(http: httpx2.AsyncClient) -> None:
    first, again = await ask(http), await ask(http)
    assert first.status_code == 200
    assert first.content == again.content
    assert (await ask(http, "other")).json()["id"] != first.json()["id"]


async def test_without_a_key_each_answer_is_a_new_one(http: httpx2.AsyncClient) -> None:
    assert (await ask(http, None)).json()["id"] != (await ask(http, None)).json()["id"]


async def test_requests_that_come_together_get_one_answer(http: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(ask(http) for _ in range(5)))
    assert len({answer.content for answer in answers}) == 1


async def test_a_key_is_for_one_request(http: httpx2.AsyncClient) -> None:
    await ask(http)
    refused = await ask(http, messages=[{"role": "user", "content": "Climb"}])
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_key_reused"


async def test_an_error_is_not_kept(http: httpx2.AsyncClient) -> None:
    assert (await ask(http, model="ft:gone:local::x")).status_code == 404
    assert (await ask(http)).status_code == 200


async def test_the_answer_survives_the_process(http: httpx2.AsyncClient, tmp_path: Path) -> None:
    first = await ask(http)
    transport = httpx2.ASGITransport(app=create_app(tmp_path / "endpoint"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as other:
        assert (await ask(other)).content == first.content


def test_answers_are_kept_for_a_week(tmp_path: Path) -> None:
    answers = Answers(Database(tmp_path / "endpoint.db"))
    answers.keep("old", KeptAnswer("r", "{}"), 1000)
    answers.keep("new", KeptAnswer("r", "{}"), 1000 + KEPT_SECONDS)
    answers.purge(1001 + KEPT_SECONDS)
    assert answers.get("old") is None
    assert answers.get("new") is not None


def test_a_store_from_before_gains_the_table(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "endpoint.db")) as old, old:
        old.executescript(f"{FIRST_TABLES}; PRAGMA user_version = 1")
    old.close()
    answers = Answers(Database(tmp_path / "endpoint.db"))
    assert answers.keep("k", KeptAnswer("r", "{}"), 1000).answer == "{}"
