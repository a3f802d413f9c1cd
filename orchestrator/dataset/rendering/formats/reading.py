"""What every reader of calls returns, and the values that texts without types stand for."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

Call = tuple[str, dict[str, Any]]
"""A function's name, and its arguments as an object."""

Schemas = Mapping[str, Mapping[str, Any]]
"""The JSON schema of each parameter, by name; by name of the function in what readers get."""

_CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
    "string": (str,),
}


@dataclass(frozen=True)
class Found:
    """An answer that calls: the text around its calls, the calls, and what the model thought before them."""

    content: str
    calls: tuple[Call, ...]
    thought: str = ""


class BrokenCallError(Exception):
    """The answer begins a call and does not write it to its end: a mistake of the model."""


def json_object(text: str, what: str) -> dict[str, Any]:
    """The object of a JSON text; `what` begins the problem, such as "a call is". Raises BrokenCallError."""
    try:
        value = json.loads(text, parse_constant=no_json)
    except json.JSONDecodeError as error:
        raise BrokenCallError(f"{what} not JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(value, dict):
        raise BrokenCallError(f"{what} not a JSON object")
    return value


def no_json(name: str) -> NoReturn:
    """What the standard library's JSON reader does with NaN and Infinity: refuse them."""
    raise BrokenCallError(f"{name} is no JSON value")


def named_call(value: Mapping[str, Any], arguments_key: str = "arguments") -> Call:
    """The call in {"name": …, "arguments": {…}}. Raises BrokenCallError."""
    name, arguments = value.get("name"), value.get(arguments_key)
    if not isinstance(name, str) or not name:
        raise BrokenCallError("a call has no name")
    if not isinstance(arguments, dict):
        found = "missing" if arguments_key not in value else "not a JSON object"
        raise BrokenCallError(f"the {arguments_key} of {name} are {found}")
    return name, arguments


def typed(text: str, schema: Mapping[str, Any] | None) -> Any:
    """The value that a text without quotes stands for, under the schema of its parameter.

    Templates write a string as it is, true as `true` or Python's `True`, and lists and objects as JSON. Without a
    schema a text that reads as another value is that value. A text that fits none of the types stays text.
    """
    kinds = kinds_of(schema or {})
    if kinds == {"string"}:
        return text
    value = _plain_value(text)
    if isinstance(value, str) or not kinds:
        return value
    allowed = tuple(kind for name in kinds for kind in _KINDS.get(name, ()))
    fits = isinstance(value, allowed) and not (isinstance(value, bool) and "boolean" not in kinds)
    return value if fits else text


def kinds_of(schema: Mapping[str, Any]) -> set[str]:
    """The types that a schema names; empty if it names none."""
    named = schema.get("type")
    kinds = {named} if isinstance(named, str) else set(named) if isinstance(named, Sequence) else set()
    if "enum" in schema and not kinds:
        kinds = {_kind(value) for value in schema["enum"]}
    for key in ("anyOf", "oneOf"):
        for each in schema.get(key) or ():
            if isinstance(each, Mapping):
                kinds |= kinds_of(each)
    return kinds


def _kind(value: Any) -> str:
    return next((name for name, types in _KINDS.items() if type(value) in types), "")


def _plain_value(text: str) -> Any:
    stripped = text.strip()
    if stripped in _CONSTANTS:
        return _CONSTANTS[stripped]
    try:
        return json.loads(stripped, parse_constant=str)
    except json.JSONDecodeError:
        pass
    if stripped[:1] in ("[", "{"):  # a list or an object as Python writes it
        try:
            return ast.literal_eval(stripped)
        except (ValueError, SyntaxError):
            pass
    return text
