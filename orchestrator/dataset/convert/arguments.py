"""The arguments of a call, brought into their one right form: a string that holds a JSON object."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.dataset.checking.findings import named_type
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.jsontext import NotJson, parse_json

_DEEPEST_ENCODING = 8


def arguments_text(arguments: Any, changes: Changes) -> str:
    """The arguments as JSON text. Text that holds an object already is given back as it stands.

    Raises NotConvertible where they are no object, however they are written.
    """
    if isinstance(arguments, dict):
        changes.note("arguments written as JSON text")
        return json.dumps(arguments, ensure_ascii=False)
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        changes.note("missing arguments written as {}")
        return "{}"
    if isinstance(arguments, str):
        return _decoded(arguments, changes)
    raise _no_object(arguments)


def _decoded(text: str, changes: Changes) -> str:
    for _ in range(_DEEPEST_ENCODING):
        try:
            value = parse_json(text)
        except NotJson as error:
            advice = "Write the arguments as a JSON object."
            raise NotConvertible(f"the arguments are not valid JSON: {error.problem}", advice) from None
        if isinstance(value, dict):
            return text
        if not isinstance(value, str):
            raise _no_object(value)
        changes.note("arguments that were encoded twice decoded once")
        text = value
    raise NotConvertible(
        f"the arguments are encoded over {_DEEPEST_ENCODING} times", "Write them as a JSON object."
    )


def _no_object(value: Any) -> NotConvertible:
    advice = 'Name each argument, as in {"altitude": 50}.'
    return NotConvertible(f"the arguments must be a JSON object; they are {named_type(value)}", advice)
