"""What a docstring says about its function and each parameter, in Google, NumPy, reST or Epydoc style."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Description:
    """`text` is what the function does, "" where nothing is said; `parameters` has those that are described."""

    text: str
    parameters: Mapping[str, str]


def description_of(function: Callable[..., Any]) -> Description:
    """The description of a function, without what its docstring says about results and errors."""
    docstring = inspect.getdoc(function) or ""
    if not docstring:
        return Description("", {})
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(docstring)
    except ParseError:
        return Description(_first_line_joined(docstring), {})
    named = {each.arg_name: _joined(each.description or "") for each in parsed.params}
    return Description(
        _first_line_joined(parsed.description or ""), {key: text for key, text in named.items() if text}
    )


def _first_line_joined(text: str) -> str:
    """The first paragraph on one line, as definitions are written by hand; further ones as they stand."""
    first, *others = text.strip().split("\n\n", maxsplit=1)
    return "\n\n".join([_joined(first), *others])


def _joined(text: str) -> str:
    return " ".join(text.split())
