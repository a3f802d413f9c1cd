"""The requests that people wrote for the drone, with their calls."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.generation.calls import Call, Function

DRONE = Path(__file__).parents[2] / "jobs" / "drone"


def drone_rows(name: str) -> list[tuple[str, Call]]:
    """The requests of a file that are answered by a call with arguments."""
    found = []
    for line in (DRONE / name).read_text().splitlines():
        messages = json.loads(line)["messages"]
        called = messages[2]["tool_calls"][0]["function"]
        call = Call(called["name"], json.loads(called["arguments"]))
        if call.name != "reject_request" and call.arguments:
            found.append((messages[1]["content"], call))
    return found


def drone_functions() -> dict[str, Function]:
    """The 16 functions by name."""
    tools = json.loads((DRONE / "train.jsonl").read_text().splitlines()[0])["tools"]
    inner = [tool["function"] for tool in tools]
    return {each["name"]: Function(each["name"], each["description"], each["parameters"], {}) for each in inner}
