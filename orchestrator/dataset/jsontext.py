"""JSON as strict as RFC 8259, with one exception for everything that can be wrong with it.

What is sound is read by orjson; what is not is read again by the standard library, which says where and why.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal, NoReturn

import orjson

Cause = Literal["syntax", "encoding", "surrogate", "depth"]


class NotJson(Exception):
    """The text is not JSON that services read. `problem` says why, for people.

    `position` is the character of the text, from 0 (the byte, for the cause "encoding"); None where no single one
    is to blame. `value` is what the text says for the cause "surrogate" (half of a surrogate pair), and None else.
    """

    def __init__(
        self, problem: str, cause: Cause = "syntax", position: int | None = None, value: Any = None
    ) -> None:
        self.problem = problem
        self.cause = cause
        self.position = position
        self.value = value
        super().__init__(problem)


class RepeatedKey(Exception):
    """An object gives `key` more than once; `values` are the first two given."""

    def __init__(self, key: str, values: tuple[Any, Any]) -> None:
        self.key = key
        self.values = values
        super().__init__(key)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises NotJson, and nothing else, whatever the text is.

    Of a key that an object gives twice the last value is taken, see `require_single_keys`.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _what_is_wrong(text) from None


def require_single_keys(text: bytes, value: Any) -> None:
    """Check that no object of a JSON text, whose value was read as `value`, gives a key twice.

    A repeated key takes at least one colon of the text out of the value. Colons inside strings are in both, unless
    they are escaped as \\u003a; such a text is read again key by key.
    Raises RepeatedKey, or NotJson where `value` is nested beyond what is read.
    """
    try:
        if text.count(b":") == orjson.dumps(value).count(b":") and b"\\u003" not in text:
            return
        _BY_KEYS.decode(text.decode())
    except (TypeError, RecursionError):
        raise _too_deep() from None


class _NotANumber(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    raise _NotANumber(f"{name} is not a JSON value")


_LONGEST_SHOWN_NUMBER = 20


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        shown = text if len(text) <= _LONGEST_SHOWN_NUMBER else f"of {len(text):,} characters"  # it may be a key
        raise _NotANumber(f"the number {shown} is too large")
    return value


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKey(key, (found[key], value))
        found[key] = value
    return found


# Python reads NaN and Infinity by default, and any number; services do not.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_number, parse_int=_number)
_BY_KEYS = json.JSONDecoder(object_pairs_hook=_refuse_repeated)

_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def _what_is_wrong(text: str | bytes) -> NotJson:
    try:
        text = text if isinstance(text, str) else text.decode()
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        return NotJson(f"byte {error.start + 1} of the line is not valid UTF-8", "encoding", error.start)
    except json.JSONDecodeError as error:
        return NotJson(_problem(error), position=error.pos)
    except _NotANumber as error:
        return NotJson(str(error))
    except RecursionError:
        return _too_deep()
    # The standard library takes halves of surrogate pairs and, from Python 3.12 on, deeper nesting than orjson.
    if _SURROGATE.search(text):
        return NotJson("it holds half of a surrogate pair", "surrogate", value=value)
    return _too_deep()


def _too_deep() -> NotJson:
    return NotJson("it is nested too deeply", "depth")


def _problem(error: json.JSONDecodeError) -> str:
    text = error.doc
    if not text.strip():
        return "it is empty"
    if error.pos >= len(text.rstrip()):
        return "it ends too early"
    if text[error.pos] == "\0":
        return f"there is a NUL byte at column {error.colno}"
    if error.msg == "Extra data":
        return f"extra text follows the value at column {error.colno}"
    said = error.msg.removesuffix(" at")  # as in "Unterminated string starting at"
    return f"{said[0].lower()}{said[1:]} at column {error.colno}"
