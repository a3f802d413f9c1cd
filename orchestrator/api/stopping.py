"""The message when the user stops waiting: the state of the runs, and how to continue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.config import Workspace
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import Stopped
from orchestrator.runs.waiting import way_on
from orchestrator.store.runs import Run


@contextmanager
def before_anything() -> Iterator[None]:
    """Inside, where nothing is recorded or sent, an interruption becomes `Stopped` with that message."""
    try:
        yield
    except Stopped:
        raise
    except KeyboardInterrupt:
        raise Stopped("stopped; nothing was recorded or sent") from None


def left_behind(workspace: Workspace, runs: Sequence[Run]) -> str:
    """The state of each unfinished run: it has no job yet, its create is unconfirmed, or its job continues."""
    left = [run for run in runs if not run.is_over]
    if not left:
        return "stopped; every run has finished"
    if len(left) == 1 and left[0].sweep_id is None:
        return _one(workspace, left[0])
    counted = Counter(_many(workspace, run) for run in left)
    said = ", ".join(
        f"{number:,} {noun}{'s' if number > 1 else ''} {rest}" for (noun, rest), number in counted.items()
    )
    return f"stopped; {said}; continue with: ftorch resume"


def _one(workspace: Workspace, run: Run) -> str:
    if run.job_id is None and run.creation_open:
        return (
            f"stopped; the create request of run {run.id} is unconfirmed, so {run.endpoint} may have its job; "
            f"ftorch resume {run.id} looks for it first"
        )
    if run.job_id is None:
        return f"stopped; run {run.id} has no job yet; continue with: ftorch resume {run.id}"
    if run.state == "paused":
        return f"stopped; job {run.job_id} of run {run.id} is paused; {way_on(run)}"
    if outlives_us(workspace, run):
        return f"stopped; job {run.job_id} of run {run.id} continues; ftorch resume {run.id} follows it"
    return (
        f"stopped; job {run.job_id} of run {run.id} pauses until ftorch runs again; "
        f"continue with: ftorch resume {run.id}"
    )


def _many(workspace: Workspace, run: Run) -> tuple[str, str]:
    if run.job_id is None:
        return ("create request", "unconfirmed") if run.creation_open else ("run", "without a job yet")
    if run.state == "paused":
        return "job", "paused"
    return "job", "under way" if outlives_us(workspace, run) else "paused until ftorch runs again"


def outlives_us(workspace: Workspace, run: Run) -> bool:
    """Whether the run's job continues without this process."""
    config = workspace.endpoints.get(run.endpoint)
    return config is None or capabilities_of(config).outlives_us
