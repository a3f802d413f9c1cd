"""The built-in endpoint, inside this process: the SDK talks to the server's app over an ASGI transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.clients import PlainClient
from orchestrator.endpoints.interface import Capabilities
from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.endpoints.openweights import known_models
from orchestrator.endpoints.retries import Retries
from orchestrator.server.app import create_app, running
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.settings import Settings

STORE = "local"
"""The server's store inside the state directory."""


def server_settings(config: EndpointConfig, home: Path | None) -> Settings:
    """The server's settings by an endpoint's table, with the open-weights models that are known here: those of
    `[models]`, and those used before in the state directory `home`."""
    settings = Settings(
        max_training=config.max_active,
        models=known_models(config, home),
        serving=config.serving,
        vllm_url=config.vllm_url,
        constrained=config.constrained,
        ray=_cluster(config.ray) if config.launcher == "ray" else None,
    )
    return replace(settings, python=str(config.python)) if config.python else settings


def _cluster(table: Mapping[str, Any]) -> RaySettings:
    return RaySettings(**{**table, "storage": Path(table["storage"])})


@asynccontextmanager
async def open_local(
    config: EndpointConfig, home: Path, capabilities: Capabilities, retries: Retries
) -> AsyncIterator[OpenAIEndpoint]:
    """Start the server's scheduler and connect to the app; jobs train while this is open."""
    app = create_app(home / STORE, settings=server_settings(config, home))
    transport = httpx2.ASGITransport(app=app)
    async with (
        running(app),
        httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as http,
        PlainClient(base_url="http://local/v1", api_key="local", http_client=http) as client,
    ):
        yield OpenAIEndpoint(config, client, capabilities, retries)
