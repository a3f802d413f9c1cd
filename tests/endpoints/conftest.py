"""Endpoints that answer as a test says, over the real SDK: nothing between our code and the wire is replaced."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.interface import Capabilities, JobRequest
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointError

Answer = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]


class Wire:
    """A transport that keeps every request and answers from a script; the last answer stays."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []
        self._answers: deque[Answer] = deque()

    def answers(self, *answers: Answer) -> None:
        self._answers.extend(answers)

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def config() -> EndpointConfig:
    return EndpointConfig("staging", "openai", base_url="http://staging/v1", api_key_env="STAGING_KEY")


Connect = Callable[..., Awaitable[OpenAIEndpoint]]


@pytest.fixture
async def connect(wire: Wire, config: EndpointConfig) -> AsyncIterator[Connect]:
    """The endpoint as the program has it, but over the wire of the test."""
    clients: list[openai.AsyncOpenAI] = []

    async def connect(of: EndpointConfig = config, **abilities: Any) -> OpenAIEndpoint:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(wire))
        clients.append(openai.AsyncOpenAI(base_url="http://staging/v1", api_key="sk-test", http_client=http))
        capabilities: Capabilities = replace(capabilities_of(of), **abilities)
        return OpenAIEndpoint(of, clients[-1], capabilities, Retries(sleep=wire.sleep, random=random.Random(1)))

    yield connect
    for client in clients:
        await client.close()


Fail = Callable[[Answer], Awaitable[EndpointError]]


@pytest.fixture
async def failure(connect: Connect, wire: Wire) -> Fail:
    """The error that a reading request ends with after this answer."""

    async def failure(answer: Answer) -> EndpointError:
        wire.answers(answer)
        endpoint = await connect()
        with pytest.raises(EndpointError) as caught:
            await endpoint.job("ftjob-1")
        return caught.value

    return failure


@pytest.fixture
def request_() -> JobRequest:
    method = {"type": "supervised", "hyperparameters": {"n_epochs": 3, "batch_size": "auto"}}
    return JobRequest("gpt-4.1-mini-2025-04-14", "file-t", None, method, 7, "drone", {"ftorch_token": "01T"}, "01T")


@pytest.fixture
def run() -> Any:
    """All that reading metrics needs of a run."""
    return SimpleNamespace(id="run00001")
