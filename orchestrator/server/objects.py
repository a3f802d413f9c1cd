"""The JSON objects of the API, as in the official description (OpenAI's OpenAPI document, version 2.3.0).

It lacks one status: pause and resume exist, so a paused job is called `paused`, as in real answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from orchestrator.server.settings import Profile
from orchestrator.server.store.batches import Batch
from orchestrator.server.store.jobs import BaseModel
from orchestrator.server.store.records import (
    Checkpoint,
    Event,
    File,
    FineTunedModel,
    Job,
    JobStatus,
    Part,
    Upload,
)

Json = dict[str, Any]

WAITING = (JobStatus.VALIDATING_FILES, JobStatus.QUEUED)


def file_object(file: File, profile: Profile) -> Json:
    shown: Json = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
    }
    if file.expires_at is not None:
        shown["expires_at"] = file.expires_at
    if profile.file_status:
        shown["status"] = "processed"
    return shown


def upload_object(upload: Upload) -> Json:
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": upload.created_at,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "expires_at": upload.expires_at,
    }


def part_object(part: Part) -> Json:
    return {"id": part.id, "object": "upload.part", "created_at": part.created_at, "upload_id": part.upload}


def job_object(job: Job, profile: Profile, organization: str) -> Json:
    shown: Json = {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "model": job.model,
        "fine_tuned_model": job.fine_tuned_model,
        "organization_id": organization,
        "status": _status(job, profile),
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "result_files": [job.result_file] if job.result_file else [],
        "trained_tokens": job.trained_tokens,
        "error": asdict(job.error) if job.error else None,
        "seed": job.seed,
        "estimated_finish": job.estimated_finish if job.status is JobStatus.RUNNING else None,
        "integrations": [],
        "metadata": dict(job.metadata) if job.metadata is not None and profile.metadata else None,
    }
    return {**shown, **_hyperparameters(job, profile)}


def event_object(event: Event) -> Json:
    return {
        "id": event.id,
        "object": "fine_tuning.job.event",
        "created_at": event.created_at,
        "level": event.level,
        "message": event.message,
        "type": event.kind,
        "data": dict(event.data),
    }


def checkpoint_object(checkpoint: Checkpoint) -> Json:
    return {
        "id": checkpoint.id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": checkpoint.created_at,
        "fine_tuned_model_checkpoint": checkpoint.model,
        "fine_tuning_job_id": checkpoint.job,
        "step_number": checkpoint.step,
        "metrics": dict(checkpoint.metrics),
    }


def batch_object(batch: Batch, profile: Profile) -> Json:
    times = ("in_progress", "expires", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": {"object": "list", "data": [asdict(each) for each in batch.errors]} if batch.errors else None,
        "input_file_id": batch.input_file,
        "completion_window": batch.completion_window,
        "status": batch.status.value,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": batch.created_at,
        **{f"{name}_at": getattr(batch, f"{name}_at") for name in times},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": _batch_usage(batch),
        "metadata": dict(batch.metadata) if batch.metadata is not None and profile.metadata else None,
    }


def model_object(model: FineTunedModel, organization: str, ends: date | None) -> Json:
    shown = {"id": model.name, "object": "model", "created": model.created_at, "owned_by": organization}
    return {**shown, **_ending(ends)}


def base_object(base: BaseModel, ends: date | None) -> Json:
    """A base model: open weights on this machine, or a name whose place the local trainer takes."""
    owner = "local-stand-in" if base.folder is None else "local"
    return {"id": base.name, "object": "model", "created": base.since, "owned_by": owner, **_ending(ends)}


def _ending(ends: date | None) -> Json:
    """The field is optional, and models without an announced end are returned without it."""
    return {} if ends is None else {"shutdown_date": ends.isoformat()}


def deleted(object_id: str, kind: str) -> Json:
    return {"id": object_id, "object": kind, "deleted": True}


def page(objects: Sequence[Json], has_more: bool, profile: Profile, *, ends: bool = False) -> Json:
    """A list; with `ends` it names its first and last object, which must always be strings by the description."""
    shown: Json = {"object": "list", "data": list(objects)}
    if profile.has_more:
        shown["has_more"] = has_more
    if ends and profile.list_ends:
        shown["first_id"] = objects[0]["id"] if objects else ""
        shown["last_id"] = objects[-1]["id"] if objects else ""
    return shown


def _batch_usage(batch: Batch) -> Json:
    return {
        "input_tokens": batch.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": batch.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": batch.prompt_tokens + batch.completion_tokens,
    }


def _status(job: Job, profile: Profile) -> str:
    hidden = job.status in WAITING and not profile.shows_waiting
    return JobStatus.RUNNING.value if hidden else job.status.value


def _hyperparameters(job: Job, profile: Profile) -> Json:
    numbers: Json = {
        "n_epochs": job.n_epochs,
        "batch_size": job.batch_size,
        "learning_rate_multiplier": job.learning_rate_multiplier,
        **job.options,
    }
    if profile.flat_hyperparameters:
        known = {name: None if number == "auto" else number for name, number in numbers.items()}
        return {"hyperparameters": known, "method": None, "suffix": job.suffix or ""}
    extra = {"beta": job.beta} if job.method == "dpo" else {}
    method = {"type": job.method, job.method: {"hyperparameters": {**numbers, **extra}}}
    return {"hyperparameters": numbers, "method": method}
