"""Endpoints. `open_endpoint` and `open_management` connect to one, and load the SDK only then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig, EndpointType
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.interface import Capabilities, Endpoint
from orchestrator.errors import EndpointError
from orchestrator.trust import use_state

if TYPE_CHECKING:
    from orchestrator.endpoints.bounded import BoundedClient
    from orchestrator.endpoints.management import Management
    from orchestrator.endpoints.openai import OpenAIEndpoint
    from orchestrator.endpoints.retries import Retries

__all__ = ["capabilities_of", "open_endpoint", "open_management", "visit_endpoint"]


@asynccontextmanager
async def open_endpoint(config: EndpointConfig, home: Path) -> AsyncIterator[Endpoint]:
    """Connect to an endpoint. Raises EndpointNotUsable if its configuration does not allow it."""
    from orchestrator.endpoints.retries import Retries

    config.require_usable()
    capabilities = capabilities_of(config)
    if config.type == "local":
        from orchestrator.endpoints.local import open_local

        use_state(home)
        async with open_local(config, home, capabilities, Retries(base=0.05)) as endpoint:
            yield endpoint
        return
    from orchestrator.endpoints.accounts import watch_answers
    from orchestrator.endpoints.clients import http_client

    http = http_client(config)
    account = watch_answers(http, config)
    retries = Retries(total=config.timeout_seconds)
    async with http, _connected(config, http, capabilities, retries) as found:
        found.account = account
        yield found


@asynccontextmanager
async def visit_endpoint(config: EndpointConfig, home: Path) -> AsyncIterator[Endpoint]:
    """Connect like `open_endpoint`, for a look that belongs to no run: its errors give the same command as the next
    step."""
    try:
        async with open_endpoint(config, home) as endpoint:
            yield endpoint
    except EndpointError as error:
        raise type(error)(**{**error.facts, "onward": "run the same command again"}) from error


@asynccontextmanager
async def open_management(config: EndpointConfig) -> AsyncIterator[Management]:
    """Connect to the account's management. Raises what `require_manageable` raises."""
    from orchestrator.endpoints.management import require_manageable

    require_manageable(config)
    if config.type == "fireworks":
        from orchestrator.endpoints.fireworks.deployments import open_deployments

        async with open_deployments(config) as deployments:
            yield deployments
        return
    from orchestrator.endpoints.azure.arm import open_arm

    async with open_arm(config) as arm:
        yield arm


# --- The class of each type --------------------------------------------------------------------------------------


@asynccontextmanager
async def _connected(
    config: EndpointConfig, http: BoundedClient, capabilities: Capabilities, retries: Retries
) -> AsyncIterator[OpenAIEndpoint]:
    """Connect over `http`. Raises EndpointNotUsable if the key can't be one."""
    if config.type == "azure":
        from orchestrator.endpoints.azure.endpoint import open_azure

        async with open_azure(config, http, capabilities, retries) as azure:
            yield azure
        return
    from orchestrator.endpoints.clients import client_of

    async with client_of(config, http) as client:
        yield CLASSES[config.type]()(config, client, capabilities, retries)


def _openai() -> type[OpenAIEndpoint]:
    from orchestrator.endpoints.openai import OpenAIEndpoint

    return OpenAIEndpoint


def _nebius() -> type[OpenAIEndpoint]:
    from orchestrator.endpoints.nebius import NebiusEndpoint

    return NebiusEndpoint


def _together() -> type[OpenAIEndpoint]:
    from orchestrator.endpoints.together.endpoint import TogetherEndpoint

    return TogetherEndpoint


def _fireworks() -> type[OpenAIEndpoint]:
    from orchestrator.endpoints.fireworks.endpoint import FireworksEndpoint

    return FireworksEndpoint


CLASSES: Mapping[EndpointType, Callable[[], type[OpenAIEndpoint]]] = {
    "openai": _openai,
    "compatible": _openai,
    "nebius": _nebius,
    "together": _together,
    "fireworks": _fireworks,
}
"""The types whose hosts take a key as OpenAI does, with what loads their class."""
