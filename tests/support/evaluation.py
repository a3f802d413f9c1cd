"""Cases of a restaurant's assistant and answers to them, in a few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.evaluation.answers import Answer, AnsweredCall
from orchestrator.evaluation.cases import Case

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeCase = Callable[..., Case]

TOOLS: Mapping[str, Mapping[str, Any]] = {
    "book_table": {
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "guests": {"type": "integer", "minimum": 1},
            "seat": {"type": "string", "enum": ["inside", "terrace"]},
            "smoking": {"type": "boolean", "default": False},
            "budget": {"type": "number"},
            "note": {"type": ["string", "null"]},
            "dishes": {"type": "array", "items": {"type": "string"}},
            "when": {
                "type": "object",
                "properties": {"day": {"type": "string"}, "hour": {"type": "number"}},
                "required": ["day"],
            },
        },
        "required": ["place"],
    },
    "cancel_table": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    "decline": {"type": "object", "properties": {"why": {"type": "string"}}},
}


def call(name: str, **arguments: Any) -> Answer:
    """An answer that makes one call."""
    return calls((name, arguments))


def calls(*made: tuple[str, Any]) -> Answer:
    """An answer that makes these calls; arguments may be a text that is sent as it is."""
    written = ((name, given if isinstance(given, str) else json.dumps(given)) for name, given in made)
    return Answer(calls=tuple(AnsweredCall(name, arguments) for name, arguments in written))
