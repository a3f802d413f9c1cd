"""JSON as strict as RFC 8259, with one exception for everything that can be wrong with it."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotJson(Exception):
    """The text is not JSON. `problem` says why; `too_deep` that it may be, but is nested beyond what is read."""

    def __init__(self, problem: str, *, too_deep: bool = False) -> None:
        self.problem = problem
        self.too_deep = too_deep
        super().__init__(problem)


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises NotJson, and nothing else, whatever the text is."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(_problem(error)) from None
    except RecursionError:
        raise NotJson("it is nested too deeply", too_deep=True) from None
    except ValueError as error:
        raise NotJson(str(error) if isinstance(error, _NotFinite) else "a number has too many digits") from None


class _NotFinite(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    raise _NotFinite(f"{name} is no JSON value")


# Python reads NaN and Infinity by default; services do not.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _problem(error: json.JSONDecodeError) -> str:
    text = error.doc
    if not text.strip():
        return "it is empty"
    if error.pos >= len(text.rstrip()):
        return "it ends too early"
    if text[error.pos] == "\0":
        return f"there is a NUL byte at column {error.colno}"
    if error.msg == "Extra data":
        return f"something follows the value at column {error.colno}"
    return f"{error.msg[0].lower()}{error.msg[1:]} at column {error.colno}"
