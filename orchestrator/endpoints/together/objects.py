"""Together's objects under OpenAI's names, so that the rest of ftorch reads one kind.

Each translation keeps the host's own fields beside the added ones. Fields are read as tolerantly as those of other
hosts: the description of April 2026 and the SDK of November 2026 differ, and real answers may lack either's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import index
from typing import Any

from orchestrator.endpoints.interface import (
    Quote,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    TokenizedRow,
)
from orchestrator.endpoints.objects import (
    Json,
    finite,
    read_checkpoint,
    read_event,
    read_file,
    read_job,
    whole,
)

_NANODOLLARS = 1_000_000_000
"""Of a dollar: `total_price` is in these, by `finetune_price_to_dollars` of the SDK."""
_DONE = ("completed", "succeeded", "success")
_ENDED = (*_DONE, "error", "user_error", "failed", "cancelled")
_MASKED = -100
"""The label of a token that is not learned."""


# --- Jobs --------------------------------------------------------------------------------------------------------


def read_together_job(raw: Json) -> RemoteJob:
    """Raises KeyError if there is no usable id."""
    status = str(raw.get("status") or "").lower()
    has_ended, is_done = status in _ENDED, status in _DONE
    added = {
        "seed": raw.get("random_seed"),
        "suffix": raw.get("suffix") or _suffix_in(raw),
        "fine_tuned_model": _output_name(raw) if is_done else None,
        "finished_at": raw.get("updated_at") if has_ended else None,
        "estimated_finish": _estimated_finish(raw),
        "trained_tokens": (raw.get("token_count") or None) if is_done else None,
        "cost_usd": _dollars(raw) if is_done else None,
        "hyperparameters": _hyperparameters(raw),
    }
    return read_job({**raw, **added})


def _output_name(raw: Json) -> str | None:
    """The model's name. A job has it from its beginning, when there is no such model yet."""
    name = raw.get("model_output_name") or raw.get("output_name") or raw.get("model_object_name")
    return str(name) if name else None


def _suffix_in(raw: Json) -> str | None:
    """The suffix in a job's `model_output_name`, of which Together's documentation shows two forms:
    `account/base:suffix:ft-…`, and `account/base-suffix-0123abcd`."""
    name, base = _output_name(raw) or "", str(raw.get("model") or "").rpartition("/")[2]
    if found := re.search(r":([^:/]+):(?:ft-)?[0-9a-f-]{6,}$", name):
        return found[1]
    found = re.search(rf"/{re.escape(base)}-(.+)-[0-9a-f]{{8}}$", name) if base else None
    return found[1] if found else None


