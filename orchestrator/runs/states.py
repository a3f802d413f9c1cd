"""The states of a run, the one table of legal moves, and what a job's status on the endpoint means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.engine.machine import Machine
from orchestrator.store.runs import RUNS


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

MACHINE = Machine(RUNS, MOVES, intent=State.CREATING)
FINAL = MACHINE.final
move, record = MACHINE.move, MACHINE.record

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
