"""Reads requests, and refuses invalid ones.

Each body is described by a model, a subclass of `Body`. pydantic's errors become an ApiError, with the path of the
field as `param`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.bodies import read_json


class Body(BaseModel):
    """A JSON object in a request. A field that is null counts as left out; an undeclared one is refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        known = cls.__pydantic_fields__
        if cls.model_config["extra"] == "forbid" and not values.keys() <= known.keys():
            # Only the first: pydantic would list them all, and a body can hold millions.
            raise wrong("", next(name for name in values if name not in known), code="unknown_parameter")
        if None not in values.values():
            return values
        return {name: value for name, value in values.items() if value is not None or name not in known}


class OpenBody(Body):
    """A JSON object that may have undeclared fields; they are not read."""

    model_config = ConfigDict(extra="ignore")


B = TypeVar("B", bound=Body)


async def read(request: Request, kind: type[B]) -> B:
    """The request's body as this model; ApiError 400 names the wrong parameter."""
    return parse(kind, await json_object(request))


def parse(kind: type[B], values: Mapping[str, Any], *, context: object = None) -> B:
    """The values as this model; ApiError 400 names the wrong parameter."""
    try:
        return kind.model_validate(values, context=context)
    except ValidationError as error:
        # Like the real ones: first what is missing, then the first wrong one.
        errors = error.errors(include_url=False)
        raise _refusal(min(errors, key=lambda each: each["type"] != "missing" or len(each["loc"]) > 1)) from error


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body, which must be one JSON object (else 400, 413 or 415)."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        message = f"Unsupported content type {kind or '(none)'!r}: this method accepts only application/json."
        raise ApiError(415, message, code="unsupported_content_type")
    value = await read_json(request)
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


def _json_kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


# --- Types of fields ------------------------------------------------------------------------------------------


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_sent(value: Any, check: Any) -> Any:
    check(value)
    return value


WHOLE = BeforeValidator(_whole)
"""For an `int`: JSON makes no difference between 3 and 3.0."""
AS_SENT = WrapValidator(_as_sent)
"""For a `float`: 2 is returned as 2, not as 2.0."""

Text = Annotated[str, Field(min_length=1)]
"""A string that is not empty."""


def text_or(kind: type[Body], *texts: str) -> PlainValidator:
    """For a `str | kind`: one of these texts or an object (a union's errors would name each of its members)."""

    def read(value: object) -> str | Body:
        if not isinstance(value, str):
            return kind.model_validate(value)
        if value not in texts:
            raise wrong(f"must be {', '.join(map(repr, texts))} or an object, not {_shown(value)}")
        return value

    return PlainValidator(read)


# --- From pydantic's errors to the API's ----------------------------------------------------------------------


INVALID_TYPE, INVALID_VALUE, MISSING = "invalid_type", "invalid_value", "missing_required_parameter"

_OPENINGS = {
    INVALID_TYPE: "Invalid type",
    MISSING: "Missing required parameter",
    "unknown_parameter": "Unknown parameter",
    "unsupported_parameter": "Unsupported parameter",
    "unsupported_value": "Unsupported value",
}
"""The beginning of the message for a code; "Invalid value" for the others."""
_TEXTS = {
    "missing": (MISSING, ""),
    "string_type": (INVALID_TYPE, "must be a string"),
    "int_type": (INVALID_TYPE, "must be a whole number"),
    "float_type": (INVALID_TYPE, "must be a number"),
    "finite_number": (INVALID_VALUE, "must be a finite number"),
    "bool_type": (INVALID_TYPE, "must be true or false"),
    "dict_type": (INVALID_TYPE, "must be an object"),
    "model_type": (INVALID_TYPE, "must be an object"),
    "list_type": (INVALID_TYPE, "must be an array"),
    "literal_error": (INVALID_VALUE, "must be {expected}, not {input}"),
    "string_too_short": (INVALID_VALUE, "must not be empty"),
    "string_too_long": ("string_too_long", "may have at most {max_length} characters"),
    "too_short": (INVALID_VALUE, "must not be empty"),
    "too_long": (INVALID_VALUE, "may hold at most {max_length}, not {actual_length}"),
    "greater_than": (INVALID_VALUE, "must be greater than {gt}, not {input}"),
    "greater_than_equal": (INVALID_VALUE, "must be at least {ge}, not {input}"),
    "less_than_equal": (INVALID_VALUE, "must be at most {le}, not {input}"),
}
"""The code and the text for each type of error that the server's models can produce."""


def wrong(problem: str, *at: str | int, code: str = INVALID_VALUE) -> PydanticCustomError:
    """For a validator to raise: the problem continues the sentence after the field's name.

    `at` is the path from the validated value to the wrong field.
    """
    return PydanticCustomError(code, "{problem}", {"problem": problem, "at": at})


def _refusal(error: ErrorDetails) -> ApiError:
    context = error.get("ctx", {})
    if "problem" in context:
        code, problem = error["type"], context["problem"]
    else:
        kind = error["type"]
        if kind == "literal_error" and not isinstance(error["input"], str):
            kind = "string_type"
        code, text = _TEXTS.get(kind, (INVALID_VALUE, error["msg"]))
        limits = {name: _shown(value) if isinstance(value, float) else value for name, value in context.items()}
        problem = text.format(**limits, input=_shown(error["input"]))
    param = _param((*error["loc"], *context.get("at", ())))
    message = f"{_OPENINGS.get(code, 'Invalid value')}: '{param}' {problem}".rstrip()
    return bad_request(f"{message}.", param, code)


def _param(location: tuple[str | int, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _shown(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value[:100] if isinstance(value, str) else value)[:110]
