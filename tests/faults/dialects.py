"""The kinds of hosts that the proof is made for, and how the program connects to each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, get_args

import httpx2
from openai import AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.azure.endpoint import open_azure
from orchestrator.endpoints.interface import Capabilities
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.server.settings import ProfileName

Dialect = Literal["metadata", "marks", "azure-v1", "azure-2024-10-21"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
CONFIGS: Mapping[Dialect, EndpointConfig] = {
    "metadata": EndpointConfig("there", "openai", "https://endpoint/v1"),
    "marks": EndpointConfig("there", "compatible", "https://endpoint/v1"),
    "azure-v1": EndpointConfig("there", "azure", "https://endpoint"),
    "azure-2024-10-21": EndpointConfig("there", "azure", "https://endpoint", api="2024-10-21"),
}


def profile_of(dialect: Dialect) -> ProfileName:
    """Of the server: a host of the marks gives back neither metadata nor pages, but suffix and seed."""
    return "nebius" if dialect == "marks" else "openai"


def can_pause(dialect: Dialect) -> bool:
    """Whether jobs can be paused there; the host of the marks can, though ftorch does not ask it of its kind."""
    return dialect == "marks" or capabilities_of(CONFIGS[dialect]).pause


@asynccontextmanager
async def connected(
    config: EndpointConfig, http: httpx2.AsyncClient, capabilities: Capabilities, retries: Retries
) -> AsyncIterator[OpenAIEndpoint]:
    """The endpoint over this HTTP client, without a key."""
    if config.type == "azure":
        async with http, open_azure(config, http, capabilities, retries) as azure:
            yield azure
    else:
        async with AsyncOpenAI(base_url=config.base_url, api_key="none", http_client=http) as client:
            yield OpenAIEndpoint(config, client, capabilities, retries)
