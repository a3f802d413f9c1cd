"""What a step looks at; what it may return, a move or a wait; and the one place that writes that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from orchestrator.evaluation.batching.states import State, move
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.world import World
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch
from orchestrator.store.evaluations import Asked


class Listener(Protocol):
    """Who wants to see what becomes of batches."""

    def changed(self, batch: Batch) -> None:
        """It has moved, or waits for something else, or the endpoint has answered more of it."""

    def warned(self, text: str) -> None: ...


class Silence:
    """A Listener that shows nothing."""

    def changed(self, batch: Batch) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass
class Scene:
    """The world as a step on batches sees it, and what this process has heard so far."""

    world: World
    listener: Listener
    folder: Path
    """Where output files are read: this process's own, as a batch may have been begun on another machine."""
    errors: dict[Asked, str] = field(default_factory=dict)
    """Why a question of a batch collected here has no answer."""


@dataclass(frozen=True)
class Wait:
    """Stay, and try again in so many seconds; `reason` is what is shown meanwhile."""

    seconds: float
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """Go to another state, writing `changes` and whatever `also` writes in the same transaction."""

    to: State
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    also: Callable[[Connection], None] | None = None


Outcome = Move | Wait


def record(batch: Batch, outcome: Outcome, scene: Scene) -> Batch:
    """Write a step's outcome and tell the listener; returns the batch as it is now. Raises LostRun."""
    world = scene.world
    is_intent = isinstance(outcome, Move) and outcome.to is State.CREATING
    kind = f"batch-{outcome.to}" if isinstance(outcome, Move) else "batch-wait"
    with world.database.write(durable=is_intent) as connection:
        written = _write(connection, batch, outcome, world)
        crash_point("before-commit", kind)
    crash_point("after-commit", kind)
    if is_intent:
        world.fresh_intents.add((written.id, written.creation_attempts))
    scene.listener.changed(written)
    return written


def _write(connection: Connection, batch: Batch, outcome: Outcome, world: World) -> Batch:
    if isinstance(outcome, Wait):
        store.note(connection, batch, world.owner, world.now(), {"reason": outcome.reason, **outcome.changes})
        return store.get(connection, batch.id)
    moved = move(
        connection,
        batch,
        outcome.to,
        outcome.reason,
        owner=world.owner,
        now=world.now(),
        changes=outcome.changes,
    )
    if outcome.also:
        outcome.also(connection)
    return moved
