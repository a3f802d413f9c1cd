"""Runs and models: a line each for a terminal, an object each for programs. Loads no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from orchestrator.ledger import is_followed
from orchestrator.reports.table import TERMINAL_STYLES, Cell, Meaning, Number
from orchestrator.reports.text import duration, iso, loss, plural
from orchestrator.runs.waiting import stands_still, way_on
from orchestrator.store.records import Metric, Model
from orchestrator.store.runs import Run, RunSummary

_MEANINGS: Mapping[str, Meaning] = {
    "pending": Meaning.MUTED,
    "uploading": Meaning.STARTING,
    "creating": Meaning.STARTING,
    "queued": Meaning.STARTING,
    "running": Meaning.RUNNING,
    "paused": Meaning.WARNING,
    "collecting": Meaning.FINISHING,
    "unknown": Meaning.WARNING,
    "succeeded": Meaning.GOOD,
    "failed": Meaning.BAD,
    "cancelled": Meaning.MUTED,
    "pruned": Meaning.STOPPED,
}
"""Of a run's states, and of a trial that its sweep's rule cancelled."""
AT_WORK = ("running", "collecting", "creating", "uploading", "queued", "paused", "unknown")
"""The states of runs that are seen first where there is no room for all."""


def summary(counts: Mapping[str, int], shown: int, first: str = "the newest") -> str:
    """`12 runs: 1 running, 11 succeeded`, and how to see the rest if only the `first` are shown."""
    total = sum(counts.values())
    parts = ", ".join(f"{counts[state]:,} {state}" for state in _MEANINGS if counts.get(state))
    verb = "is" if shown == 1 else "are"
    rest = f"; {first} {shown} {verb} shown, --all shows every one" if shown < total else ""
    return f"{plural(total, 'run')}: {parts}{rest}"


def run_object(
    run: Run | RunSummary,
    last: Metric | None = None,
    tags: Mapping[str, str] | None = None,
    ends: date | None = None,
) -> dict[str, Any]:
    """One element of `status --json`; without `tags` where they were not read. `ends` is the day on which its model
    ends."""
    return {
        "run": run.id,
        "name": run.name,
        "sweep": run.sweep_id,
        "endpoint": run.endpoint,
        "model": run.model,
        "state": run.state,
        "reason": run.reason,
        "remote_status": run.remote_status,
        "job_id": run.job_id,
        "fine_tuned_model": run.fine_tuned_model,
        "shutdown_date": ends.isoformat() if ends else None,
        "step": last.step if last else None,
        "total_steps": last.total_steps if last else None,
        "train_loss": last.train_loss if last else None,
        "valid_loss": last.valid_loss if last else None,
        "estimated_cost_usd": run.estimated_cost_usd,
        "cost_usd": run.cost_usd,
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "finished_at": iso(run.finished_at),
        **({} if tags is None else {"tags": dict(tags)}),
    }


# --- Models and endpoints -------------------------------------------------------------------------------------


def model_object(model: Model) -> dict[str, Any]:
    """What `models get --json` prints of a model."""
    return {
        "model": model.model,
        "run": model.run_id,
        "endpoint": model.endpoint,
        "base_model": model.base_model,
        "created_at": iso(model.created_at),
    }


# --- What is said of a run in every report --------------------------------------------------------------------


def state_cell(state: str) -> Cell:
    """The state of a run or of a trial, with what it means."""
    return Cell(state, _MEANINGS.get(state, Meaning.NONE))


def state_style(state: str) -> str:
    """Its style on a terminal."""
    return TERMINAL_STYLES[_MEANINGS.get(state, Meaning.NONE)]


def why(run: Run, now: float) -> str:
    """What the run waits for, when ftorch looks again, and whether a process follows it."""
    if run.is_over or run.state == "unknown":
        return run.reason
    if run.reason.startswith("on hold: "):
        names_a_way = is_followed(run, now) or "ftorch resume" in run.reason
        return run.reason if names_a_way else f"{run.reason}; no process follows it: ftorch resume"
    if run.state == "paused":
        return f"{run.reason}; {way_on(run)}"
    if stands_still(run, now):
        stands = duration(now - run.updated_at)
        return f"{run.reason}; no change for {stands}: check {run.endpoint}, or run: ftorch cancel {run.id}"
    if not is_followed(run, now):
        if run.creation_open:
            return "create unconfirmed: its process ended before the answer; run ftorch resume to look for the job"
        return f"{run.reason}; no process follows it: ftorch resume"
    if run.creation_open and run.due_at is not None:
        return f"{run.reason} (next look in {duration(run.due_at - now)})"
    return run.reason


def steps(metric: Metric | None) -> str:
    """`412/777`."""
    if metric is None:
        return "–"
    return f"{metric.step}/{metric.total_steps}" if metric.total_steps else str(metric.step)


def validation_loss(metric: Metric | None) -> float | None:
    """On the whole validation file where that was measured, else on a part of it."""
    if metric is None:
        return None
    return metric.full_valid_loss if metric.full_valid_loss is not None else metric.valid_loss


def loss_cell(value: float | None) -> Number:
    return Number(loss(value), value=value)