def _estimated_finish(raw: Json) -> float | None:
    progress = raw.get("progress")
    if not isinstance(progress, Mapping) or not progress.get("estimate_available"):
        return None
    try:
        return datetime.fromisoformat(str(raw.get("updated_at"))).timestamp() + float(progress["seconds_remaining"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _dollars(raw: Json) -> float | None:
    price = finite(raw.get("total_price"))
    return price / _NANODOLLARS if price and price > 0 else None


def _hyperparameters(raw: Json) -> dict[str, Any]:
    """The settings that the job reports, by the names of ftorch's requests."""
    trained, method = _table(raw.get("training_type")), _table(raw.get("training_method"))
    said = {
        "n_epochs": raw.get("n_epochs"),
        "batch_size": raw.get("batch_size"),
        "learning_rate": _rounded(raw.get("learning_rate")),
        "lora_rank": trained.get("lora_r"),
        "lora_alpha": trained.get("lora_alpha"),
        "lora_dropout": _rounded(trained.get("lora_dropout")),
        "max_length": raw.get("max_seq_length"),
        "packing": raw.get("packing"),
        "beta": _rounded(method.get("dpo_beta")),
    }
    return {key: value for key, value in said.items() if value is not None}


def _rounded(value: Any) -> Any:
    """A number as it was asked for: Together returns 32-bit floats."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


# --- Events, metrics, checkpoints --------------------------------------------------------------------------------


def read_together_event(raw: Json) -> RemoteEvent:
    """An event has no id; one is made of what it says."""
    kind = str(raw.get("type") or "").lower()
    said = [raw.get("created_at"), kind, raw.get("message"), raw.get("step")]
    made = {
        "id": f"made-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]}",
        "level": _level(str(raw.get("level") or "").lower(), kind),
        "type": kind or None,
        "data": None,
    }
    return read_event({**raw, **made})


def _level(level: str, kind: str) -> str:
    """Levels are written in several ways: error, Error, legacy_ierror."""
    if "error" in level or kind in ("job_error", "job_user_error"):
        return "error"
    return "warn" if "warning" in level or kind == "warning" else "info"


_METRIC_NAMES: Mapping[str, str] = {
    "train/global_step": "step",
    "train/loss": "train_loss",
    "eval/loss": "full_valid_loss",
}
"""Together's names of the values that ftorch records. The description shows the first two; the SDK speaks of
`eval_loss`."""


def metric_events(raw: Json, at: float) -> Iterator[RemoteEvent]:
    """The metrics of a job, each as an event such as other hosts send, at that time. Raises ValueError if they are
    not a list."""
    rows = raw.get("metrics")
    if not isinstance(rows, list):
        raise ValueError('there is no array under "metrics"')  # noqa: TRY004 - as for every unreadable response
    for row in rows:
        named = {_METRIC_NAMES[key]: value for key, value in _table(row).items() if key in _METRIC_NAMES}
        values = {name: number for name, value in named.items() if (number := finite(value)) is not None}
        step = whole(values.get("step"))
        if step is None or len(values) == 1:
            continue
        measured = sorted(values.keys() - {"step"})
        yield RemoteEvent(
            id="-".join(["metrics", str(step), *measured]),
            created_at=at,
            level="info",
            type="metrics",
            message=f"Step {step}: " + ", ".join(f"{name}={values[name]:g}" for name in measured),
            data=values,
        )


def read_together_checkpoint(raw: Json) -> RemoteCheckpoint:
    """A checkpoint has no id: its step is one within its job, and `JOB:STEP` names it in Together's requests."""
    step = raw.get("step")
    made = {"id": str(step), "step_number": step, "fine_tuned_model_checkpoint": raw.get("object_name")}
    return read_checkpoint({**raw, **made, "metrics": {}})


# --- Files -------------------------------------------------------------------------------------------------------

_FAILED = ("failed", "invalid_format")


def read_together_file(raw: Json) -> RemoteFile:
    """Raises KeyError if there is no usable id."""
    report = _table(raw.get("validation_report"))
    return read_file({**raw, "status": _file_status(raw), "status_details": report.get("error")})


def _file_status(raw: Json) -> str | None:
    """By `processing_status`, or where there is none by `Processed`, which the older description has."""
    status = str(raw.get("processing_status") or "").lower()
    if status in _FAILED:
        return "error"
    if status:
        return "processed" if status in _DONE else status
    processed = raw.get("Processed")
    return None if processed is None else "processed" if processed else "pending"


# --- Prices and previews -----------------------------------------------------------------------------------------

_INVALID = ("train_file_invalid", "eval_file_invalid")
_NOT_VALIDATED = ("train_file_not_validated", "eval_file_not_validated")


def read_quote(raw: Json) -> Quote:
    """The price of a job. Raises KeyError if the answer has neither a price nor a reason, and ValueError
    if its price is none."""
    if raw.get("estimation_available") is False:
        reason = str(raw["unavailable_reason"])
        return Quote(usd=None, reason=reason, is_early=reason in _NOT_VALIDATED, is_refused=reason in _INVALID)
    usd = finite(raw["estimated_total_price"])
    if usd is None or usd < 0:
        raise ValueError("its price is no amount of money")  # a budget must not be compared with it
    return Quote(
        usd=usd,
        tokens=whole(raw.get("estimated_train_token_count")) or None,
        is_over_limit=raw.get("allowed_to_proceed") is False,
        limit_usd=finite(raw.get("user_limit")),
    )


def read_tokenized(raw: Json) -> list[TokenizedRow]:
    """The rows of a preview. Raises KeyError, TypeError and ValueError if it has none."""
    return [
        TokenizedRow(
            ids=tuple(map(index, row["input_ids"])),
            learned=tuple(label != _MASKED for label in row["labels"]),
            texts=tuple(str(each) for each in row["tokens"]),
            is_cut=bool(row.get("truncated")),
        )
        for row in raw["rows"]
    ]


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
