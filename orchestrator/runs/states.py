"""The states of a run, the one table of legal moves, and the one function that moves a run."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from orchestrator.errors import IllegalMove
from orchestrator.store import runs as store
from orchestrator.store.runs import Run, Transition


class State(StrEnum):
    PENDING = "pending"
    """Recorded; waits for a slot under the endpoint's cap and for the budget."""
    UPLOADING = "uploading"
    """Its files are going up, or are being processed there."""
    CREATING = "creating"
    """The create request may have left this machine, and its answer is not recorded."""
    QUEUED = "queued"
    """The fine-tuning job exists and waits on the endpoint."""
    RUNNING = "running"
    """The endpoint trains."""
    PAUSED = "paused"
    """The endpoint holds the job until it is told to go on."""
    COLLECTING = "collecting"
    """The job ended well; its events, metrics, checkpoints and model are being recorded."""
    SUCCEEDED = "succeeded"
    """Over: the model id is recorded."""
    FAILED = "failed"
    """Over: the endpoint or the data refused; the reason is recorded."""
    CANCELLED = "cancelled"
    """Over: as the user wished."""


class RequestedAction(StrEnum):
    """What a user wants of a run; kept with it until the loop has carried it out."""

    CANCEL = "cancel"
    PAUSE = "pause"
    UNPAUSE = "unpause"

    @property
    def done(self) -> str:
        """As in "the run can't be cancelled"."""
        return {
            RequestedAction.CANCEL: "cancelled",
            RequestedAction.PAUSE: "paused",
            RequestedAction.UNPAUSE: "unpaused",
        }[self]


_ENDS = {State.FAILED, State.CANCELLED}
_ON_THE_ENDPOINT = {State.QUEUED, State.RUNNING, State.PAUSED, State.COLLECTING}

MOVES: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.UPLOADING} | _ENDS),
    State.UPLOADING: frozenset({State.CREATING} | _ENDS),
    State.CREATING: frozenset({State.CREATING} | _ON_THE_ENDPOINT | _ENDS),  # to itself: one more attempt
    State.QUEUED: frozenset(_ON_THE_ENDPOINT - {State.QUEUED} | _ENDS),
    State.RUNNING: frozenset(_ON_THE_ENDPOINT - {State.RUNNING} | _ENDS),
    State.PAUSED: frozenset(_ON_THE_ENDPOINT - {State.PAUSED} | _ENDS),
    State.COLLECTING: frozenset({State.SUCCEEDED} | _ENDS),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

FINAL = frozenset(state for state, moves in MOVES.items() if not moves)
POLLED = (State.QUEUED, State.RUNNING, State.PAUSED)
"""States that follow the endpoint's own status."""
SLOT_HOLDERS = (State.UPLOADING, State.CREATING, State.QUEUED, State.RUNNING)
"""States that take one of the endpoint's slots."""

_BY_STATUS: Mapping[str, State] = {
    "created": State.QUEUED,
    "pending": State.QUEUED,
    "validating_files": State.QUEUED,
    "queued": State.QUEUED,
    "running": State.RUNNING,
    "resuming": State.RUNNING,
    "pausing": State.RUNNING,
    "cancelling": State.RUNNING,
    "paused": State.PAUSED,
    "succeeded": State.COLLECTING,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "canceled": State.CANCELLED,
}


def state_for(remote_status: str) -> State | None:
    """The state that a job's status on the endpoint means; None for an unknown one: such a job counts as active."""
    return _BY_STATUS.get(remote_status.lower())


def move(
    connection: Connection,
    run: Run,
    to: State,
    reason: str,
    *,
    owner: str,
    now: float,
    changes: Mapping[str, Any] | None = None,
) -> Run:
    """Move `run` to a state, with a line of history, in the caller's transaction; returns the run as it is now.

    A compare-and-swap: it writes only if the run is still as it was read and `owner` still holds its lease. Raises
    LostRun otherwise, and IllegalMove for a move that is not in MOVES. Nothing else writes `runs.state`.
    """
    if to not in MOVES[State(run.state)]:
        raise IllegalMove(run=run.id, from_state=run.state, to_state=to)
    values = {"state": to.value, "reason": reason, "due_at": None, **(changes or {})}
    if to in FINAL:
        values |= {"finished_at": now, "requested_action": None}
    moved = store.swap(connection, run, owner, now, values)
    store.add_transition(connection, Transition(run.id, moved.version, run.state, to.value, reason, now, owner))
    return moved
