"""Reading the API's objects as hosts really return them.

Real responses break the official description: fields are null or missing, an absent error is `{}` or all null,
statuses and codes are open sets, -1 means "auto". So the only required field is an id.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from orchestrator.endpoints.interface import (
    JobError,
    RemoteBatch,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    ServedModel,
)
from orchestrator.endpoints.refusals import reason_in

Json = Mapping[str, Any]

_LARGEST_WHOLE = 2**63 - 1
_LATEST_SECOND = 253_402_300_799.0
"""The end of the year 9999: Python's calendar ends there."""


def read_object(content: bytes) -> Json:
    """The JSON object of a response. JSON can encode invalid text (NUL, half a surrogate pair), which databases and
    terminals refuse: it is removed here. Raises ValueError and TypeError if it is not an object."""
    try:
        found = json.loads(content)
        return dict(_as_text(found) if b"\\u" in content else found)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value.replace("\0", "").encode(errors="replace").decode() if isinstance(value, str) else value


def usable_id(raw: Json) -> str:
    """The id of an object: a text, or a number above 0. Raises KeyError for anything else, such as null or ""."""
    found = raw.get("id")
    is_usable = isinstance(found, str) or (isinstance(found, int) and not isinstance(found, bool) and found > 0)
    if not is_usable or not str(found).strip():
        raise KeyError("id")
    return str(found)


def has_usable_id(raw: Json) -> bool:
    try:
        usable_id(raw)
    except KeyError:
        return False
    return True


def read_job(raw: Json) -> RemoteJob:
    """Raises KeyError if there is no usable id."""
    return RemoteJob(
        id=usable_id(raw),
        status=_text(raw.get("status")) or "unknown",
        created_at=_number(raw.get("created_at")),
        model=_text(raw.get("model")),
        fine_tuned_model=_text(raw.get("fine_tuned_model")),
        training_file=_text(raw.get("training_file")),
        validation_file=_text(raw.get("validation_file")),
        seed=_whole(raw.get("seed")),
        suffix=_text(raw.get("suffix") or raw.get("user_provided_suffix")),
        metadata={str(key): str(value) for key, value in _table(raw.get("metadata")).items()},
        result_files=tuple(str(file) for file in raw.get("result_files") or () if file),
        trained_tokens=_whole(raw.get("trained_tokens")),
        finished_at=_number(raw.get("finished_at")),
        estimated_finish=_number(raw.get("estimated_finish")),
        error=_job_error(raw.get("error")),
        raw=raw,
        cost_usd=_amount(raw.get("cost_usd")),
    )


def read_batch(raw: Json) -> RemoteBatch:
    """Raises KeyError if there is no id."""
    counts = _table(raw.get("request_counts"))
    problems = _table(raw.get("errors")).get("data")
    return RemoteBatch(
        id=usable_id(raw),
        status=_text(raw.get("status")) or "unknown",
        created_at=_number(raw.get("created_at")),
        input_file=_text(raw.get("input_file_id")),
        output_file=_text(raw.get("output_file_id")),
        error_file=_text(raw.get("error_file_id")),
        total=_whole(counts.get("total")) or 0,
        completed=_whole(counts.get("completed")) or 0,
        failed=_whole(counts.get("failed")) or 0,
        metadata={str(key): str(value) for key, value in _table(raw.get("metadata")).items()},
        problems=tuple(_batch_problem(each) for each in problems if isinstance(each, dict)) if problems else (),
        raw=raw,
    )


def _batch_problem(raw: Json) -> str:
    message = _text(raw.get("message")) or _text(raw.get("code")) or "no reason given"
    line = _whole(raw.get("line"))
    return f"line {line}: {message}" if line is not None else message


def read_file(raw: Json) -> RemoteFile:
    return RemoteFile(
        id=usable_id(raw),
        filename=_text(raw.get("filename")),
        bytes=_whole(raw.get("bytes")),
        purpose=_text(raw.get("purpose")),
        status=_text(raw.get("status")),
        status_details=_text(raw.get("status_details")),
        created_at=_number(raw.get("created_at")),
        raw=raw,
    )


