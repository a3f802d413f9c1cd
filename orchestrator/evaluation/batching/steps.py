"""One function for each state of a batch. Each may be called any number of times.

A step looks at the batch and the world, does at most one thing that takes effect, and returns what to write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from orchestrator.endpoints.interface import BATCH, RemoteBatch
from orchestrator.errors import (
    DataFileUnusable,
    EndpointBusy,
    EndpointError,
    OutcomeUnknown,
    RequestRefused,
    UsageError,
)
from orchestrator.evaluation.batching.collecting import collecting
from orchestrator.evaluation.batching.outcome import Move, Outcome, Scene, Wait
from orchestrator.evaluation.batching.reconcile import adopted, look_for_batch, next_attempt, search_for
from orchestrator.evaluation.batching.states import CANCEL, ENDED, REFUSED, State
from orchestrator.runs import outcome as runs_outcome
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.steps import new_token
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.runs.world import World
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch

_SLOWEST_POLL = 60.0
_POLLS_BY_AGE = 60
"""A batch is looked at again after this part of its age: one that has taken an hour may take a minute more."""


async def uploading(batch: Batch, scene: Scene) -> Outcome:
    """Bring the file up; when it is there, commit the intent to create."""
    world = scene.world
    if batch.wish == CANCEL:
        return Move(State.CANCELLED, "cancelled before it was sent")
    try:
        found = await file_on_endpoint(world, Path(batch.input_path), batch.input_sha256, BATCH)
    except (DataFileUnusable, RequestRefused, UsageError) as error:
        return Move(State.FAILED, str(error))
    if isinstance(found, runs_outcome.Wait):
        return Wait(found.until - world.now(), found.reason)
    now = world.now()
    intent = {
        "input_file_id": found,
        "creation_token": batch.creation_token or new_token(world.random, now),
        "creation_started_at": now,
        "creation_attempts": batch.creation_attempts + 1,
        "creation_open": True,
    }
    return Move(State.CREATING, "its file is there; asking for the batch", intent)


async def creating(batch: Batch, scene: Scene) -> Outcome:
    """Send the paid request only right after this process committed its intent; anything else is looked for."""
    world, intent = scene.world, (batch.id, batch.creation_attempts)
    if batch.creation_open and intent in world.fresh_intents:
        world.fresh_intents.discard(intent)
        return await _create(batch, world)
    if batch.creation_open:
        return await look_for_batch(batch, scene)
    if batch.wish == CANCEL:
        return Move(State.CANCELLED, "cancelled before it was sent")
    return next_attempt(batch, "the last request was refused for now")


async def _create(batch: Batch, world: World) -> Outcome:
    if not _holds(batch, world):
        return Wait(0.0, "create unconfirmed, looking for the batch")  # it slept past its lease
    try:
        made = await _request(batch, world)
    except OutcomeUnknown as error:
        world.begin_search(search_for(batch))  # a request that was given up late can still land
        return Wait(0.0, f"create unconfirmed ({error.facts['problem']}), looking for the batch")
    except EndpointBusy as error:
        pause = error.facts["retry_after"] or world.config.poll_seconds
        return Wait(pause, str(error), {"creation_open": False})
    except RequestRefused as error:
        message = error.facts["message"]
        return Move(State.FAILED, f"the endpoint refused the batch: {message}", {"creation_open": False})
    except EndpointError:
        _close_attempt(batch, world)
        raise
    return adopted(made, f"batch {made.id} created")


async def _request(batch: Batch, world: World) -> RemoteBatch:
    assert batch.input_file_id is not None
    assert batch.creation_token is not None
    crash_point("before-batch-create")
    try:
        return await world.endpoint.batches.create(batch.input_file_id, {TOKEN_KEY: batch.creation_token})
    finally:
        crash_point("after-batch-create")


def _close_attempt(batch: Batch, world: World) -> None:
    """The request certainly created nothing (it never left, or the key or the account was refused)."""
    with world.database.write(durable=True) as connection:
        store.note(connection, batch, world.owner, world.now(), {"creation_open": False})
        crash_point("before-commit-batch-attempt-closed")
    crash_point("after-commit-batch-attempt-closed")


def _holds(batch: Batch, world: World) -> bool:
    """Whether this worker's lease on the batch still lasts, by the database."""
    with world.database.read() as connection:
        current = store.get(connection, batch.id)
    return current.lease_owner == world.owner and (current.lease_expires_at or 0.0) > world.now()


async def waiting(batch: Batch, scene: Scene) -> Outcome:
    """Look how far the endpoint is; tell it first what the user wishes."""
    world = scene.world
    assert batch.remote_id is not None
    crash_point("before-batch-poll")
    remote = await _wished(batch, scene) or await world.endpoint.batches.get(batch.remote_id)
    crash_point("after-batch-poll")
    changes = {
        "remote_status": remote.status,
        "remote_batch": dict(remote.raw),
        "completed": remote.completed,
        "failed": remote.failed,
    }
    if remote.status == REFUSED:
        return Move(State.FAILED, f"the endpoint refused the batch: {_problems(remote)}", changes)
    if remote.status in ENDED:
        return Move(State.COLLECTING, f"{remote.status} on the endpoint", changes)
    pause = max(world.config.poll_seconds, min(_SLOWEST_POLL, (world.now() - batch.created_at) / _POLLS_BY_AGE))
    return Wait(pause * world.random.uniform(0.9, 1.1), f"{remote.status} on the endpoint", changes)


async def _wished(batch: Batch, scene: Scene) -> RemoteBatch | None:
    """Cancel it, where that is wished and has not been asked for yet; None where there is nothing to ask."""
    if batch.wish != CANCEL or batch.remote_status == "cancelling":
        return None
    assert batch.remote_id is not None
    try:
        return await scene.world.endpoint.batches.cancel(batch.remote_id)
    except RequestRefused as error:
        scene.listener.warned(f"batch {batch.id} can't be cancelled: {error.facts['problem']}")
        return None


def _problems(remote: RemoteBatch) -> str:
    first = "; ".join(remote.problems[:3]) or "no reason given"
    more = len(remote.problems) - 3
    return f"{first}; and {more} more" if more > 0 else first


Step = Callable[[Batch, Scene], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.UPLOADING: uploading,
    State.CREATING: creating,
    State.WAITING: waiting,
    State.COLLECTING: collecting,
}
