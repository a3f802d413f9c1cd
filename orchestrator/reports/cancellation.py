"""What a cancel is about to end, and what is lost with it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.api.actions import Cancellation
from orchestrator.reports.runs import steps
from orchestrator.reports.text import plural, printable
from orchestrator.runs.marks import NO_MARK
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep

_TRAINS = ("running", "paused", "collecting")


def cancellation_lines(found: Cancellation) -> Iterator[str]:
    """A line for each run, and what is lost. Without names that an endpoint could have made up."""
    if isinstance(found.subject, RecordedSweep):
        count = plural(len(found.runs), "unfinished trial")
        yield printable(f"sweep {found.subject.name} on {found.subject.endpoint}: {count}")
    for run in found.runs:
        yield _run_line(run, found.progress.get(run.id))
    yield f"{_lost(found)}."
    for concern in concerns(found):
        yield f"{concern[0].upper()}{concern[1:]}."


def concerns(found: Cancellation) -> list[str]:
    """Why a cancel needs a yes even where nobody can be asked."""
    charged = [f"{found.charged_by} charges what the job has trained until now"] if found.charged_by else []
    return charged + [f"job {job} fits and {NO_MARK}: it may be somebody else's" for job in found.doubtful_jobs]


def _run_line(run: Run, last: Metric | None) -> str:
    job = f", job {run.job_id}" if run.job_id else ", no job yet"
    step = f", step {steps(last)}" if last else ""
    return printable(f"run {run.id} ({run.name}) on {run.endpoint}: {run.state}{job}{step}")


def _lost(found: Cancellation) -> str:
    if any(run.state in _TRAINS or run.id in found.progress for run in found.runs):
        return "What has been trained so far is lost"
    if any(run.state == "unknown" for run in found.runs):
        return "Whether a job exists, and what it has trained, is unknown"
    return "Nothing has been trained yet, so nothing is lost"
