"""Runs as LangSmith exports them: messages of LangChain, serialized, and answers as generations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.convert.changes import Changes, NotConvertible

# The classes of langchain-core's messages and the `type` that each writes, read in November 2026.
_ROLES: Mapping[str, str] = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "function": "function",
}


def opened_run(row: Mapping[str, Any], changes: Changes) -> Mapping[str, Any]:
    """The row with LangChain's messages written as OpenAI's, in its inputs and its outputs; any other row as it is.

    Raises NotConvertible for several generations, and for a message of a type that OpenAI does not have.
    """
    inputs, outputs = row.get("inputs"), row.get("outputs")
    if not isinstance(inputs, dict) or not isinstance(inputs.get("messages"), list):
        return row
    listed = _flat(inputs["messages"])
    if not any(map(_is_langchain, listed)) and not (isinstance(outputs, dict) and "generations" in outputs):
        return row
    changes.note("messages of LangChain written as OpenAI's")
    opened = {**row, "inputs": {**_tools(row), **inputs, "messages": [_message(each) for each in listed]}}
    if isinstance(outputs, dict):
        opened["outputs"] = _answer(outputs)
    return {key: value for key, value in opened.items() if key != "extra"}


def _flat(messages: list[Any]) -> list[Any]:
    """Runs of a chat model hold a list of conversations, mostly of one."""
    if not all(isinstance(each, list) for each in messages):
        return messages
    if len(messages) != 1:
        raise NotConvertible(f"its inputs hold {len(messages)} conversations", "Write a row for each.")
    return list(messages[0])


def _is_langchain(message: Any) -> bool:
    return isinstance(message, dict) and "role" not in message and _type(_fields(message), message) in _ROLES


def _fields(message: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = next((message[key] for key in ("kwargs", "data") if isinstance(message.get(key), dict)), None)
    return inner if inner is not None else message


def _type(fields: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    """`human` of a `HumanMessage` or `HumanMessageChunk`."""
    names = message.get("id")
    if isinstance(names, list) and names:
        return str(names[-1]).removesuffix("Chunk").removesuffix("Message").lower()
    return str(fields.get("type", message.get("type"))).removesuffix("MessageChunk").lower()


def _message(message: Any) -> Any:
    if not isinstance(message, dict) or "role" in message:
        return message
    fields = _fields(message)
    kind = _type(fields, message)
    if kind not in _ROLES:
        raise NotConvertible(
            f'it holds a message of type "{kind[:40]}"', "Write its role: user, assistant or tool."
        )
    written = {"role": _ROLES[kind], "content": fields.get("content")}
    if calls := _calls(fields):
        written["tool_calls"] = calls
    for key in ("tool_call_id", "name"):
        if fields.get(key):
            written[key] = fields[key]
    return written


def _calls(fields: Mapping[str, Any]) -> list[Any]:
    calls = fields.get("tool_calls")
    if isinstance(calls, list) and calls:
        return [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": json.dumps(call.get("args"))},
            }
            for call in calls
            if isinstance(call, dict)
        ]
    more = fields.get("additional_kwargs")
    kept = more.get("tool_calls") if isinstance(more, dict) else None
    return kept if isinstance(kept, list) else []


def _answer(outputs: Mapping[str, Any]) -> Any:
    generations = outputs.get("generations")
    if not isinstance(generations, list):
        return _message(outputs.get("output")) if _is_langchain(outputs.get("output")) else outputs
    found = [each for part in generations for each in (part if isinstance(part, list) else [part])]
    if len(found) != 1:
        raise NotConvertible(f"its outputs hold {len(found)} generations", "Keep one of them.")
    generation = found[0] if isinstance(found[0], dict) else {}
    if isinstance(generation.get("message"), dict):
        return _message(generation["message"])
    return {"role": "assistant", "content": generation.get("text")}


def _tools(row: Mapping[str, Any]) -> dict[str, Any]:
    extra = row.get("extra")
    parameters = extra.get("invocation_params") if isinstance(extra, dict) else None
    tools = parameters.get("tools") if isinstance(parameters, dict) else None
    return {"tools": tools} if tools else {}
