"""The loop that brings deployments to their requested state: provisioned and answering, or removed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from orchestrator.config import EndpointConfig
from orchestrator.deployments.context import Context, Listener, NullListener
from orchestrator.deployments.states import MACHINE, State
from orchestrator.deployments.steps import STEPS
from orchestrator.endpoints import open_endpoint, open_management
from orchestrator.engine.loop import Loop
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.errors import FtorchError
from orchestrator.ledger import Ledger
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment


async def drive(
    context: Context,
    ids: Collection[str],
    stop: asyncio.Event | None = None,
    until: Callable[[Deployment], bool] | None = None,
) -> None:
    """Step these deployments until each is settled, or `until` says so, or only the user can continue.

    Deployments that another process drives are waited for.

    An account that has answered before is waited for. Raises EndpointUnreachable if it never did, and errors that
    the user must fix at once. Leases are released in any case; setting `stop` ends it early without loss.
    """
    await DeploymentLoop(context, ids, until).run(stop or asyncio.Event())


class DeploymentLoop(Loop[Deployment, Context]):
    """Steps the deployments `ids` until each is settled, or `until` says so."""

    machine = MACHINE
    steps = STEPS

    def __init__(
        self, context: Context, ids: Collection[str], until: Callable[[Deployment], bool] | None = None
    ) -> None:
        super().__init__(context, ids)
        self._until = until or is_settled

    def stepped(self, before: Deployment, item: Deployment) -> None:
        """Not every step asks the account; the steps record when it has answered."""

    def is_settled(self, item: Deployment) -> bool:
        return is_settled(item) or self._until(item)


def is_settled(deployment: Deployment) -> bool:
    """Whether it is in its requested state: finished, or answering with no request to remove it."""
    return deployment.is_over or (deployment.state == State.DEPLOYED and deployment.requested_action is None)


# --- Driving deployments from one process: shared by the commands and evaluations ----------------------------


@asynccontextmanager
async def open_context(
    ledger: Ledger, config: EndpointConfig, listener: Listener | None = None, clock: Clock | None = None
) -> AsyncIterator[Context]:
    """Connect to an endpoint and to its account's management. Raises what both of these raise."""
    async with (
        open_management(config) as management,
        open_endpoint(config, ledger.workspace.home) as endpoint,
    ):
        yield Context(
            database=ledger.database,
            config=config,
            owner=new_owner(random.SystemRandom()),
            clock=clock or Clock(),
            management=management,
            endpoint=endpoint,
            listener=listener or NullListener(),
        )


async def settle(
    ledger: Ledger,
    deployments: Collection[Deployment],
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    wait: bool = True,
) -> list[Deployment]:
    """Drive these deployments, each on its endpoint, to their requested state; returns them as they are then.

    Without `wait` it ends as soon as the account was asked.

    Raises what `drive` raises; an error on one endpoint doesn't stop the others, and the first error is raised at
    the end.
    """
    troubles: list[FtorchError] = []
    for name in sorted({each.endpoint for each in deployments}):
        here = [each.id for each in deployments if each.endpoint == name]
        try:
            async with open_context(ledger, ledger.workspace.endpoint(name), listener) as context:
                await drive(context, here, stop, None if wait else _is_asked_for)
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
