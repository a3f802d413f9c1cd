"""Between a run and its fine-tuning job: the request a run makes, and what of the response is recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.endpoints.interface import (
    Capabilities,
    JobError,
    JobRequest,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteJob,
)
from orchestrator.engine.machine import Move
from orchestrator.runs.states import State, state_of
from orchestrator.store.records import Checkpoint, Event, Metric
from orchestrator.store.runs import Run, resolved_hyperparameters

TOKEN_KEY, RUN_KEY, CONTENT_KEY = "ftorch_token", "ftorch_run", "ftorch_content"
_MOST_PAIRS = 16
"""The most metadata keys the API accepts for a job; `jobfile` keeps two of them free."""
ID_EXAMPLE = "00000000"
"""The length of every run id."""


def request_for(run: Run, capabilities: Capabilities) -> JobRequest:
    """The create request of a run: it carries the token if the endpoint has metadata, and a marker in any case."""
    assert run.training_file_id is not None
    assert run.creation_token is not None
    marker = {TOKEN_KEY: run.creation_token, RUN_KEY: run.id}
    if len(run.metadata) + len(marker) < _MOST_PAIRS:
        marker[CONTENT_KEY] = content_of(run)
    return JobRequest(
        model=run.model,
        training_file=run.training_file_id,
        validation_file=run.validation_file_id,
        method=run.method,
        seed=run.seed,
        suffix=sent_suffix(run, capabilities),
        metadata={**run.metadata, **marker} if capabilities.metadata else {},
        token=run.creation_token,
        training_type=run.method.get("training_type"),
    )


def content_of(run: Run) -> str:
    """SHA-256 (hex) of what is trained: model, data, method, hyperparameters, and the seed if given. A job carries
    it in its metadata, so the same content is recognised even after the database that recorded it is lost."""
    content = {
        "model": run.model,
        "training": run.training_sha256,
        "validation": run.validation_sha256,
        "type": run.method["type"],
        "hyperparameters": dict(run.method["hyperparameters"]),
        "grader": run.method.get("grader"),
        "seed": run.seed if run.seed_given else None,
    }
    if base := run.method.get("base"):
        content["base"] = base["mark"]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sent_suffix(run: Run, capabilities: Capabilities) -> str | None:
    """The user's suffix; on endpoints without metadata the run's id is appended, so that the job is recognised."""
    if capabilities.metadata:
        return run.suffix
    return marked_suffix(run.suffix or run.name, run.id, capabilities)


def marked_suffix(suffix: str, run_id: str, capabilities: Capabilities) -> str:
    """A suffix with a run's id appended, cut and spelled as the endpoint accepts it."""
    allowed = suffix if capabilities.suffix_takes_dots else suffix.replace(".", "-")
    room = max(0, capabilities.longest_suffix - len(run_id) - 1)
    kept = allowed if len(allowed) <= room else allowed[:room].rstrip("-_.")
    return f"{kept}-{run_id}" if kept else run_id


def job_changes(job: RemoteJob) -> dict[str, Any]:
    """The columns that mirror the endpoint's job object."""
    error = job.error
    return {
        "job_id": job.id,
        "remote_status": job.status,
        "remote_job": dict(job.raw),
        "estimated_finish": job.estimated_finish,
        "trained_tokens": job.trained_tokens,
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
        "error_param": error.param if error else None,
    }


def move_to_status(job: RemoteJob, prefix: str = "") -> Move:
    """The move for a job's status; an unknown status counts as queued."""
    to = state_of(job) or State.QUEUED
    reason = f"{prefix}the endpoint says {job.status}"
    if to is State.FAILED and job.error:
        reason = f"{prefix}{_explained(job.error)}"
    return Move(to, reason, job_changes(job))


def departures(run: Run, job: RemoteJob) -> list[str]:
    """How a newly created job differs from the request, in words; hosts change or drop settings without saying
    so."""
    found = other_hyperparameters(run, job)
    if job.seed is not None and job.seed != run.seed:
        found.append(f"seed {run.seed} was requested, but it has {job.seed}")
    return found


def other_hyperparameters(run: Run, job: RemoteJob) -> list[str]:
    """Those that differ from the request, in words. A job that reports none is believed."""
    said = resolved_hyperparameters(job.raw)
    asked = {name: value for name, value in run.hyperparameters.items() if value != "auto"} if said else {}
    return [
        f"{name} {value:g} was requested, but it has {_shown(said.get(name))}"
        for name, value in asked.items()
        if isinstance(value, int | float) and _number(said.get(name)) != float(value)
    ]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def event_of(run: Run, event: RemoteEvent) -> Event:
    return Event(run.id, event.id, event.created_at, event.level, event.type, event.message, event.data)


def checkpoint_of(run: Run, checkpoint: RemoteCheckpoint) -> Checkpoint:
    """A host whose checkpoints have no model id names them as `job:checkpoint`."""
    model = checkpoint.model or f"{run.job_id}:{checkpoint.id}"
    return Checkpoint(
        run.id, checkpoint.id, checkpoint.step, model, dict(checkpoint.metrics), checkpoint.created_at
    )


_COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "train_loss": ("train_loss",),
    "train_accuracy": ("train_mean_token_accuracy", "train_accuracy"),
    "valid_loss": ("valid_loss",),
    "valid_accuracy": ("valid_mean_token_accuracy", "validation_mean_token_accuracy", "valid_accuracy"),
    "full_valid_loss": ("full_valid_loss",),
    "full_valid_accuracy": ("full_valid_mean_token_accuracy",),
}
"""Our columns, and the names hosts use in events and result files."""


_LARGEST_STEP = 2**53
"""A larger float is no exact count, and no database takes the largest."""


def metrics_of(run: Run, rows: Iterable[Mapping[str, Any]]) -> list[Metric]:
    """Metrics from the data of events or the rows of a result file; rows without a step are left out."""
    found = []
    for row in rows:
        step = _number(row.get("step"))
        if step is None or abs(step) > _LARGEST_STEP:
            continue
        total = _number(row.get("total_steps"))
        total = None if total is None or abs(total) > _LARGEST_STEP else total
        values = {
            column: next((n for name in names if (n := _number(row.get(name))) is not None), None)
            for column, names in _COLUMN_NAMES.items()
        }
        found.append(Metric(run.id, int(step), int(total) if total is not None else None, **values))
    return found


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == number and abs(number) != float("inf") else None


# --- Failed jobs: what to do next --------------------------------------------------------------------------------


_FILTER_CODES = ("contentfilter", "content_filter", "unsafe_file")
_FILTER_WORDS = ("rai check", "harm types", "content filter", "usage policies")
_FILTER_ADVICE = (
    "the service's content filter found harmful examples and does not say which: look for the named kinds in the "
    "training data, remove such examples, then submit again"
)


def _explained(error: JobError) -> str:
    """The service's reason and its code, with the next step where one is known."""
    reason = error.message or error.code or "no reason given"
    if error.code and error.code.lower() not in reason.lower():
        reason = f"{reason} ({error.code})"
    is_filtered = str(error.code).lower() in _FILTER_CODES or any(word in reason.lower() for word in _FILTER_WORDS)
    return f"{reason} ({_FILTER_ADVICE})" if is_filtered else reason
