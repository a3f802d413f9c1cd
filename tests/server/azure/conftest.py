"""A simulated Azure resource, with a clock that a test can turn forward, and clients of both dialects."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import uvicorn
from starlette.applications import Starlette
from support.trainers import HERE

from orchestrator.server import worker
from orchestrator.server.app import Settings, create_app
from orchestrator.server.settings import AzureSettings

BASE = "gpt-4.1-mini-2025-04-14"
ACCOUNT = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ftorch/providers/"
    "Microsoft.CognitiveServices/accounts/ftorch"
)


class Clock:
    """The time of this machine, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def pass_(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resource(tmp_path: Path, clock: Clock) -> Callable[..., Starlette]:
    """Makes a resource: `key` is its key, everything else a field of AzureSettings."""

    def make(key: str | None = None, **azure: Any) -> Starlette:
        settings = Settings(now=clock, api_key=key, max_training=1, azure=AzureSettings(**azure))
        return create_app(tmp_path / "resource", settings=settings)

    return make


@pytest.fixture
def app(resource: Callable[..., Starlette]) -> Starlette:
    return resource()


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """Bare HTTP to the resource of `app`."""
    async with bare(app) as client:
        yield client


def bare(app: Starlette) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://resource")


@pytest.fixture
def to() -> Callable[[Starlette], httpx2.AsyncClient]:
    """Bare HTTP to a resource of the test's own."""
    return bare


def sdk(app: Starlette, version: str, **credentials: Any) -> openai.AsyncOpenAI:
    given = credentials or {"api_key": "none"}
    options: dict[str, Any] = {"max_retries": 0, "http_client": bare(app)}
    if version == "v1":
        return openai.AsyncOpenAI(base_url="http://resource/openai/v1/", **given, **options)
    return openai.AsyncAzureOpenAI(azure_endpoint="http://resource", api_version=version, **given, **options)


@pytest.fixture
def speak() -> Callable[..., openai.AsyncOpenAI]:
    """The SDK for a resource, in the words of an API version."""
    return sdk


@pytest.fixture(params=["v1", "2024-10-21", "2025-04-01-preview"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(app: Starlette, version: str) -> openai.AsyncOpenAI:
    """The SDK in the words of each version in turn."""
    return sdk(app, version)


@pytest.fixture
def uploaded(clock: Clock, lines: Callable[[int], bytes]) -> Callable[..., Any]:
    """A training file that is processed."""

    async def uploaded(client: openai.AsyncOpenAI, content: bytes | None = None) -> str:
        file = await client.files.create(file=("train.jsonl", content or lines(20)), purpose="fine-tune")
        clock.pass_(2)
        return file.id

    return uploaded


@pytest.fixture
def create(uploaded: Callable[..., Any]) -> Callable[..., Any]:
    """A job over a file of its own."""

    async def create(client: openai.AsyncOpenAI, content: bytes | None = None, **extra: Any) -> Any:
        file = await uploaded(client, content)
        body = {"hyperparameters": {"n_epochs": 1}, **extra}
        return await client.fine_tuning.jobs.create(model=BASE, training_file=file, seed=7, extra_body=body)

    return create


@pytest.fixture
def work() -> Callable[..., Any]:
    """Works on a job to its end, in this process."""

    async def done(app: Starlette, job: Any) -> None:
        await asyncio.to_thread(worker.work, app.state.context.store, job.id, 1, HERE, has_slot=True)

    return done


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Serves an app on a port of this machine while the block lasts; gives its address."""
    return serving


@contextmanager
def serving(app: Any, **tls: Any) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, **tls))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
