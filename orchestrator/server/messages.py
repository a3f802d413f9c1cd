"""Checks the messages of a chat request: shapes, and that every tool result answers a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.fields import Fields

ROLES = ("developer", "system", "user", "assistant", "tool", "function")
TEXT_PARTS = ("text", "refusal")


def read_messages(fields: Fields) -> Sequence[Mapping[str, Any]]:
    """The request's messages with their content as one text; ApiError 400 at the first that is wrong."""
    messages = fields.tables("messages")
    if not messages:
        raise fields.wrong("messages", "must hold at least one message")
    open_calls: set[str] = set()
    read = []
    for message in messages:
        role = _role(message)
        if role == "tool":
            _answer_call(message, open_calls)
        elif open_calls:
            raise _unanswered(message, open_calls)
        if role == "assistant":
            open_calls = _calls(message)
        read.append(_with_text(message, role))
    if open_calls:
        raise _unanswered(messages[-1], open_calls)
    return read


def _role(message: Fields) -> str:
    message.required("role")
    role = message.choice("role", ROLES) or ""
    message.text("name")
    if role == "function":
        message.required("name")
    return role


def _answer_call(message: Fields, open_calls: set[str]) -> None:
    message.required("tool_call_id")
    call_id = message.text("tool_call_id") or ""
    if call_id not in open_calls:
        problem = "answers no call of the assistant message before it"
        raise message.wrong("tool_call_id", f"{call_id[:100]!r} {problem}")
    open_calls.remove(call_id)


def _unanswered(message: Fields, open_calls: set[str]) -> ApiError:
    named = ", ".join(sorted(open_calls))
    text = f"An assistant message with 'tool_calls' must be followed by a tool message for each; missing: {named}."
    return bad_request(text, message.param("role"), "invalid_value")


def _calls(message: Fields) -> set[str]:
    """The ids of the calls this message makes."""
    found = set()
    for call in message.tables("tool_calls"):
        call.required("id", "function")
        call.choice("type", ("function",))
        _check_call(call, "function")
        found.add(call.text("id") or "")
    if message.given("function_call"):
        _check_call(message, "function_call")
    return found


def _check_call(holder: Fields, key: str) -> None:
    call = holder.table(key)
    if call is not None:
        call.required("name")
        call.text("name")
        if not isinstance(call.raw("arguments"), str):
            raise call.wrong_type("arguments", "a string that holds JSON")


def _with_text(message: Fields, role: str) -> Mapping[str, Any]:
    calls = message.raw("tool_calls") or message.raw("function_call") or message.raw("refusal")
    if not calls:
        message.required("content")
    content = message.raw("content")
    if isinstance(content, list):
        content = "\n".join(_part(part) for part in message.tables("content"))
    elif content is not None and not isinstance(content, str):
        raise message.wrong_type("content", "a string or an array of parts")
    return {**message.as_mapping(), "role": role, "content": content}


def _part(part: Fields) -> str:
    part.required("type")
    kind = part.text("type") or ""
    if kind not in TEXT_PARTS:
        problem = f"is {kind[:50]!r}; the local endpoint's models read text only"
        raise part.wrong("type", problem, "unsupported_value")
    value = part.raw(kind)
    if not isinstance(value, str):
        raise part.wrong_type(kind, "a string")
    return value
