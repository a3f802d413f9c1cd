"""Checks a list of chat messages; what all training methods ask of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.dataset.calls import Calls, check_calls, check_result
from orchestrator.dataset.findings import Notes, Pointer, named_type, shown

ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_PARTS = {
    "user": ("text", "image_url"),
    "assistant": ("text", "refusal"),
}


def check_messages(messages: Sequence[Any], where: Pointer, calls: Calls, notes: Notes) -> None:
    """Check each message by itself and its calls and results against those before it."""
    for index, message in enumerate(messages):
        _check_message(message, (*where, index), calls, notes)


def listed_messages(holder: Mapping[str, Any], where: Pointer, notes: Notes) -> list[Any] | None:
    """The non-empty list under the key `messages`; None where there is none, noted."""
    messages = holder.get("messages")
    if not isinstance(messages, list):
        found = f"it holds {named_type(messages)}" if "messages" in holder else "it is missing"
        notes.add("FT201", (*where, "messages"), found=found)
        return None
    if not messages:
        notes.add("FT202", (*where, "messages"))
        return None
    return messages


def role_of(message: Any) -> str | None:
    """The role of a message where it is one of ROLES; else None."""
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) and role in ROLES else None


def check_ends_with_answer(messages: Sequence[Any], where: Pointer, notes: Notes) -> None:
    """Check that the assistant speaks, and speaks last. An unknown role has its own finding and is passed over."""
    roles = [role_of(message) for message in messages]
    if None in roles:
        return
    if "assistant" not in roles:
        notes.add("FT208", where)
    elif roles[-1] != "assistant":
        notes.add("FT209", (*where, len(roles) - 1, "role"), found=shown(roles[-1]))


def _check_message(message: Any, where: Pointer, calls: Calls, notes: Notes) -> None:
    if not isinstance(message, dict):
        notes.add("FT203", where, found=named_type(message))
        return
    role = role_of(message)
    if role is None:
        found = shown(message["role"]) if "role" in message else "missing"
        notes.add("FT204", (*where, "role"), found=found, expected=", ".join(ROLES))
        return
    _check_content(message, role, where, notes)
    _check_name(message, role, where, notes)
    _check_weight(message, role, where, notes)
    if role == "assistant":
        check_calls(message, where, calls, notes)
    elif message.get("tool_calls") is not None or message.get("function_call") is not None:
        notes.add("FT320", where, role=role)
    if role == "tool":
        check_result(message, where, calls, notes)


def _check_content(message: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    content = message.get("content")
    if isinstance(content, str):
        return
    place = (*where, "content")
    if isinstance(content, list) and content:
        for index, part in enumerate(content):
            _check_part(part, role, (*place, index), notes)
    elif content is None and role == "assistant":
        if all(message.get(key) is None for key in ("tool_calls", "function_call", "refusal")):
            notes.add("FT206", place, role=role, unless=" unless it calls a tool")
    elif content is None and role == "function" and "content" in message:
        return
    elif "content" not in message:
        notes.add("FT206", place, role=role, unless="")
    else:
        found = "an empty array" if content == [] else named_type(content)
        notes.add("FT205", place, expected="a string", found=found)


def _check_part(part: Any, role: str, where: Pointer, notes: Notes) -> None:
    if not isinstance(part, dict):
        notes.add("FT207", where, problem=f"expected a content part object, found {named_type(part)}")
        return
    kind = part.get("type")
    allowed = _PARTS.get(role, ("text",))
    if not isinstance(kind, str) or kind not in allowed:
        expected = " or ".join(f'"{name}"' for name in allowed)
        problem = f"a content part of role {role} must have type {expected}; found {shown(kind)}"
        notes.add("FT207", (*where, "type"), problem=problem)
    elif kind == "image_url":
        image = part.get("image_url")
        if not isinstance(image, dict) or not isinstance(image.get("url"), str):
            problem = "an image part needs image_url.url, a web address or a data URI"
            notes.add("FT207", (*where, "image_url"), problem=problem)
    elif not isinstance(part.get(kind), str):
        problem = f'a {kind} part needs a string under "{kind}"; found {named_type(part.get(kind))}'
        notes.add("FT207", (*where, kind), problem=problem)


def _check_name(message: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    name = message.get("name")
    if name is None and role == "function":
        problem = "a message of role function must name the function that answered"
        notes.add("FT212", (*where, "name"), problem=problem)
    elif name is not None and not isinstance(name, str):
        notes.add("FT212", (*where, "name"), problem=f"the name must be a string; found {named_type(name)}")


def _check_weight(message: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    weight = message.get("weight")
    if weight is None:
        return
    if role != "assistant":
        notes.add("FT211", (*where, "weight"), role=role)
    elif isinstance(weight, bool) or not isinstance(weight, int | float) or weight not in (0, 1):
        notes.add("FT210", (*where, "weight"), found=shown(weight))
