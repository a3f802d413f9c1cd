"""Cases of a restaurant's assistant and answers to them, in a few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.evaluation.answers import Answer, AnsweredCall
from orchestrator.evaluation.cases import Case
from orchestrator.store.evaluations import Score

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


def recorded(evaluation_id: str, model: str, case: int, level: str | None = "typed") -> Score:
    """The score of a call on one case; a `level` of None is a wrong one, "api" no answer at all."""
    is_right, is_error = level == "typed", level == "api"
    decision = None if is_error else "right_tool" if is_right else "wrong_tool"
    mistake = {True: None, False: "api_error" if is_error else "wrong_tool"}[is_right]
    return Score(
        evaluation_id=evaluation_id,
        model=model,
        variant="full",
        case_id=f"case-{case}",
        sample=0,
        line=case,
        level="typed" if is_right else None,
        mistake=mistake,
        detail={
            "slices": [],
            "cluster": None,
            "request": "",
            "expects": "call",
            "decision": decision,
            "difference": mistake and {"mistake": mistake, "place": "", "expected": "land", "found": "climb"},
            "rejected": False,
            "expected_tools": ["land"],
            "called_tools": ["land" if is_right else "climb"],
            "calls": [1, 1, 1, 0, 0],
            "arguments": [0, 0, 0],
            "tokens": [100, 10],
            "seconds": 0.5,
        },
    )
