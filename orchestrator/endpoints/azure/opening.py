"""Connecting to an Azure resource, in the dialect and with the sign-in of its configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure.dialects import dialect_of, resource_url
from orchestrator.endpoints.azure.endpoint import AzureEndpoint
from orchestrator.endpoints.azure.signin import EntraSignIn
from orchestrator.endpoints.interface import Capabilities
from orchestrator.endpoints.keys import key_of
from orchestrator.endpoints.retries import Retries


@asynccontextmanager
async def open_azure(
    config: EndpointConfig, http: httpx2.AsyncClient, capabilities: Capabilities, retries: Retries
) -> AsyncIterator[AzureEndpoint]:
    """Connect over `http`. Raises EndpointNotUsable where the key can't be one."""
    entra = EntraSignIn(config) if config.auth == "entra" else None
    try:
        async with _client(config, http, entra) as client:
            yield AzureEndpoint(config, client, capabilities, dialect_of(config.api), entra, retries)
    finally:
        if entra is not None:
            await entra.close()


def _client(config: EndpointConfig, http: httpx2.AsyncClient, entra: EntraSignIn | None) -> AsyncOpenAI:
    """AzureOpenAI's client adds an api-version to every request, and `/openai/v1/` refuses it."""
    resource, timeout = resource_url(config.base_url or ""), config.timeout_seconds
    if config.api == "v1":
        key = entra or key_of(config)
        return AsyncOpenAI(base_url=f"{resource}/openai/v1/", api_key=key, timeout=timeout, http_client=http)
    return AsyncAzureOpenAI(
        azure_endpoint=resource,
        api_version=config.api,
        api_key=None if entra else key_of(config),
        azure_ad_token_provider=entra,
        timeout=timeout,
        http_client=http,
    )
