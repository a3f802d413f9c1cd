"""Reading Fireworks' objects, as tolerantly as those of other hosts.

A job is first written in OpenAI's words, with Fireworks' own object inside it under `fireworks`: what is recorded
can then be read again like any other host's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.endpoints.fireworks.names import SUPERVISED, JobKind, last, recorded_job
from orchestrator.endpoints.interface import TRAINING, RemoteEvent, RemoteFile, RemoteJob
from orchestrator.endpoints.objects import Json, finite, read_event, read_file, read_job, whole

_STATES: Mapping[str, str] = {
    "CREATING": "created",
    "CREATING_INPUT_DATASET": "validating_files",
    "VALIDATING": "validating_files",
    "PENDING": "queued",
    "RE_QUEUEING": "queued",
    "IDLE": "queued",
    "RUNNING": "running",
    "WRITING_RESULTS": "running",
    "CANCELLING": "cancelling",
    "PAUSED": "paused",
    "COMPLETED": "succeeded",
    "EARLY_STOPPED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
    "DELETING": "deleted",
    "DELETING_CLEANING_UP": "deleted",
    "UNSPECIFIED": "unknown",
}
"""OpenAI's word for each of Fireworks' states (the SDK fireworks-ai 1.2.30), without the JOB_STATE_ before it."""
_FILE_STATUSES: Mapping[str, str] = {"READY": "processed", "UPLOADING": "uploaded"}
_NANO = 1e-9


def read_list(raw: Json, key: str) -> tuple[list[Json], str | None]:
    """The items of a list's page, and the token of the next page. Raises ValueError if it is no list."""
    items = raw.get(key)
    if items is None and ("nextPageToken" in raw or "totalSize" in raw):
        items = []  # protobuf leaves empty lists out
    if not isinstance(items, list):
        raise ValueError(f'there is no array under "{key}"')  # noqa: TRY004 - as for every unreadable response
    return [item for item in items if isinstance(item, dict)], raw.get("nextPageToken") or None


def read_name(raw: Json) -> str:
    """The resource's name. Raises KeyError if it has none."""
    name = raw.get("name")
    if not isinstance(name, str) or not last(name).strip():
        raise KeyError("name")
    return name


def has_name(raw: Json) -> bool:
    try:
        read_name(raw)
    except KeyError:
        return False
    return True


def read_dataset(raw: Json) -> RemoteFile:
    """Raises KeyError if there is no name."""
    state, code, message = raw.get("state"), *_status_of(raw)
    has_failed = state == "UPLOADING" and code not in (None, "OK")
    return read_file(
        {
            "id": last(read_name(raw)),
            "filename": raw.get("displayName"),
            "purpose": TRAINING,
            "status": "error" if has_failed else _FILE_STATUSES.get(str(state), str(state).lower()),
            "status_details": message if has_failed else None,
            "created_at": raw.get("createTime"),
        }
    )


def read_fireworks_job(raw: Json, kind: JobKind) -> RemoteJob:
    """Raises KeyError if there is no name."""
    return read_job(as_openai(raw, kind))


def as_openai(raw: Json, kind: JobKind) -> dict[str, Any]:
    """A job in OpenAI's words. Raises KeyError if there is no name."""
    state = str(raw.get("state") or "UNSPECIFIED").removeprefix("JOB_STATE_")
    status = _STATES.get(state, state.lower())
    config = raw if kind is SUPERVISED else _table(raw.get("trainingConfig"))
    code, message = _status_of(raw)
    end = _end_of(raw, state)
    return {
        "object": "fine_tuning.job",
        "id": recorded_job(kind, read_name(raw)),
        "status": status,
        "created_at": raw.get("createTime"),
        "finished_at": raw.get("completedTime"),
        "model": config.get("warmStartFrom") or config.get("baseModel"),
        # The name is chosen before the training: only a job that has succeeded made the model.
        "fine_tuned_model": config.get("outputModel") if end == "succeeded" else None,
        "training_file": _last_or_none(raw.get("dataset")),
        "validation_file": _last_or_none(raw.get("evaluationDataset")),
        "suffix": raw.get("displayName"),
        "hyperparameters": hyperparameters_in(config),
        "error": {"code": code, "message": message} if end in ("failed", "expired") else None,
        "cost_usd": _usd(raw.get("estimatedCost")),
        "fireworks": {key: value for key, value in raw.items() if not key.endswith("SignedUrl")},
    }


