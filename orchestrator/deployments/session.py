"""Driving deployments from one process: what the commands and an evaluation have in common."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from orchestrator.config import EndpointConfig
from orchestrator.deployments.driving import drive
from orchestrator.deployments.world import Listener, Silence, World
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.management import open_management
from orchestrator.errors import FtorchError
from orchestrator.runs.ledger import Ledger
from orchestrator.runs.world import Clock, new_owner
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment


@asynccontextmanager
async def open_world(
    ledger: Ledger, config: EndpointConfig, listener: Listener | None = None, clock: Clock | None = None
) -> AsyncIterator[World]:
    """Connect to an endpoint and to its account's management. Raises what both of these raise."""
    async with (
        open_management(config) as management,
        open_endpoint(config, ledger.workspace.home) as endpoint,
    ):
        owner = new_owner(random.SystemRandom())
        yield World(ledger.database, management, endpoint, config, owner, clock or Clock(), listener or Silence())


async def settle(
    ledger: Ledger,
    deployments: Collection[Deployment],
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    wait: bool = True,
) -> list[Deployment]:
    """Drive these deployments, each on its endpoint, to where they are wanted; returns them as they are then.

    Without `wait` it ends as soon as the account was asked.

    Raises what `drive` raises; the trouble of one endpoint keeps no other from its turn, and the first is raised in
    the end.
    """
    troubles: list[FtorchError] = []
    for name in sorted({each.endpoint for each in deployments}):
        here = [each.id for each in deployments if each.endpoint == name]
        try:
            async with open_world(ledger, ledger.workspace.endpoint(name), listener) as world:
                await drive(world, here, stop, None if wait else _is_asked_for)
        except FtorchError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return reread(ledger, deployments)


def reread(ledger: Ledger, deployments: Collection[Deployment]) -> list[Deployment]:
    """The deployments as they are recorded now, in the same order."""
    with ledger.database.read() as connection:
        return [store.get(connection, each.id) for each in deployments]


def _is_asked_for(deployment: Deployment) -> bool:
    return deployment.requested_at is not None and deployment.due_at is not None
