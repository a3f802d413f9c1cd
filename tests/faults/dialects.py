"""The kinds of hosts that the proof is made for, and how the program connects to each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, get_args

import httpx2
from openai import AsyncOpenAI
from starlette.applications import Starlette
from support.fireworks_host import BASE, fireworks_app
from support.nebius_host import TRAINED, nebius_app
from support.together_host import BASE as TOGETHERS, together_app

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import CLASSES, capabilities_of
from orchestrator.endpoints.azure.endpoint import open_azure
from orchestrator.endpoints.interface import Capabilities
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.server.app import create_app
from orchestrator.server.settings import AzureSettings, ProfileName, Settings

Dialect = Literal["metadata", "marks", "azure-v1", "azure-2024-10-21", "fireworks", "together", "nebius"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
CONFIGS: Mapping[Dialect, EndpointConfig] = {
    "metadata": EndpointConfig("there", "openai", "https://endpoint/v1"),
    "marks": EndpointConfig("there", "compatible", "https://endpoint/v1"),
    "azure-v1": EndpointConfig("there", "azure", "https://endpoint"),
    "azure-2024-10-21": EndpointConfig("there", "azure", "https://endpoint", api="2024-10-21"),
    "fireworks": EndpointConfig("there", "fireworks", "https://endpoint"),
    "together": EndpointConfig("there", "together", "https://endpoint/v1"),
    "nebius": EndpointConfig(
        "there", "nebius", "https://endpoint/v1", hyperparameters="top-level", result="served-checkpoint"
    ),
}
MODELS: Mapping[Dialect, str] = {"fireworks": BASE, "nebius": TRAINED, "together": TOGETHERS}
"""The base model of the hosts that have none of OpenAI's."""
PROFILED: tuple[Dialect, ...] = tuple(dialect for dialect in DIALECTS if dialect != "fireworks")
"""The dialects of hosts whose objects have OpenAI's shape, which the host profiles change."""


def app_of(dialect: Dialect, folder: Path, now: Callable[[], float]) -> Starlette:
    """The host, over the store in this folder; `state.context.store` of the app holds its jobs and files."""
    settings = Settings(now=now, profile=profile_of(dialect), azure=AzureSettings())
    if dialect == "fireworks":
        return fireworks_app(folder, settings=settings)
    if dialect == "together":
        return together_app(folder, settings=settings)
    if dialect == "nebius":
        return nebius_app(folder, settings=settings)
    return create_app(folder, settings=settings)


def profile_of(dialect: Dialect) -> ProfileName:
    """Of the server: a host of the marks gives back neither metadata nor pages, but suffix and seed."""
    return "nebius" if dialect == "marks" else "openai"


def takes_parts(dialect: Dialect) -> bool:
    """Whether a file can be uploaded there in parts."""
    return capabilities_of(CONFIGS[dialect]).parts is not None


def pages(dialect: Dialect) -> bool:
    """Whether its list of jobs has pages: without them, nobody knows whether a list that is full was all of it."""
    return dialect not in ("marks", "nebius")


def announces(dialect: Dialect) -> bool:
    """Whether a file is announced there before it is sent."""
    return dialect == "fireworks"


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
            yield CLASSES[config.type]()(config, client, capabilities, retries)
