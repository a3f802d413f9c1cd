"""Examples of training data, and ways to spoil them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from orchestrator.dataset.checking.checks import CheckReport, check_file

Row = dict[str, Any]

TOOL: Row = {
    "type": "function",
    "function": {
        "name": "climb",
        "description": "Climb to a height.",
        "parameters": {"type": "object", "properties": {"metres": {"type": "integer"}}, "required": ["metres"]},
    },
}
CALL: Row = {"id": "call_1", "type": "function", "function": {"name": "climb", "arguments": '{"metres": 5}'}}
EXAMPLE: Row = {
    "messages": [
        {"role": "system", "content": "You fly a drone."},
        {"role": "user", "content": "Up five."},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        {"role": "assistant", "content": "Done.", "weight": 1},
    ],
    "tools": [TOOL],
}
LEGACY: Row = {
    "messages": [
        {"role": "user", "content": "Up."},
        {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": "{}"}},
        {"role": "function", "name": "climb", "content": "ok"},
        {"role": "assistant", "content": "Done."},
    ],
    "functions": [{"name": "climb", "parameters": {"type": "object", "properties": {}}}],
}
PREFERENCE: Row = {
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "preferred_output": [{"role": "assistant", "content": "Hello!"}],
    "non_preferred_output": [{"role": "assistant", "content": "What?"}],
}
PROMPT: Row = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "answer": "4"}
GOOD_LINE = json.dumps(EXAMPLE).encode()

FUNCTION = ("messages", 2, "tool_calls", 0, "function")
DECLARED = ("tools", 0, "function")
MISSING = object()


def changed(row: Row, *path_and_value: Any) -> Row:
    """A copy of `row` with the value at the path replaced, or taken out where it is MISSING."""
    *path, last, value = path_and_value
    result = copy.deepcopy(row)
    place: Any = result
    for part in path:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return result


def said(*contents: Any) -> Row:
    """A conversation in which the user says `contents` and the assistant says yes."""
    messages = [{"role": "user", "content": content} for content in contents]
    return {"messages": [*messages, {"role": "assistant", "content": "Yes."}]}


def check(path: Path, content: bytes, method: Any = "supervised", **options: Any) -> CheckReport:
    """Check a file of this content; as validation data for gpt-4.1-mini where `options` say nothing else."""
    path = path / "data.jsonl"
    path.write_bytes(content)
    return check_file(path, method=method, **{"purpose": "validation", "model": "gpt-4.1-mini", **options})


def check_rows(path: Path, *rows: Row, **options: Any) -> CheckReport:
    return check(path, "\n".join(map(json.dumps, rows)).encode(), **options)


def codes(report: CheckReport) -> list[str]:
    """The codes found, without those of the file as a whole (FT6), which every small file has some of."""
    return [finding.code for finding in report.findings if not finding.code.startswith("FT6")]