def _end_of(raw: Json, state: str) -> str | None:
    """The job's status by its state, or by the rest of the object in a state that is not known here; None if it has
    not ended as far as that tells."""
    if state in _STATES:
        return _STATES[state]
    if not raw.get("completedTime"):
        return None
    return "succeeded" if _status_of(raw)[0] in (None, "OK") else "failed"


_HYPERPARAMETERS: Mapping[str, str] = {
    "epochs": "n_epochs",
    "batchSizeSamples": "batch_size",
    "learningRate": "learning_rate",
    "loraRank": "lora_rank",
    "maxContextLength": "max_length",
}


def hyperparameters_in(config: Json) -> dict[str, Any]:
    """The settings that a job reports, by the names that a job file's have in a request."""
    return {ours: _rounded(config[theirs]) for theirs, ours in _HYPERPARAMETERS.items() if config.get(theirs)}


def _rounded(value: Any) -> Any:
    """A rate goes through 32 bits on the way: 0.0001 may come back as 0.00009999999747."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def fireworks_names(hyperparameters: Json) -> dict[str, Any]:
    """The reverse, without those that Fireworks has no name for or should choose itself."""
    return {
        theirs: hyperparameters[ours]
        for theirs, ours in _HYPERPARAMETERS.items()
        if hyperparameters.get(ours) not in (None, "auto")
    }


# --- Metrics -----------------------------------------------------------------------------------------------------


_METRICS: Mapping[str, tuple[str, ...]] = {
    "train_loss": ("train/loss", "train_loss", "loss"),
    "train_accuracy": ("train/mean_token_accuracy", "train/accuracy", "mean_token_accuracy"),
    "valid_loss": ("eval/loss", "eval_loss", "validation/loss"),
    "valid_accuracy": ("eval/mean_token_accuracy", "eval/accuracy"),
}


def read_metrics(content: bytes, began_at: str | None) -> list[RemoteEvent]:
    """An event for each step in the file of metrics: JSON lines with a step and the numbers beside it or in `data`.
    Lines in other shapes are left out. `began_at` is the time of those that have none."""
    lines = content.decode("utf-8-sig", "replace").splitlines()
    return [event for line in lines if (event := _metrics_event(line, began_at)) is not None]


def _metrics_event(line: str, began_at: str | None) -> RemoteEvent | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or (step := whole(row.get("step"))) is None:
        return None
    inner = row.get("data")
    numbers = inner if isinstance(inner, dict) else row
    found = {
        ours: value for ours, names in _METRICS.items() if (value := _first_number(numbers, names)) is not None
    }
    if not found:
        return None
    said = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found.items())
    return read_event(
        {
            "id": f"step-{step}-{'-'.join(found)}",
            "created_at": row.get("timestamp") or began_at,
            "level": "info",
            "type": "metrics",
            "message": f"Step {step}: {said}",
            "data": {"step": step, **found},
        }
    )


def _first_number(row: Mapping[str, Any], names: Iterable[str]) -> float | None:
    return next((found for name in names if (found := finite(row.get(name))) is not None), None)


# --- Parts of objects --------------------------------------------------------------------------------------------


def _status_of(raw: Json) -> tuple[str | None, str | None]:
    found = _table(raw.get("status"))
    return found.get("code") or None, found.get("message") or None


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _last_or_none(name: Any) -> str | None:
    return last(str(name)) if name else None


def _usd(money: Any) -> float | None:
    """US dollars of a google.type.Money; None for another currency."""
    if not isinstance(money, dict) or money.get("currencyCode") not in (None, "", "USD"):
        return None
    try:
        return int(money.get("units") or 0) + int(money.get("nanos") or 0) * _NANO
    except (TypeError, ValueError, OverflowError):
        return None
