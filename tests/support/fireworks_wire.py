"""Fireworks in this process, and an endpoint over a wire that keeps every exchange and loses what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from faults.training import advance

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.fireworks.endpoint import FireworksEndpoint
from orchestrator.endpoints.interface import JobRequest
from orchestrator.endpoints.retries import Retries
from support.fireworks_host import FireworksState

NOW = 1_800_000_000.0
Loss = Callable[[httpx2.Request], bool]
Instead = Callable[[httpx2.Request], httpx2.Response | None]


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """Its `lost` answers never come back, though the host got the requests."""

    app: Any
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    dropped: list[Loss] = field(default_factory=list)
    """What never reaches the host."""
    instead: list[Instead] = field(default_factory=list)
    """What somebody answers in the host's place."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        if _meets(self.dropped, request):
            raise httpx2.RemoteProtocolError("dropped", request=request)
        for other in self.instead:
            if (said := other(request)) is not None:
                self.exchanges.append(_exchange(request, body, said.status_code, said.content))
                said.request = request
                return said
        answer = await httpx2.ASGITransport(app=self.app).handle_async_request(request)
        content = await answer.aread()
        self.exchanges.append(_exchange(request, body, answer.status_code, content))
        if _meets(self.lost, request):
            raise httpx2.RemoteProtocolError("lost", request=request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=content, request=request)

    def asked(self, method: str, ending: str) -> list[dict[str, Any]]:
        """The exchanges whose path ends so."""
        return [each for each in self.exchanges if each["method"] == method and each["path"].endswith(ending)]


def _meets(losses: list[Loss], request: httpx2.Request) -> bool:
    found = next((loss for loss in losses if loss(request)), None)
    if found is not None:
        losses.remove(found)
    return found is not None


def _exchange(request: httpx2.Request, body: bytes, status: int, answer: bytes) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.url.path,
        "query": dict(request.url.params),
        "body": _json(body),
        "headers": dict(request.headers),
        "status": status,
        "answer": _json(answer),
    }


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


@dataclass
class Fireworks:
    """The host, the wire to it, and the endpoint."""

    state: FireworksState
    wire: Wire
    endpoint: FireworksEndpoint
    config: EndpointConfig

    def train(self, looks: int = 1) -> None:
        """So many steps of every job's life."""
        for _ in range(looks):
            advance(self.wire.app.state.context.store, NOW)


def quick() -> Retries:
    """Repeats without pauses."""

    async def sleep(_seconds: float) -> None:
        pass

    return Retries(sleep=sleep)


def preference(request: JobRequest) -> JobRequest:
    """The same with DPO."""
    return replace(request, method={"type": "dpo", "hyperparameters": {"n_epochs": 1, "beta": 0.2}})
