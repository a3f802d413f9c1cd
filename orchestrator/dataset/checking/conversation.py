"""Checks a list of chat messages; what all training methods ask of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.dataset.checking.declarations import Calls, check_all_answered, check_calls, check_result
from orchestrator.dataset.checking.images import PARTS_ADVICE, check_image
from orchestrator.dataset.checking.keys import MESSAGE, check_message_keys, note_unknown_keys
from orchestrator.dataset.findings import Notes, Pointer, named_type, shown

_SPEAKERS = ("system", "developer", "user", "assistant")
# The API says it: "'messages[0].name': string does not match pattern". Documented: at most 64 characters.
_NAME = re.compile(r"[^\s<|\\/>]{1,64}")

# Calls as text: Hermes and Qwen, Mistral, Llama; [f(a=1)] as in ToolACE; JSON with the name of a declared function.
_CALL_STARTS = ("<", "[", "{", "`")
_STARTS_TO_LOOK_AT = frozenset(("", " ", "\t", "\n", "\r", "\u00a0", "\u3000", *_CALL_STARTS))
_MARKED_CALL = re.compile(r"<tool_call>|<function_call>|<functioncall>|<function=|\[TOOL_CALLS\]|<\|python_tag\|>")
_WRITTEN_CALL = re.compile(r"\[\s*([A-Za-z_][\w.-]*)\(")
_JSON_CALL = re.compile(r"""(?:```(?:json)?\s*)?\[?\s*\{\s*["'](?:name|function)["']\s*:\s*["']([\w.-]+)["']""")

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def check_messages(messages: Sequence[Any], where: Pointer, calls: Calls, notes: Notes) -> list[str | None]:
    """Check each message, and its calls and results against those before it; returns the roles.

    A role is None where it is missing or none of ROLES.
    """
    roles: list[str | None] = []
    for index, message in enumerate(messages):
        role = _role_of(message)
        if calls.unanswered and role != "tool":
            check_all_answered(calls, notes)
        if role is None:
            _note_no_message(message, (*where, index), notes)
        else:
            _check_message(message, role, (*where, index), calls, notes)
        if role == "assistant" and roles and roles[-1] == role:
            notes.add("FT215", (*where, index))
        roles.append(role)
    return roles


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


def check_ends_with_answer(roles: Sequence[str | None], where: Pointer, notes: Notes) -> None:
    """Check that the assistant speaks, and speaks last. An unknown role has its own finding and is passed over."""
    if None in roles:
        return
    if "assistant" not in roles:
        notes.add("FT208", where, subject="the example has", answer="the answer", advice="")
    elif roles[-1] != "assistant":
        notes.add("FT209", (*where, len(roles) - 1, "role"), found=shown(roles[-1]))


def _role_of(message: Any) -> str | None:
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) and role in ROLES else None


def _note_no_message(message: Any, where: Pointer, notes: Notes) -> None:
    if not isinstance(message, dict):
        notes.add("FT203", where, found=named_type(message))
        return
    found = shown(message["role"]) if "role" in message else "missing"
    notes.add("FT204", (*where, "role"), found=found, expected=", ".join(ROLES))


def _check_message(message: Mapping[str, Any], role: str, where: Pointer, calls: Calls, notes: Notes) -> None:
    content = message.get("content")
    if isinstance(content, str):
        if content[:1] in _STARTS_TO_LOOK_AT:
            _check_text(message, content, role, where, calls, notes)
        if len(message) == 2 and role in _SPEAKERS:
            return  # a role and a text, as most messages are
    if not message.keys() <= MESSAGE:
        check_message_keys(message, where, notes)
    if not isinstance(content, str):
        _check_content(message, role, (*where, "content"), notes)
    if role == "function" or "name" in message:
        _check_name(message, role, (*where, "name"), notes)
    if "weight" in message:
        _check_weight(message["weight"], role, (*where, "weight"), notes)
    if role == "assistant":
        check_calls(message, where, calls, notes)
    elif role == "tool":
        check_result(message, where, calls, notes)
    if role != "assistant" and (message.get("tool_calls") is not None or message.get("function_call") is not None):
        notes.add("FT320", where, role=role)


def _check_text(
    message: Mapping[str, Any], content: str, role: str, where: Pointer, calls: Calls, notes: Notes
) -> None:
    """Tally an empty request or answer, and an answer that writes a call as text."""
    if role not in ("user", "assistant"):
        return
    if not content or content.isspace():
        if all(message.get(key) is None for key in ("tool_calls", "function_call", "refusal")):
            notes.tally("FT220", role, (*where, "content"), role=role)
    elif role == "assistant" and content.startswith(_CALL_STARTS) and _is_call(content, calls):
        notes.tally("FT221", "", (*where, "content"))


def _is_call(content: str, calls: Calls) -> bool:
    """Whether the text of an answer is a call in one of the notations that models are trained to write."""
    if _MARKED_CALL.match(content):
        return True
    names = frozenset(calls.declared or ())
    written = _WRITTEN_CALL.match(content) or _JSON_CALL.match(content)
    return written is not None and written.group(1) in names


def _check_content(message: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    """Check content that is no plain string."""
    content = message.get("content")
    if isinstance(content, list) and content:
        check_parts(content, role, where, notes)
    elif content is None and role == "assistant":
        if all(message.get(key) is None for key in ("tool_calls", "function_call", "refusal")):
            notes.add("FT206", where, role=role, unless=" unless it calls a tool")
    elif content is None and role == "function" and "content" in message:
        return
    elif "content" not in message:
        notes.add("FT206", where, role=role, unless="")
    else:
        found = "an empty array" if content == [] else named_type(content)
        notes.add("FT205", where, expected="a string", found=found)


def _check_name(message: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    name = message.get("name")
    if name is None and role == "function":
        notes.add("FT212", where, problem="a message of role function must name the function that answered")
    elif name is not None and not isinstance(name, str):
        notes.add("FT212", where, problem=f"the name must be a string; found {named_type(name)}")
    elif isinstance(name, str) and _NAME.fullmatch(name) is None:
        problem = f"the name {shown(name)} must be 1 to 64 characters without blanks and none of < | \\ / >"
        notes.add("FT212", where, problem=problem)


def _check_weight(weight: Any, role: str, where: Pointer, notes: Notes) -> None:
    if weight is None:
        return
    if role != "assistant":
        notes.add("FT211", where, role=role)
    elif isinstance(weight, bool) or not isinstance(weight, int | float) or weight not in (0, 1):
        notes.add("FT210", where, found=shown(weight))


# --- Content parts: text, refusals, images -----------------------------------------------------------------------


_ALLOWED = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}


def check_parts(parts: Sequence[Any], role: str, where: Pointer, notes: Notes) -> None:
    """Check each content part of a message of `role`."""
    for index, part in enumerate(parts):
        if isinstance(part, dict):
            _check_part(part, role, (*where, index), notes)
        else:
            problem = f"expected a content part object, found {named_type(part)}"
            notes.add("FT207", (*where, index), problem=problem, advice=PARTS_ADVICE)


def _check_part(part: Mapping[str, Any], role: str, where: Pointer, notes: Notes) -> None:
    kind = part.get("type")
    allowed = _ALLOWED.get(role, ("text",))
    if not isinstance(kind, str) or kind not in allowed:
        expected = " or ".join(f'"{name}"' for name in allowed)
        problem = f"a content part of role {role} must have type {expected}; found {shown(kind)}"
        notes.add("FT207", (*where, "type"), problem=problem, advice=PARTS_ADVICE)
        return
    note_unknown_keys(part, frozenset(("type", kind)), "content part", where, notes)
    if kind == "image_url":
        check_image(part.get("image_url"), (*where, "image_url"), notes)
    elif not isinstance(part.get(kind), str):
        problem = f'a {kind} part needs a string under "{kind}"; found {named_type(part.get(kind))}'
        notes.add("FT207", (*where, kind), problem=problem, advice=PARTS_ADVICE)
