"""The states of a batch, the one table of legal moves, and the one function that moves a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from orchestrator.errors import IllegalMove
from orchestrator.runs.context import Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch, BatchTransition
from orchestrator.store.evaluations import Asked


class State(StrEnum):
    UPLOADING = "uploading"
    """Recorded with its questions; their file goes up."""
    CREATING = "creating"
    """The create request may have left this machine, and its answer is not recorded."""
    WAITING = "waiting"
    """The endpoint has it, and answers when it has time."""
    COLLECTING = "collecting"
    """It is over there; its answers are being recorded."""
    DONE = "done"
    """Over: every answer that came is recorded."""
    FAILED = "failed"
    """Over: the endpoint refused it; nothing was answered."""
    CANCELLED = "cancelled"
    """Over as the user wished; what was answered by then is recorded."""


CANCEL = "cancel"
"""The one wish a user may have of a batch."""

_ENDS = {State.FAILED, State.CANCELLED}
MOVES: Mapping[State, frozenset[State]] = {
    State.UPLOADING: frozenset({State.CREATING} | _ENDS),
    State.CREATING: frozenset({State.CREATING, State.WAITING} | _ENDS),  # to itself: one more attempt
    State.WAITING: frozenset({State.COLLECTING, State.FAILED}),
    State.COLLECTING: frozenset({State.DONE} | _ENDS),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

FINAL = frozenset(state for state, moves in MOVES.items() if not moves)
ENDED = ("completed", "expired", "cancelled")
"""What the endpoint calls a batch that is over and may have answers, by OpenAI's reference of the batch object."""
REFUSED = "failed"
"""What it calls one that is over and has none. Any other word, known or not, means that it goes on."""


def move(
    connection: Connection,
    batch: Batch,
    to: State,
    reason: str,
    *,
    owner: str,
    now: float,
    changes: Mapping[str, Any] | None = None,
) -> Batch:
    """Move `batch` to a state, with a line of history, in the caller's transaction; returns it as it is now.

    It writes only if the batch is still as it was read and `owner` still holds its lease. Raises LostRun otherwise,
    and IllegalMove for a move that is not in MOVES. A batch that is over lets its questions go.
    """
    if to not in MOVES[State(batch.state)]:
        raise IllegalMove(run=f"(batch {batch.id})", from_state=batch.state, to_state=to)
    values = {"state": to.value, "reason": reason, **(changes or {})}
    if to in FINAL:
        values |= {"finished_at": now, "requested_action": None}
        store.let_go(connection, batch.id)
    moved = store.swap(connection, batch, owner, now, values)
    transition = BatchTransition(batch.id, moved.version, batch.state, to.value, reason, now, owner)
    store.add_transition(connection, transition)
    return moved


# --- What a step looks at; what it may return, a move or a wait; and the one place that writes that -----------


class Listener(Protocol):
    """Who wants to see what becomes of batches."""

    def changed(self, batch: Batch) -> None:
        """It has moved, or waits for something else, or the endpoint has answered more of it."""

    def warned(self, text: str) -> None: ...


class NullListener:
    """A Listener that shows nothing."""

    def changed(self, batch: Batch) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass
class BatchContext:
    """The world as a step on batches sees it, and what this process has heard so far."""

    context: Context
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


def record(batch: Batch, outcome: Outcome, scene: BatchContext) -> Batch:
    """Write a step's outcome and tell the listener; returns the batch as it is now. Raises LostRun."""
    context = scene.context
    is_intent = isinstance(outcome, Move) and outcome.to is State.CREATING
    kind = f"batch-{outcome.to}" if isinstance(outcome, Move) else "batch-wait"
    with context.database.write(durable=is_intent) as connection:
        written = _write(connection, batch, outcome, context)
        crash_point("before-commit", kind)
    crash_point("after-commit", kind)
    if is_intent:
        context.fresh_intents.add((written.id, written.creation_attempts))
    scene.listener.changed(written)
    return written


def _write(connection: Connection, batch: Batch, outcome: Outcome, context: Context) -> Batch:
    if isinstance(outcome, Wait):
        store.note(connection, batch, context.owner, context.now(), {"reason": outcome.reason, **outcome.changes})
        return store.get(connection, batch.id)
    moved = move(
        connection,
        batch,
        outcome.to,
        outcome.reason,
        owner=context.owner,
        now=context.now(),
        changes=outcome.changes,
    )
    if outcome.also:
        outcome.also(connection)
    return moved
