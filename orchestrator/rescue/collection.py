"""One pass over an endpoint: every list, then every object that is not here yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.endpoints.interface import Endpoint
from orchestrator.endpoints.objects import read_checkpoint
from orchestrator.rescue.asking import Asking
from orchestrator.rescue.evals import keep_evals
from orchestrator.rescue.inventory import Inventory, take_inventory
from orchestrator.rescue.keeping import Keeper, Listener, TunedModel
from orchestrator.rescue.manifest import Manifest


@dataclass(frozen=True)
class Collected:
    """What the endpoint has; what of it is kept is in the manifest."""

    inventory: Inventory
    models: Sequence[TunedModel]
    notes: tuple[str, ...]
    """What can't be listed, and what follows from that."""


async def collect(
    endpoint: Endpoint, manifest: Manifest, recorded: Sequence[str], listener: Listener, stop: asyncio.Event
) -> Collected | None:
    """Keep what the endpoint returns; None if `stop` was set before the end. `recorded` are the ids of the jobs
    that ftorch's records have there.

    Raises EndpointError for what concerns the whole endpoint, and OutputUnwritable; what is kept by then stays.
    """
    work = asyncio.ensure_future(_collected(endpoint, manifest, recorded, listener))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)


async def _collected(
    endpoint: Endpoint, manifest: Manifest, recorded: Sequence[str], listener: Listener
) -> Collected:
    asking = Asking()
    inventory = await take_inventory(endpoint, recorded, asking)
    keeper = Keeper(endpoint, manifest, listener, asking)
    await keeper.keep_jobs(inventory)
    await keeper.keep_files(inventory)
    models = await keeper.look_for_models(inventory, _checkpoints(manifest, inventory))
    notes = list(inventory.notes)
    if endpoint.capabilities.evals and (problem := await keep_evals(endpoint, manifest, asking)):
        notes.append(
            f"{endpoint.name} doesn't list its evals: {problem}. OpenAI ends that API on 30 November 2026; to use "
            "evals that were exported before, add --evals PATH."
        )
    return Collected(inventory, models, tuple(notes))


def _checkpoints(manifest: Manifest, inventory: Inventory) -> dict[str, tuple[str, int]]:
    """The job and step of each checkpoint that is callable as a model."""
    found: dict[str, tuple[str, int]] = {}
    for job in inventory.jobs:
        for raw in manifest.lines("checkpoints", job.id):
            try:
                checkpoint = read_checkpoint(raw)
            except KeyError:
                continue
            if checkpoint.model:
                found.setdefault(checkpoint.model, (job.id, checkpoint.step))
    return found
