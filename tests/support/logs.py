"""Logged requests to switch on the light of a room, in the frames in which logs have them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "light_room",
            "description": "Switch the light of a room on",
            "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
        },
    }
]


def answer(room: str, name: str = "light_room") -> Row:
    """An assistant message as a response has it, with keys that hold nothing."""
    function = {"name": name, "arguments": json.dumps({"room": room})}
    call = {"index": 0, "id": "call_9", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]}


def asked(said: str) -> Row:
    """The body of a request."""
    return {"model": "gpt-x", "messages": [{"role": "user", "content": said}], "tools": TOOLS, "temperature": 0}


def exchange(said: str, room: str, **keys: Any) -> Row:
    """A request with its response beside it, and what was said of the answer."""
    return {
        "request": asked(said),
        "response": {"id": "c", "choices": [{"index": 0, "message": answer(room)}]},
        **keys,
    }


def write_log(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]
