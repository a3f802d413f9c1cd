"""The ShareGPT format: turns with `from` and `value`, as collections of open conversations are shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.checking.findings import named_type, shown
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.jsontext import NotJson, parse_json

_ROLES: Mapping[str, str] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "call",
    "tool_call": "call",
    "observation": "tool",
    "function_response": "tool",
    "tool": "tool",
}


def example_of_sharegpt(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"conversations": [{"from": "human", "value": "…"}, …], "system"?: "…", "tools"?: "[…]"}`.

    `function_call` turns hold `{"name": …, "arguments": …}` as JSON, `observation` turns a result (the form that
    LLaMA-Factory's data format describes). Raises NotConvertible.
    """
    turns = row["conversations"]
    if not isinstance(turns, list):
        raise NotConvertible(f'"conversations" is {named_type(turns)}', "Write a list of turns.")
    messages = [_message(turn, changes) for turn in turns]
    if row.get("system"):
        messages.insert(0, {"role": "system", "content": row["system"]})
    changes.note("conversations written as messages")
    more = {key: value for key, value in row.items() if key not in ("conversations", "system")}
    if not more.get("tools"):
        more.pop("tools", None)
    return {"messages": messages, **more}


def _message(turn: Any, changes: Changes) -> dict[str, Any]:
    speaker = turn.get("from") if isinstance(turn, dict) else None
    role = _ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise NotConvertible(f"a turn is from {shown(speaker)}, and not from one of {known}", 'Correct its "from".')
    for key in turn.keys() - {"from", "value", "weight"}:
        changes.note(f"key {shown(key, 24)} of turns left out")
    value = turn.get("value")
    if role == "call":
        return {"role": "assistant", "content": None, "tool_calls": _calls(value)}
    return {"role": role, "content": value, **({"weight": turn["weight"]} if "weight" in turn else {})}


def _calls(value: Any) -> list[Any]:
    try:
        calls = parse_json(value) if isinstance(value, str) else value
    except NotJson as error:
        advice = 'Write {"name": "…", "arguments": {…}}.'
        raise NotConvertible(f"a call is not valid JSON: {error.problem}", advice) from None
    calls = calls if isinstance(calls, list) else [calls]
    return [{"type": "function", "function": call} for call in calls]
