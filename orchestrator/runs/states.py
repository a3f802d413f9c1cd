"""The states of a run, the one table of legal moves, and what a job's status on the endpoint means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.endpoints.interface import RemoteJob
from orchestrator.engine.machine import Machine
from orchestrator.store.runs import RUNS


class State(StrEnum):
    PENDING = "pending"
    """Recorded; waits for a free slot on the endpoint and for the budget."""
    UPLOADING = "uploading"
    """Its files are being uploaded, or processed on the endpoint."""
    CREATING = "creating"
    """The create request may have been sent, and its answer is not recorded."""
    QUEUED = "queued"
    """The fine-tuning job exists and waits on the endpoint."""
    RUNNING = "running"
    """The endpoint is training it."""
    PAUSED = "paused"
    """The endpoint holds the job until it is unpaused."""
    COLLECTING = "collecting"
    """The job succeeded; its events, metrics, checkpoints and model are being recorded."""
    UNKNOWN = "unknown"
    """The outcome is unknown: its create can't be confirmed, its job is gone, or it has no model id.
    `resume` looks again; nothing is paid meanwhile."""
    SUCCEEDED = "succeeded"
    """Finished: the model id is recorded."""
    FAILED = "failed"
    """Finished: the endpoint or the data refused it; the reason is recorded."""
    CANCELLED = "cancelled"
    """Finished: cancelled by the user."""


class RequestedAction(StrEnum):
    """What a user requests of a run; kept with it until the loop has carried it out."""

    CANCEL = "cancel"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    AGAIN = "again"
    """Send the paid request again, although the outcome of the last one is unknown."""

    @property
    def done(self) -> str:
        """As in "the run can't be cancelled"."""
        return {
            RequestedAction.CANCEL: "cancelled",
            RequestedAction.PAUSE: "paused",
            RequestedAction.UNPAUSE: "unpaused",
            RequestedAction.AGAIN: "asked for again",
        }[self]


_ENDS = {State.FAILED, State.CANCELLED}
_ON_THE_ENDPOINT = {State.QUEUED, State.RUNNING, State.PAUSED, State.COLLECTING}

MOVES: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.UPLOADING} | _ENDS),
    State.UPLOADING: frozenset({State.CREATING} | _ENDS),
    State.CREATING: frozenset({State.CREATING, State.UNKNOWN} | _ON_THE_ENDPOINT | _ENDS),  # to itself: once more
    State.QUEUED: frozenset(_ON_THE_ENDPOINT - {State.QUEUED} | {State.UNKNOWN} | _ENDS),
    State.RUNNING: frozenset(_ON_THE_ENDPOINT - {State.RUNNING} | {State.UNKNOWN} | _ENDS),
    State.PAUSED: frozenset(_ON_THE_ENDPOINT - {State.PAUSED} | {State.UNKNOWN} | _ENDS),
    State.COLLECTING: frozenset({State.SUCCEEDED, State.UNKNOWN} | _ENDS),
    State.UNKNOWN: frozenset({State.CREATING} | _ON_THE_ENDPOINT | _ENDS),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

MACHINE = Machine(RUNS, MOVES, intent=State.CREATING)
FINAL = MACHINE.final
move, record = MACHINE.move, MACHINE.record

POLLED = (State.QUEUED, State.RUNNING, State.PAUSED)
"""States that follow the endpoint's job status."""
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
    # of other hosts
    "completed": State.COLLECTING,
    "success": State.COLLECTING,
    "error": State.FAILED,
    "user_error": State.FAILED,
    "failed_validation": State.FAILED,
    "expired": State.FAILED,
    "deleted": State.FAILED,
    "compressing": State.RUNNING,
    "uploading": State.RUNNING,
    "cancel_requested": State.RUNNING,
}


def state_of(job: RemoteJob) -> State | None:
    """The state for a job's status; for an unknown status, judged by other signs that the job has ended. None if
    there are no such signs: the job counts as active."""
    known = _BY_STATUS.get(job.status.lower())
    if known is not None:
        return known
    if job.fine_tuned_model:
        return State.COLLECTING
    if job.error is not None:
        return State.FAILED
    return State.COLLECTING if job.finished_at else None
