"""The states of a batch, the one table of legal moves, and the one function that moves a batch."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from orchestrator.errors import IllegalMove
from orchestrator.store import batches as store
from orchestrator.store.batches import Batch, BatchTransition


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
        values |= {"finished_at": now, "wish": None}
        store.let_go(connection, batch.id)
    moved = store.swap(connection, batch, owner, now, values)
    transition = BatchTransition(batch.id, moved.version, batch.state, to.value, reason, now, owner)
    store.add_transition(connection, transition)
    return moved
