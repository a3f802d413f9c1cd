"""Tool calls written as the function calls that came before them, for hosts that know nothing newer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.checking.findings import shown
from orchestrator.dataset.convert.changes import Changes, NotConvertible

_THERE_AND_BACK = (
    ("functions written as tools", "tools written as functions"),
    ("function_call written as tool_calls", "tool_calls written as function_call"),
    ("function messages written as tool messages", "tool messages written as function messages"),
    ("call ids added", "call ids left out"),
)


def with_functions(example: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The example with `functions`, `function_call` and function messages in place of tools.

    Raises NotConvertible for what the older format can't say: several calls in one message, tools that are no
    functions. Call ids are left out: a result names its function instead.
    """
    legacy = {
        key: value for key, value in example.items() if key not in ("tools", "parallel_tool_calls", "messages")
    }
    if "parallel_tool_calls" in example:
        changes.note("parallel_tool_calls left out")
    names: dict[str, str] = {}
    messages = [_legacy(message, names, changes) for message in example["messages"]]
    legacy = {"messages": messages, **legacy}
    if example.get("tools") is not None:
        legacy["functions"] = [_function(tool) for tool in example["tools"]]
        changes.note("tools written as functions")
    changes.take_back(*_THERE_AND_BACK)
    return legacy


def _function(tool: Any) -> Any:
    if tool.get("type", "function") != "function":
        problem = f"a tool of type {shown(tool['type'])} can't be written as a function"
        raise NotConvertible(problem, "Take it out, or keep the tools.")
    return tool["function"]


def _legacy(message: dict[str, Any], names: dict[str, str], changes: Changes) -> dict[str, Any]:
    if message.get("role") == "tool":
        changes.note("tool messages written as function messages")
        kept = {key: value for key, value in message.items() if key != "tool_call_id"}
        return {**kept, "role": "function", "name": names[message["tool_call_id"]]}
    calls = message.get("tool_calls")
    if not calls:
        return message
    if len(calls) > 1:
        problem = f"a message makes {len(calls)} calls at once, and a legacy message can make only one"
        raise NotConvertible(problem, "Keep the tools, or write one call for each message.")
    changes.note("tool_calls written as function_call")
    changes.note("call ids left out")
    function = _function(calls[0])
    names[calls[0]["id"]] = function["name"]
    return {**{key: value for key, value in message.items() if key != "tool_calls"}, "function_call": function}
