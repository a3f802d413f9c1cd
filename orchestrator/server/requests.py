"""Reads what a request carries, and refuses what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
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


# --------------------------------------------------------------------------------------------------------------
# Reads a JSON object field by field; the first field that is wrong ends the request with 400 and its path.


MISSING_CODE = "missing_required_parameter"


class Fields:
    """One JSON object. A field that is null counts as left out."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def param(self, key: str) -> str:
        """The field's full path, as error objects name it."""
        return f"{self._path}.{key}" if self._path else key

    def only(self, known: Collection[str]) -> None:
        """Refuse any field that is not known."""
        for key in self._values:
            if key not in known:
                param = self.param(key)
                raise bad_request(f"Unknown parameter: '{param}'.", param, "unknown_parameter")

    def given(self, key: str) -> bool:
        return self._values.get(key) is not None

    def raw(self, key: str) -> Any:
        """The value as it came; None where it is missing."""
        return self._values.get(key)

    def required(self, *keys: str) -> None:
        """Refuse the object unless it has these fields."""
        for key in keys:
            if not self.given(key):
                param = self.param(key)
                raise bad_request(f"Missing required parameter: '{param}'.", param, MISSING_CODE)

    def text(self, key: str, *, longest: int | None = None) -> str | None:
        """A string, not empty, of at most `longest` characters."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong_type(key, "a string")
        if not value:
            raise self.wrong(key, "must not be empty")
        if longest is not None and len(value) > longest:
            raise self.wrong(key, f"may have at most {longest} characters, not {len(value)}", "string_too_long")
        return value

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """One of these strings."""
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}, not {value[:100]!r}")
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int | None:
        """A whole number from `lowest` to `highest`."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong_type(key, "a whole number")
        if not lowest <= value <= highest:
            raise self.wrong(key, f"must be from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float, *, above: bool = False) -> float | None:
        """A number from `lowest` (or only above it) to `highest`."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong_type(key, "a number")
        if not lowest <= value <= highest or (above and value == lowest):
            edge = f"greater than {lowest}" if above else f"at least {lowest}"
            raise self.wrong(key, f"must be {edge} and at most {highest}")
        return value

    def flag(self, key: str) -> bool | None:
        """true or false."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong_type(key, "true or false")
        return value

    def table(self, key: str) -> Fields | None:
        """An object inside this one."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong_type(key, "an object")
        return Fields(value, self.param(key))

    def items(self, key: str) -> list[Any] | None:
        """An array."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, list):
            raise self.wrong_type(key, "an array")
        return value

    def tables(self, key: str) -> list[Fields]:
        """An array of objects; empty where it is missing."""
        found = []
        for number, value in enumerate(self.items(key) or []):
            if not isinstance(value, dict):
                raise self.wrong_type(f"{key}[{number}]", "an object")
            found.append(Fields(value, self.param(f"{key}[{number}]")))
        return found

    def as_mapping(self) -> Mapping[str, Any]:
        return self._values

    def wrong(self, key: str, problem: str, code: str = "invalid_value") -> ApiError:
        """The refusal of a field's value."""
        param = self.param(key)
        return bad_request(f"Invalid value: '{param}' {problem}.", param, code)

    def wrong_type(self, key: str, expected: str) -> ApiError:
        """The refusal of a field's type."""
        param = self.param(key)
        return bad_request(f"Invalid type: '{param}' must be {expected}.", param, "invalid_type")
