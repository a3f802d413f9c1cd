"""Batches on a real endpoint in this process, with workers that can die at any place of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI
from starlette.applications import Starlette

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.engine import crashpoints
from orchestrator.evaluation.batching.driving import BatchLoop, context_of
from orchestrator.evaluation.batching.states import Context
from orchestrator.ledger import Ledger
from orchestrator.server.app import create_app, running
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch
from orchestrator.store.database import Database

SETTLING = 0.3


class Killed(BaseException):
    """The process of this worker is no more."""


class MortalDatabase(Database):
    """A worker's own connection to the database. It dies with the worker."""

    is_dead = False

    @contextmanager
    def read(self) -> Iterator[Any]:
        self._breathe()
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Any]:
        self._breathe()
        with super().write(durable=durable) as connection:
            yield connection

    def _breathe(self) -> None:
        if self.is_dead:
            raise Killed


@dataclass
class Notes:
    """A listener that keeps what it hears."""

    states: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def changed(self, batch: Batch) -> None:
        if self.states[-1:] != [batch.state]:
            self.states.append(batch.state)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


class Wire(httpx2.AsyncBaseTransport):
    """Counts the requests, by method and path, and lets the next ones of a kind meet what a test says.

    A fault is called with the request and with what delivers it.
    """

    def __init__(self, app: Starlette) -> None:
        self._inner = httpx2.ASGITransport(app=app)
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, list[Callable[..., Any]]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        kind = f"{request.method} {request.url.path.removeprefix('/v1')}"
        self.counts[kind] += 1
        if self.faults.get(kind):
            answer: httpx2.Response = await self.faults[kind].pop(0)(request, self._inner.handle_async_request)
            return answer
        return await self._inner.handle_async_request(request)


async def answer_lost(request: httpx2.Request, deliver: Callable[..., Any]) -> httpx2.Response:
    """It arrives, and the connection ends before the answer."""
    await (await deliver(request)).aread()
    raise httpx2.ReadError("connection lost")


async def dropped(request: httpx2.Request, _deliver: Callable[..., Any]) -> httpx2.Response:
    """It never arrives, and nobody can know."""
    await request.aread()
    raise httpx2.ReadError("connection lost")


async def away(_request: httpx2.Request, _deliver: Callable[..., Any]) -> httpx2.Response:
    """There is nobody to send it to."""
    raise httpx2.ConnectError("nobody there")


def refusing(status: int, code: str = "no", **headers: str) -> Callable[..., Any]:
    """It is answered with an error."""

    async def refuse(_request: httpx2.Request, _deliver: Callable[..., Any]) -> httpx2.Response:
        body = {"error": {"message": "not today", "type": "x", "param": None, "code": code}}
        return httpx2.Response(status, json=body, headers=headers)

    return refuse


def answering(status: int, body: object) -> Callable[..., Any]:
    """The request never arrives; something else answers."""

    async def answer(_request: httpx2.Request, _deliver: Callable[..., Any]) -> httpx2.Response:
        return httpx2.Response(status, json=body)

    return answer


@dataclass
class Place:
    """A ledger, and an endpoint with a Batch API that it is not the owner of."""

    ledger: Ledger
    app: Starlette
    wire: Wire
    endpoint: OpenAIEndpoint
    config: EndpointConfig

    @property
    def served(self) -> Any:
        """The endpoint's own store."""
        return self.app.state.context.store

    def batches(self, model: str) -> list[Any]:
        """All batches on the endpoint that are for this model, newest first."""
        return [each for each in self.served.batches.page(after=None, limit=1000) if each.model in (model, None)]

    def questions_asked(self, model: str) -> Counter[str]:
        """How often each question was answered by the model."""
        found: Counter[str] = Counter()
        for batch in self.batches(model):
            if batch.output_file:
                file = self.served.files.get(batch.output_file, 0)
                lines = self.served.blobs.read(file.blob).decode().splitlines()
                found.update(json.loads(line)["custom_id"] for line in lines)
        return found

    def recorded(self, model: str = "gpt-x") -> list[Batch]:
        """What is recorded of batches for this model."""
        with self.ledger.database.read() as connection:
            ids = [row[0] for row in connection.exec_driver_sql("SELECT id FROM batches")]
            return [each for each in store.by_ids(connection, ids) if each.model == model]

    def scene(self, listener: Notes | None = None, database: Database | None = None) -> Context:
        """A process that works on batches."""
        ledger = replace(self.ledger, database=database or self.ledger.database)
        return context_of(ledger, self.endpoint, self.config, listener or Notes())

    async def drive(self, ids: list[str], listener: Notes | None = None) -> Context:
        """One process that carries these batches on to their end."""
        scene = self.scene(listener)
        await asyncio.wait_for(BatchLoop(scene, ids).run(asyncio.Event()), 20)
        return scene

    async def die_at(self, place: str, ids: list[str], passing: int = 1) -> bool:
        """One process that dies when it passes the place; whether it came by."""
        database = MortalDatabase(str(self.ledger.database.engine.url))
        with dying_at(place, database, passing):
            try:
                await asyncio.wait_for(BatchLoop(self.scene(database=database), ids).run(asyncio.Event()), 20)
            except Killed:
                return True
            finally:
                database.close()
        return False


@contextmanager
def dying_at(place: str, database: MortalDatabase | None = None, passing: int = 1) -> Iterator[None]:
    """Inside, whoever passes the place so often is killed."""
    assert place in (*crashpoints.POINTS, *crashpoints.BATCH_POINTS), place
    left = passing

    def passed(name: str) -> None:
        nonlocal left
        left -= name == place
        if left == 0 and name == place:
            if database is not None:
                database.is_dead = True
            raise Killed

    crashpoints.armed = passed
    try:
        yield
    finally:
        crashpoints.armed = None


@asynccontextmanager
async def place_with_batches(ledger: Ledger, folder: Path, api_key_env: str | None = None) -> AsyncIterator[Place]:
    """The endpoint goes on with its batches for as long as this lasts; `api_key_env` has the key of its account."""
    app = create_app(folder)
    wire = Wire(app)
    local = ledger.workspace.endpoint("local")
    config = replace(local, poll_seconds=0.02, settling_seconds=SETTLING, api_key_env=api_key_env)
    async with (
        running(app),
        httpx2.AsyncClient(transport=wire, base_url="http://local/v1") as http,
        AsyncOpenAI(base_url="http://local/v1", api_key="local", http_client=http) as client,
    ):
        retries = Retries(base=0.01)
        yield Place(ledger, app, wire, OpenAIEndpoint(config, client, capabilities_of(config), retries), config)
