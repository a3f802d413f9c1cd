"""Who uses a deployment: processes that evaluate renew their use, and it is not removed while in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

from sqlalchemy import Connection

from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned
from orchestrator.errors import DatabaseBusy
from orchestrator.store import deployments as store
from orchestrator.store.database import Database

IN_USE = "in use by an evaluation, so it stays for now"


def live_users(connection: Connection, deployment_id: str, now: float) -> list[str]:
    """The processes that use the deployment now; those that certainly run no more do not count."""
    return [owner for owner in store.users(connection, deployment_id, now) if not is_abandoned(owner)]


def begin_using(connection: Connection, deployment_id: str, owner: str, now: float) -> None:
    """Record the use in the transaction that found or made the deployment; `kept_in_use` renews it."""
    store.use(connection, deployment_id, owner, now + LEASE_SECONDS)


@asynccontextmanager
async def kept_in_use(
    database: Database, ids: Collection[str], owner: str, now: Callable[[], float]
) -> AsyncIterator[None]:
    """Renew this process's use of these deployments, and end it when done."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(DatabaseBusy), database.write() as connection:  # the next renewal is soon enough
                for deployment_id in ids:
                    store.use(connection, deployment_id, owner, now() + LEASE_SECONDS)

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with database.write() as connection:
            for deployment_id in ids:
                store.stop_using(connection, deployment_id, owner)
