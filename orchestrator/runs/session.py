"""Driving runs on all their endpoints from one process: for `submit`, `resume`, requested actions and workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from orchestrator.config import EndpointConfig, Workspace
from orchestrator.endpoints import open_endpoint, visit_endpoint
from orchestrator.endpoints.openweights import keep_missing
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.errors import FtorchError
from orchestrator.runs.context import Context, Listener, NullListener
from orchestrator.runs.engine import EndpointLoop, Supervisor
from orchestrator.runs.standing import StandingLoop
from orchestrator.store import runs as store
from orchestrator.store.database import Database


async def drive(
    workspace: Workspace,
    database: Database,
    *,
    ids: Collection[str] | None = None,
    listener: Listener | None = None,
    followed: Collection[str] = (),
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
    until: Callable[[], bool] | None = None,
    supervisors: Sequence[Supervisor] = (),
) -> None:
    """Drive the runs `ids` (None: all unfinished ones) until each has finished, is paused, or waits for the user.

    The `supervisors` may end some of these runs and add others, until they are done as well. `followed` runs are
    reported to `listener` step by step. Setting `stop` ends it early without loss. An error on one endpoint does
    not stop the others; the first error is raised when all have ended.
    """
    with database.read() as connection:
        names = {*store.busy_endpoints(connection, ids), *(each.endpoint for each in supervisors)}
        places = {run.id: run.endpoint for run in store.by_ids(connection, followed)}
    stop = stop or asyncio.Event()
    listener = listener or NullListener()

    async def drive_one(name: str) -> None:
        async with _connected(workspace, database, name, listener, clock) as context:
            context.followed.update(run_id for run_id, place in places.items() if place == name)
            here = [each for each in supervisors if each.endpoint == name]
            await EndpointLoop(context, ids, until, here).run(stop)

    results = await asyncio.gather(*map(drive_one, sorted(names)), return_exceptions=True)
    _raise_first([result for result in results if isinstance(result, BaseException)], listener)


async def stand_by(
    workspace: Workspace,
    database: Database,
    name: str,
    *,
    listener: Listener,
    stop: asyncio.Event,
    supervisors: Sequence[Supervisor] = (),
) -> None:
    """Drive this worker's share of the runs on one endpoint, and of those submitted meanwhile, until none is left
    unfinished, or for a while. `supervisors` may grow. Raises what ends a loop: see `EndpointLoop`."""
    async with _connected(workspace, database, name, listener) as context:
        await StandingLoop(context, supervisors).run(stop)


@asynccontextmanager
async def _connected(
    workspace: Workspace, database: Database, name: str, listener: Listener, clock: Clock | None = None
) -> AsyncIterator[Context]:
    """This process as a worker on the endpoint of this name."""
    config = workspace.endpoint(name)
    rng = random.SystemRandom()
    with database.read() as connection:
        keep_missing(store.bases_without_job(connection, name), workspace.home)
    async with open_endpoint(config, workspace.home) as endpoint:
        yield Context(
            database=database,
            config=config,
            owner=new_owner(rng),
            clock=clock or Clock(),
            random=rng,
            endpoint=endpoint,
            listener=listener,
        )


def _raise_first(errors: list[BaseException], listener: Listener) -> None:
    for error in errors:
        if not isinstance(error, FtorchError):
            raise error
    for error in errors[1:]:
        listener.warned(str(error))
    if errors:
        raise errors[0]


async def check_endpoint(config: EndpointConfig, workspace: Workspace) -> str:
    """Make one harmless request; a sentence on what answered. Raises EndpointNotUsable and EndpointError."""
    async with visit_endpoint(config, workspace.home) as endpoint:
        return await endpoint.check()