def read_event(raw: Json) -> RemoteEvent:
    """If the host gives an event no id, one is made from the time and the text, so that none is recorded twice."""
    message = _text(raw.get("message")) or ""
    made_id = hashlib.sha256(f"{raw.get('created_at')} {message}".encode()).hexdigest()[:24]
    level = str(raw.get("level") or "info")
    return RemoteEvent(
        id=_text(raw.get("id")) or f"made-{made_id}",
        created_at=_number(raw.get("created_at")) or 0.0,
        level="warn" if level == "warning" else level,
        type=_text(raw.get("type")),
        message=message,
        data=_table(raw.get("data")) or None,
        raw=raw,
    )


def read_checkpoint(raw: Json) -> RemoteCheckpoint:
    metrics = _table(raw.get("metrics"))
    step = _whole(raw.get("step_number"))
    return RemoteCheckpoint(
        id=usable_id(raw),
        step=step if step is not None else _whole(metrics.get("step")) or 0,
        model=str(raw.get("fine_tuned_model_checkpoint") or ""),
        metrics={key: value for key, value in metrics.items() if isinstance(value, int | float)},
        created_at=_number(raw.get("created_at")) or 0.0,
        raw=raw,
    )


def read_model(raw: Json) -> RemoteModel:
    """Raises KeyError if there is no usable id."""
    return RemoteModel(
        name=usable_id(raw),
        created_at=_number(raw.get("created")),
        owned_by=_text(raw.get("owned_by")),
        shutdown_date=_day(raw.get("shutdown_date")),
        raw=raw,
    )


def read_served_model(raw: Json) -> ServedModel:
    """Raises KeyError if it has no name."""
    name = _text(raw.get("name"))
    if name is None:
        raise KeyError("name")
    return ServedModel(
        name=name,
        status=_text(raw.get("status")) or "unknown",
        problem=_text(raw.get("status_reason")),
        job_id=_text(raw.get("job_id")),
        checkpoint_id=_text(raw.get("checkpoint_id")),
        description=_text(raw.get("description")),
        created_at=_number(raw.get("created_at")),
    )


def read_result_rows(content: bytes) -> list[Mapping[str, str]]:
    """The rows of a result CSV, by column name: plain, or base64 as OpenAI returns it. Raises ValueError for any
    other file."""
    text = content.decode("utf-8-sig", "replace")
    if not text.lstrip().startswith("step"):
        try:
            text = base64.b64decode(content, validate=False).decode("utf-8-sig")
        except (binascii.Error, ValueError):
            text = ""
    if not text.lstrip().startswith("step"):
        raise ValueError("it is empty" if not content.strip() else "it is not a CSV with the column step")
    try:
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise ValueError(f"it is not a CSV: {error}") from error


def _job_error(raw: Any) -> JobError | None:
    """An error only if it has contents: `{}` and all-null objects mean none. Some hosts give only a text, and Azure
    puts the reason into `innererror` and `details`."""
    code, message, param = (_text(_table(raw).get(key)) for key in ("code", "message", "param"))
    if not (code or message or isinstance(raw, str)):
        return None
    error = JobError(code, _text(reason_in(raw)), param)
    return error if error.code or error.message else None


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """Without NUL, which PostgreSQL can't store."""
    return str(value).replace("\0", "") if value not in (None, "") else None


def _whole(value: Any) -> int | None:
    """A whole number that a database can hold."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= _LARGEST_WHOLE else None


def _day(value: Any) -> date | None:
    """From a date or a moment in ISO 8601; None for anything else."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def finite(value: Any) -> float | None:
    """A number of JSON as a float; None for anything else, and for one that no float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: Any) -> int | None:
    """A number of JSON as an int that a database can hold; None for anything else."""
    number = finite(value)
    return None if number is None else _whole(number)


def _amount(value: Any) -> float | None:
    """A sum of money; None if it is not a number from 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _LATEST_SECOND else None


def _number(value: Any) -> float | None:
    """Seconds since the epoch, from a number or an ISO 8601 text; None if it is not a calendar time."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        try:
            seconds = datetime.fromisoformat(str(value)).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    return seconds if abs(seconds) <= _LATEST_SECOND else None
