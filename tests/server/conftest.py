"""A real endpoint over a real store, talked to in process by the official SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.applications import Starlette

from orchestrator.server.app import create_app, running

BASE = "gpt-4.1-mini-2025-04-14"
ENDED = ("succeeded", "failed", "cancelled")

TAKE_OFF = {
    "name": "take_off",
    "description": "Start the flight and climb to a height",
    "parameters": {
        "type": "object",
        "properties": {"altitude": {"type": "integer", "description": "metres"}},
        "required": ["altitude"],
    },
}
LAND = {"name": "land", "description": "End the flight", "parameters": {"type": "object", "properties": {}}}


def _row(number: int) -> dict[str, Any]:
    climbs = number % 2 == 0
    call = {
        "name": "take_off" if climbs else "land",
        "arguments": json.dumps({"altitude": number + 3}) if climbs else "{}",
    }
    prompt = f"Climb to {number + 3} metres" if climbs else f"Bring it down, request {number}"
    return {
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
        ],
        "tools": [{"type": "function", "function": function} for function in (TAKE_OFF, LAND)],
    }


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def rows() -> Callable[[int], list[dict[str, Any]]]:
    """Training rows: climb and land, in turn."""
    return lambda count: [_row(number) for number in range(count)]


@pytest.fixture
def lines(rows: Callable[[int], list[dict[str, Any]]]) -> Callable[[int], bytes]:
    """The same rows as the bytes of a training file."""
    return lambda count: jsonl(rows(count))


@pytest.fixture
def tools() -> list[dict[str, Any]]:
    return [{"type": "function", "function": function} for function in (TAKE_OFF, LAND)]


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    return create_app(tmp_path / "endpoint")


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """Bare HTTP, for what the SDK would not send."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as client:
        yield client


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK, while no job is being worked on."""
    async with sdk(app) as found:
        yield found


@pytest.fixture
async def training(app: Starlette, client: openai.AsyncOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK, while jobs are being worked on."""
    async with running(app):
        yield client


def sdk(app: Starlette) -> openai.AsyncOpenAI:
    transport = httpx2.ASGITransport(app=app)
    return openai.AsyncOpenAI(
        base_url="http://local/v1",
        api_key="none",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    )


@pytest.fixture
def connect() -> Callable[[Starlette], openai.AsyncOpenAI]:
    """The SDK for an endpoint of the test's own."""
    return sdk


Submit = Callable[..., Awaitable[Any]]


@pytest.fixture
def submit(lines: Callable[[int], bytes]) -> Submit:
    """Upload rows and create a job from them."""

    async def submit(client: openai.AsyncOpenAI, *, count: int = 20, epochs: int = 2, **extra: Any) -> Any:
        file = await client.files.create(file=("train.jsonl", lines(count)), purpose="fine-tune")
        numbers = {"n_epochs": epochs, "batch_size": 1}
        method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
        wanted = {"model": BASE, "training_file": file.id, "method": method, "seed": 7, **extra}
        return await client.fine_tuning.jobs.create(**wanted)

    return submit


@pytest.fixture
def reach() -> Submit:
    """Wait until a job has one of these statuses; fails when it ends in another or takes too long."""

    async def reach(client: openai.AsyncOpenAI, job_id: str, *statuses: str) -> Any:
        for _ in range(1500):
            job = await client.fine_tuning.jobs.retrieve(job_id)
            if job.status in statuses:
                return job
            assert job.status not in ENDED, job
            await asyncio.sleep(0.02)
        raise AssertionError(f"{job_id} stayed {job.status}")

    return reach


@pytest.fixture
def checkpointed() -> Submit:
    """Wait until a job has a checkpoint."""

    async def checkpointed(client: openai.AsyncOpenAI, job_id: str) -> Any:
        for _ in range(1500):
            page = await client.fine_tuning.jobs.checkpoints.list(job_id)
            if page.data:
                return page.data[0]
            await asyncio.sleep(0.01)
        raise AssertionError(f"{job_id} got no checkpoint")

    return checkpointed


@pytest.fixture
def messages() -> Submit:
    """The texts of a job's message events, oldest first."""

    async def messages(client: openai.AsyncOpenAI, job_id: str) -> list[str]:
        events = await client.fine_tuning.jobs.list_events(job_id, limit=1000)
        return [event.message for event in reversed(events.data) if event.type == "message"]

    return messages
