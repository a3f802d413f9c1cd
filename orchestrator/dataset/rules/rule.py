"""A kind of finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

CONVERT_COMMAND = "ftorch data convert IN -o OUT"
"""The command in a fix that `convert` can make; reports insert the names of the checked file."""

OR_CONVERT = f", or let ftorch do it: {CONVERT_COMMAND}"


@dataclass(frozen=True)
class Rule:
    """One kind of finding. The `{fields}` of `reason` and `fix` are filled with the facts of the place."""

    code: str
    severity: Severity
    title: str
    reason: str
    fix: str
    wrong: str = ""
    """JSONL text, one or several lines, in which this kind is found; "" if no small text can show it."""
    right: str = ""
    """Nearly the same text without the finding."""


def error(code: str, title: str, reason: str, fix: str, *, wrong: str = "", right: str = "") -> Rule:
    """A kind for which an endpoint refuses the file, or which makes its results meaningless."""
    return Rule(code, "error", title, reason, fix, wrong, right)


def warning(code: str, title: str, reason: str, fix: str, *, wrong: str = "", right: str = "") -> Rule:
    """A kind that an endpoint accepts, but that makes a worse model or a surprise."""
    return Rule(code, "warning", title, reason, fix, wrong, right)


# --- Parts for the rules' examples -------------------------------------------------------------------------------


Piece = Mapping[str, Any]

USER: Piece = {"role": "user", "content": "Climb to 50 m."}
ANSWER: Piece = {"role": "assistant", "content": "Done."}
PARAMETERS: Piece = {
    "type": "object",
    "properties": {"altitude": {"type": "integer", "description": "Metres above ground."}},
    "required": ["altitude"],
}
CLIMB: Piece = {"name": "climb", "description": "Climb to an altitude.", "parameters": PARAMETERS}
TOOL: Piece = {"type": "function", "function": CLIMB}
FUNCTION: Piece = {"name": "climb", "arguments": '{"altitude": 50}'}
CALL: Piece = {"id": "call_1", "type": "function", "function": FUNCTION}
RESULT: Piece = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}


def row(**keys: Any) -> str:
    """One line of JSONL."""
    return json.dumps(keys, ensure_ascii=False)


def said(*messages: Any, **keys: Any) -> str:
    """One line with a conversation."""
    return row(messages=messages, **keys)


def asked(prompt: Any, /, **answer: Any) -> str:
    """One line on which the user says `prompt` and the assistant answers; `answer` overrides the answer's keys."""
    return said({"role": "user", "content": prompt}, {**ANSWER, **answer})


def called(*calls: Any, tools: Any = (TOOL,), **keys: Any) -> str:
    """One line on which the user asks and the assistant makes `calls`."""
    return said(USER, {"role": "assistant", "tool_calls": calls}, tools=tools, **keys)


def call(identity: str | None = "call_1", /, **function: Any) -> Piece:
    """A tool call; `function` overrides the name or the arguments."""
    return {"id": identity, "type": "function", "function": {**FUNCTION, **function}}


def tool(**changes: Any) -> Piece:
    """The definition of climb with `changes`."""
    return {"type": "function", "function": {**CLIMB, **changes}}


def preference(**changes: Any) -> str:
    """One line of preference data with `changes`."""
    good, bad = ({"role": "assistant", "content": text} for text in ("Climbing to 50 m.", "No."))
    return row(
        **{"input": {"messages": [USER]}, "preferred_output": [good], "non_preferred_output": [bad], **changes}
    )
