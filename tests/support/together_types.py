"""Run by a Python that has Together's SDK: holds exchanges against its types, and prints what is wrong as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

_ANSWERS = (
    ("GET|POST", r"/files/upload|/files/[^/]+", "file_response:FileResponse"),
    ("GET", r"/files", "file_list:FileList"),
    ("DELETE", r"/files/[^/]+", "file_delete_response:FileDeleteResponse"),
    ("POST", r"/fine-tunes/estimate-price", "fine_tuning_estimate_price_response:FineTuningEstimatePriceResponse"),
    ("POST", r"/fine-tunes/preview", "fine_tune_preview_response:FineTunePreviewResponse"),
    ("POST", r"/fine-tunes/[^/]+/cancel", "fine_tuning_cancel_response:FineTuningCancelResponse"),
    ("GET", r"/fine-tunes/[^/]+/events", "fine_tuning_list_events_response:FineTuningListEventsResponse"),
    ("GET", r"/fine-tunes/[^/]+/metrics", "fine_tuning_list_metrics_response:FineTuningListMetricsResponse"),
    (
        "GET",
        r"/fine-tunes/[^/]+/checkpoints",
        "fine_tuning_list_checkpoints_response:FineTuningListCheckpointsResponse",
    ),
    ("GET", r"/fine-tunes", "fine_tuning_list_response:FineTuningListResponse"),
    ("GET", r"/fine-tunes/[^/]+", "finetune_response:FinetuneResponse"),
    ("POST", r"/fine-tunes", "fine_tuning_cancel_response:FineTuningCancelResponse"),
)
"""The create request answers with the same truncated job as the cancel request."""
_REQUESTS = (
    (r"/fine-tunes/estimate-price", "fine_tuning_estimate_price_params:FineTuningEstimatePriceParams"),
    (r"/fine-tunes/preview", "fine_tuning_preview_params:FineTuningPreviewParams"),
)


_LEFT_TO_THE_HOST = {
    "n_epochs": 1,
    "learning_rate": 1e-5,
    "warmup_ratio": 0.0,
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
}


def main(path: str) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        place = f"{each['method']} {each['path']}"
        name = _request_type(each)
        if name:
            counts["requests"] += 1
            wrong += _problems(f"request of {place}", name, each["request"])
        found = _answer_type(each)
        if found and each["status"] < 300:
            counts["answers"] += 1
            wrong += _problems(f"answer to {place}", found, json.loads(each["answer"]))
        else:
            counts["answers without a type"] += 1
    print(json.dumps({"version": metadata.version("together"), "counts": counts, "wrong": wrong}))


def _request_type(each: dict[str, Any]) -> str | None:
    if each["method"] != "POST":
        return None
    if each["path"] == "/fine-tunes":
        return "together.lib.types.fine_tuning:FinetuneRequest"
    return next((name for pattern, name in _REQUESTS if re.fullmatch(pattern, each["path"])), None)


def _answer_type(each: dict[str, Any]) -> str | None:
    for methods, pattern, name in _ANSWERS:
        if re.fullmatch(methods, each["method"]) and re.fullmatch(pattern, each["path"]):
            return name
    return None


def _problems(place: str, name: str, value: Any) -> list[str]:
    module, _, attribute = name.partition(":")
    whole = module if "." in module else f"together.types.{module}"
    kind = getattr(import_module(whole), attribute)
    if attribute == "FinetuneRequest":  # a model with defaults for what the API leaves to the host
        value = {**_LEFT_TO_THE_HOST, **value}
        unknown = value.keys() - kind.model_fields.keys()
        if unknown:
            return [f"{place}: unknown {sorted(unknown)}"]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return [f"{place}: {fault['loc']}: {fault['msg']}" for fault in error.errors()]
    return []


main(sys.argv[1])
