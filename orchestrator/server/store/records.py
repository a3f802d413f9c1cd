"""The records of the store, as frozen values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, TypeVar

Level = Literal["info", "warn", "error"]
Method = Literal["supervised", "dpo"]
Number = int | float | Literal["auto"]
DialectName = Literal["openai", "azure"]


class JobStatus(StrEnum):
    """The life of a job: in this order, except `paused`."""

    VALIDATING_FILES = "validating_files"
    """Created; its files have not been checked yet."""
    QUEUED = "queued"
    """Waits for a free training slot."""
    RUNNING = "running"
    """Is training, or was training until its process died and will continue."""
    PAUSED = "paused"
    """Stopped on request; resume makes it queued again."""
    SUCCEEDED = "succeeded"
    """Trained; the model answers."""
    FAILED = "failed"
    """Ended by an error, which the job carries."""
    CANCELLED = "cancelled"
    """Ended on request."""


WAITING_FOR_WORK = (JobStatus.VALIDATING_FILES, JobStatus.QUEUED, JobStatus.RUNNING)
ACTIVE = (*WAITING_FOR_WORK, JobStatus.PAUSED)


@dataclass(frozen=True)
class File:
    """An uploaded file or a result file."""

    id: str
    created_at: int
    expires_at: int | None
    filename: str
    bytes: int
    purpose: str
    blob: str
    problem: str | None = None
    """Why it can't be used, if its API checks files before jobs do."""


@dataclass(frozen=True)
class Upload:
    """A file that arrives in parts. `file_lifetime` is how many seconds the finished file is kept, None for
    ever."""

    id: str
    created_at: int
    expires_at: int
    filename: str
    bytes: int
    purpose: str
    file_lifetime: int | None
    status: str
    file: str | None


@dataclass(frozen=True)
class Part:
    """One part of an upload."""

    id: str
    upload: str
    created_at: int
    bytes: int
    blob: str


@dataclass(frozen=True)
class Failure:
    """Why a job failed, in the terms of the API."""

    code: str
    message: str
    param: str | None


@dataclass(frozen=True)
class Job:
    """One fine-tuning job. Times are Unix seconds; hyperparameters are "auto" until training starts."""

    id: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    estimated_finish: int | None
    status: JobStatus
    validated: bool
    trainer: str
    model: str
    base: str
    model_name: str
    """The present or future name of its fine-tuned model."""
    suffix: str | None
    seed: int
    training_file: str
    validation_file: str | None
    method: Method
    n_epochs: Number
    batch_size: Number
    learning_rate_multiplier: Number
    beta: Number | None
    metadata: Mapping[str, str] | None
    training_tokens: int | None
    trained_tokens: int | None
    fine_tuned_model: str | None
    result_file: str | None
    error: Failure | None
    dialect: DialectName = "openai"
    """The API that created it."""
    training_type: str | None = None
    """Where it trains and is billed, for an API that has this choice."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The hyperparameters that only its trainer has."""
    base_folder: str | None = None
    """The folder of its open-weights base model; None for a trainer that has its own."""


@dataclass(frozen=True)
class Event:
    """One event of a job."""

    id: str
    job: str
    created_at: int
    level: Level
    kind: str
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Weights at the end of an epoch, callable as `model`."""

    id: str
    job: str
    created_at: int
    step: int
    model: str
    metrics: Mapping[str, float]
    weights: str


@dataclass(frozen=True)
class FineTunedModel:
    """A name that answers: a finished job's model or one of its checkpoints."""

    name: str
    created_at: int
    job: str
    base: str
    trainer: str
    weights: str
    base_folder: str | None = None


@dataclass(frozen=True)
class Deployment:
    """A name by which a model answers. Times are Unix seconds; capacity is thousand tokens per minute."""

    name: str
    created_at: float
    changed_at: float
    deleted_at: float | None
    last_used_at: float | None
    sku: str
    capacity: int
    model_format: str
    model: str
    model_version: str
    model_source: str | None


Record = TypeVar("Record")


def from_row(kind: type[Record], row: sqlite3.Row) -> Record:
    """The record of a row whose columns are named like the record's fields; JSON columns are decoded."""
    values = {each.name: _decoded(kind, each.name, row[each.name]) for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


def _decoded(kind: type, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ("metadata", "data", "metrics", "options"):
        return json.loads(value)
    if name == "error":
        return Failure(**json.loads(value))
    if name == "validated":
        return bool(value)
    if name == "status" and kind is Job:
        return JobStatus(value)
    return value
