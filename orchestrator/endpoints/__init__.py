"""Endpoints. `open_endpoint` and `open_management` connect to one, and load the SDK only then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.azure import Dialect, dialect_of
from orchestrator.endpoints.interface import LONGEST_SUFFIX, Capabilities, Endpoint, Parts
from orchestrator.errors import EndpointError
from orchestrator.trust import use_state

if TYPE_CHECKING:
    from orchestrator.endpoints.management import Management

_IN_PARTS = Parts(above=100_000_000, size=64 << 20)
"""By OpenAI's reference of uploads a part has at most 64 MB; Microsoft's advises parts from 100 MB."""


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
    from orchestrator.endpoints.clients import client_of, http_client
    from orchestrator.endpoints.openai import OpenAIEndpoint

    http = http_client(config)
    account = watch_answers(http, config)
    if config.type == "azure":
        from orchestrator.endpoints.azure.endpoint import open_azure

        async with http, open_azure(config, http, capabilities, Retries(total=config.timeout_seconds)) as azure:
            azure.account = account
            yield azure
        return
    async with client_of(config, http) as client:
        found = OpenAIEndpoint(config, client, capabilities, Retries(total=config.timeout_seconds))
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
    from orchestrator.endpoints.azure.arm import open_arm

    async with open_arm(config) as arm:
        yield arm


def capabilities_of(config: EndpointConfig) -> Capabilities:
    """The capabilities of an endpoint with this configuration, without connecting to it."""
    if config.type == "azure":
        found = _of_azure(dialect_of(config.api))
        return replace(found, longest_suffix=config.suffix_max or found.longest_suffix)
    is_local, is_openai = config.type == "local", config.type == "openai"
    return Capabilities(
        metadata=is_local or is_openai,
        pause=is_local or is_openai,
        checkpoints=True,
        accepts_auto=is_local or is_openai,
        needs_processed_files=False,
        charges=not is_local,
        outlives_us=not is_local,
        lora=not is_openai,
        batch=is_local or is_openai,
        wandb=is_openai,
        parts=None if config.type == "compatible" else _IN_PARTS,
        longest_suffix=config.suffix_max or LONGEST_SUFFIX,
    )


def _of_azure(dialect: Dialect) -> Capabilities:
    return Capabilities(
        metadata=False,  # v1 declares it, but no recorded response has it
        pause=dialect.pause,
        checkpoints=True,
        accepts_auto=False,
        needs_processed_files=True,
        charges=True,
        outlives_us=True,
        parts=_IN_PARTS,
        longest_suffix=40,
        suffix_takes_dots=False,
        imports=True,
        cancelling_charges=True,
        needs_deployment=True,
        deletes_models=False,  # Microsoft's reference of the data plane, version 2024-10-21, has no such request
    )
