"""What requests Azure's API of 2024-10-21 allows: our own short description of it, to hold what we send against.

From Microsoft's description of the authoring API of that version (Azure/azure-rest-api-specs), as far as ftorch
uses it; and of the inference API the one path that ftorch calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx2

API = "2024-10-21"
_JOB = r"/openai/fine_tuning/jobs/[^/]+"
_QUERIES: Mapping[tuple[str, str], frozenset[str]] = {
    ("GET", r"/openai/files"): frozenset({"purpose"}),
    ("POST", r"/openai/files"): frozenset(),
    ("POST", r"/openai/files/import"): frozenset(),
    ("GET", r"/openai/files/[^/]+"): frozenset(),
    ("DELETE", r"/openai/files/[^/]+"): frozenset(),
    ("GET", r"/openai/files/[^/]+/content"): frozenset(),
    ("GET", r"/openai/fine_tuning/jobs"): frozenset({"after", "limit"}),
    ("POST", r"/openai/fine_tuning/jobs"): frozenset(),
    ("GET", _JOB): frozenset(),
    ("GET", rf"{_JOB}/events"): frozenset({"after", "limit"}),
    ("GET", rf"{_JOB}/checkpoints"): frozenset({"after", "limit"}),
    ("POST", rf"{_JOB}/cancel"): frozenset(),
    ("POST", r"/openai/uploads"): frozenset(),
    ("POST", r"/openai/uploads/[^/]+/parts"): frozenset(),
    ("POST", r"/openai/uploads/[^/]+/complete"): frozenset(),
    ("POST", r"/openai/uploads/[^/]+/cancel"): frozenset(),
    ("POST", r"/openai/deployments/[^/]+/chat/completions"): frozenset(),
}
_NUMBERS = {"n_epochs": int, "batch_size": int, "learning_rate_multiplier": (int, float)}
_BODIES: Mapping[str, Mapping[str, Any]] = {
    r"/openai/fine_tuning/jobs": {
        "model": str,
        "training_file": str,
        "validation_file": str,
        "hyperparameters": _NUMBERS,
        "suffix": str,
        "seed": int,
    },
    r"/openai/files/import": {"purpose": str, "filename": str, "content_url": str},
    r"/openai/uploads": {"purpose": str, "filename": str, "bytes": int, "mime_type": str},
    r"/openai/uploads/[^/]+/complete": {"part_ids": list, "md5": str},
}
_SUFFIX = r"[a-zA-Z0-9_-]{1,40}"


def violations(request: httpx2.Request) -> list[str]:
    """What that version does not know of this request; nothing where all is allowed."""
    path = request.url.path
    known = [
        query for (method, pattern), query in _QUERIES.items() if _is(pattern, path) and method == request.method
    ]
    if not known:
        return [f"{request.method} {path} is no request of {API}"]
    query = dict(request.url.params)
    found = [] if query.pop("api-version", None) == API else [f"{path} has no api-version {API}"]
    found += [f"{path} has no query {name}" for name in query.keys() - known[0]]
    return found + _of_body(path, request)


def _of_body(path: str, request: httpx2.Request) -> list[str]:
    shape = next((fields for pattern, fields in _BODIES.items() if _is(pattern, path)), None)
    if shape is None or request.method != "POST":
        return []
    body = json.loads(request.content)
    suffix = body.get("suffix", "x")
    return [
        *_differences(body, shape, path),
        *([] if re.fullmatch(_SUFFIX, suffix) else [f"the suffix {suffix} is not allowed"]),
    ]


def _differences(value: Any, shape: Any, place: str) -> list[str]:
    if not isinstance(shape, Mapping):
        fits = isinstance(value, shape) and not isinstance(value, bool)
        return [] if fits else [f"{place} is {value!r}"]
    unknown = [f"{place} has no field {name}" for name in value.keys() - shape.keys()]
    inner = (_differences(value[name], shape[name], f"{place}.{name}") for name in value.keys() & shape.keys())
    return unknown + [each for one in inner for each in one]


def _is(pattern: str, path: str) -> bool:
    return re.fullmatch(pattern, path) is not None
