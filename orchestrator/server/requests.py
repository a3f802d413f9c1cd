"""Reads what a request carries, and refuses what cannot be read."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from orchestrator.server.apierror import ApiError, bad_request

MAX_JSON_BYTES = 32 << 20


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body, which must be one JSON object in UTF-8 (else 400, 413 or 415)."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        message = f"Unsupported content type {kind or '(none)'!r}: this method takes application/json only."
        raise ApiError(415, message, code="unsupported_content_type")
    value = _parsed(await _body(request))
    if not isinstance(value, dict):
        raise bad_request(f"The request's body must be a JSON object, not {_json_kind(value)}.")
    return value


def limit(request: Request, *, default: int, highest: int) -> int:
    """The query's `limit`, from 1 to `highest` (else 400)."""
    asked = request.query_params.get("limit")
    if asked is None:
        return default
    if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked[:9]) <= highest:
        raise bad_request(f"limit must be a whole number from 1 to {highest}.", "limit", "invalid_value")
    return int(asked)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_JSON_BYTES:
            raise ApiError(413, f"The request's body is larger than {MAX_JSON_BYTES} bytes.")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        # A lone surrogate is legal in a JSON escape, but nothing behind this door can write it down.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The request's body is not valid JSON: {error}.") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _json_kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
