"""An Azure endpoint as the program opens it, over a wire that answers as a test says."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.azure.endpoint import AzureEndpoint, open_azure
from orchestrator.endpoints.interface import JobRequest
from orchestrator.endpoints.retries import Retries

KEY = "azure-key-0123456789"


@pytest.fixture
def azure_config(monkeypatch: pytest.MonkeyPatch) -> EndpointConfig:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    return EndpointConfig(
        "azure-sim",
        "azure",
        base_url="https://res.openai.azure.com",
        api_key_env="AZURE_OPENAI_API_KEY",
        source="ftorch.toml",
    )


Open = Callable[..., Awaitable[AzureEndpoint]]


@pytest.fixture
async def azure(wire: Any, azure_config: EndpointConfig) -> AsyncIterator[Open]:
    """Opens the endpoint with some settings changed; all are closed at the end."""
    async with AsyncExitStack() as opened:

        async def open_(**settings: Any) -> AzureEndpoint:
            config = replace(azure_config, **settings)
            http = await opened.enter_async_context(httpx2.AsyncClient(transport=httpx2.MockTransport(wire)))
            retries = Retries(sleep=wire.sleep, random=random.Random(1))
            return await opened.enter_async_context(open_azure(config, http, capabilities_of(config), retries))

        yield open_


@pytest.fixture
def job_request() -> JobRequest:
    method = {"type": "supervised", "hyperparameters": {"n_epochs": 3, "batch_size": "auto"}}
    return JobRequest("gpt-4.1-mini-2025-04-14", "file-t", "file-v", method, 7, "drone-ab12cd34", {}, "01T")
