"""Conversations as turns or as one text: ShareGPT, Glaive's chat, ChatML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.dataset.convert.cells import (
    DEFINITION_KEYS,
    IMAGE_KEYS,
    SYSTEM_KEYS,
    ColumnNames,
    decoded_messages,
    definitions_of,
    system_text,
    with_system,
)
from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.convert.textcalls import loose_json, with_calls_in_text_read
from orchestrator.dataset.findings import named_type, shown

Message = dict[str, Any]

_ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function_call": "call",
    "function-call": "call",
    "tool_call": "call",
    "tool-call": "call",
    "observation": "tool",
    "function_response": "tool",
    "function-response": "tool",
    "tool_response": "tool",
    "tool": "tool",
    "function": "tool",
}
_TRAINED = ("loss", "train", "trainable", "training", "loss_weight")
_TURN_KEYS = {"from", "value", "role", "content", "weight", *_TRAINED}
_MESSAGE_KEYS = ("tool_calls", "function_call", "tool_call_id", "name")


def example_of_sharegpt(row: Mapping[str, Any], names: ColumnNames, changes: Changes) -> dict[str, Any]:
    """Reads `{"conversations": [{"from": "human", "value": "…"}, …], "system"?: "…", "tools"?: "[…]"}`.

    `function_call` turns hold `{"name": …, "arguments": …}` as JSON, `observation` turns a result (the form that
    LLaMA-Factory's data format describes). Turns may have role and content instead. Raises NotConvertible.
    """
    messages = messages_of_turns(row["conversations"], changes)
    for system in SYSTEM_KEYS:
        if row.get(system) and system not in names.drop:
            messages = with_system(messages, system_text(row[system], system), system, changes)
    changes.note("conversations written as messages")
    taken = ("conversations", *SYSTEM_KEYS, *DEFINITION_KEYS)
    more = {name: value for name, value in row.items() if name not in taken}
    tools = next((row[name] for name in DEFINITION_KEYS if row.get(name)), None)
    if tools is not None:
        messages = _without_definitions(messages, changes)
        more["tools"] = tools if isinstance(tools, list) else definitions_of(tools, changes) or tools
    return {"messages": messages, **more}


def _without_definitions(messages: list[Message], changes: Changes) -> list[Message]:
    """The messages without definitions in the system text: they are declared as tools."""
    trimmed = with_calls_in_text_read({"messages": messages[:1]}, changes)["messages"] if messages else []
    return [*trimmed, *messages[1:]]


def has_turns(messages: Any) -> bool:
    """True where a list of messages names speakers as ShareGPT does, or has turns of calls alone (ms-swift)."""
    if not isinstance(messages, list):
        return False
    speakers = [each.get("role", each.get("from")) for each in messages if isinstance(each, dict)]
    others = [
        speaker
        for speaker in speakers
        if speaker not in ("system", "developer", "user", "assistant", "tool", "function")
    ]
    return (
        len(speakers) == len(messages)
        and bool(others)
        and all(each in _ROLES for each in others if isinstance(each, str))
        and all(isinstance(each, str) for each in others)
    )


def messages_of_turns(turns: Any, changes: Changes) -> list[Message]:
    """The messages of turns; calls that follow an answer at once, or one another, are one message.

    Raises NotConvertible.
    """
    if isinstance(turns, str) and (inner := decoded_messages(turns)) is not None:
        changes.note("conversations in a string decoded")
        turns = inner
    if not isinstance(turns, list):
        raise NotConvertible(f'"conversations" is {named_type(turns)}', "Write a list of turns.")
    messages: list[Message] = []
    for turn in turns:
        message, is_call = _message(turn, changes)
        before = messages[-1] if messages else {}
        if is_call and before.get("role") == "assistant" and before.keys() <= {"role", "content", "tool_calls"}:
            messages[-1] = {**before, "tool_calls": [*before.get("tool_calls", []), *message["tool_calls"]]}
            changes.note("answers and the calls after them joined")
        else:
            messages.append(message)
    return messages


def _message(turn: Any, changes: Changes) -> tuple[Message, bool]:
    """The message of one turn, and whether it is a turn of calls alone."""
    if isinstance(turn, dict) and "from" not in turn and "role" in turn:
        speaker, value = turn["role"], turn.get("content", turn.get("value"))
    else:
        speaker, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
    role = _ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise NotConvertible(f"a turn is from {shown(speaker)}, not from one of {known}", 'Correct its "from".')
    kept = {key: turn[key] for key in _MESSAGE_KEYS if turn.get(key) is not None}
    for key in sorted(turn.keys() - _TURN_KEYS - kept.keys(), key=str):
        if key in IMAGE_KEYS or key in ("reasoning_content", "thinking"):
            raise NotConvertible(
                f"a turn has the key {shown(key, 24)}", "Put it into the message's content, or take it out."
            )
        changes.note(f"key {shown(key, 24)} of turns left out")
    weight = {"weight": turn["weight"]} if "weight" in turn else {}
    if (
        role in ("assistant", "call")
        and not weight
        and (key := next((key for key in _TRAINED if key in turn), None))
    ):
        weight = {"weight": _weight(turn[key], key, changes)}
    if role == "call":
        return {"role": "assistant", "content": None, "tool_calls": _calls(value), **weight}, True
    return {"role": role, "content": value, **kept, **weight}, False


def with_weight(message: Any, changes: Changes) -> Any:
    """An answer with a weight in place of another trainer's key that says whether it is trained on."""
    if not isinstance(message, dict) or message.get("role") != "assistant" or "weight" in message:
        return message
    key = next((key for key in _TRAINED if key in message), None)
    if key is None:
        return message
    kept = {name: value for name, value in message.items() if name not in _TRAINED}
    return {**kept, "weight": _weight(message[key], key, changes)}


def _weight(value: Any, key: str, changes: Changes) -> int:
    """The weight of an answer that another trainer's key says is trained on, or is not."""
    if value not in (0, 1):
        advice = "Write 0 or 1: services accept no other weight."
        raise NotConvertible(f"a turn has the {key} {shown(value)}", advice)
    changes.note(f"{key} of turns written as weight")
    return int(value)


def _calls(value: Any) -> list[Any]:
    calls = loose_json(value) if isinstance(value, str) else value
    calls = calls if isinstance(calls, list) else [calls]
    return [
        call if isinstance(call, dict) and "function" in call else {"type": "function", "function": call}
        for call in calls
    ]


# --- One text with the marks of a chat template ------------------------------------------------------------------


_GLAIVE_TURN = re.compile(r"(?:^|\n)\s*(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):[ \t]?")
_GLAIVE_ROLES = {"SYSTEM": "system", "USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_CHATML_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)(?:<\|im_end\|>|\Z)", re.DOTALL)


def example_of_glaive(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"system": "SYSTEM: …", "chat": "USER: … ASSISTANT: … FUNCTION RESPONSE: …"}`.

    Raises NotConvertible.
    """
    text = f"{row.get('system') or ''}\n{row['chat']}"
    pieces = _GLAIVE_TURN.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        raise NotConvertible('its chat does not begin with "USER:"', "Write each turn after its role.")
    changes.note("chat written as messages")
    messages = [
        {"role": _GLAIVE_ROLES[role], "content": said.replace("<|endoftext|>", "").strip()}
        for role, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    more = {key: value for key, value in row.items() if key not in ("system", "chat")}
    return {"messages": messages, **more}


def example_of_chatml(row: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Reads `{"text": "<|im_start|>user\\n…<|im_end|>\\n<|im_start|>assistant\\n…"}`. Raises NotConvertible."""
    text = row["text"]
    turns = _CHATML_TURN.findall(text) if isinstance(text, str) else []
    if not turns or _CHATML_TURN.sub("", text).replace("<|endoftext|>", "").strip():
        raise NotConvertible(
            "its text is not entirely ChatML", "Write each turn between <|im_start|> and <|im_end|>."
        )
    changes.note("ChatML text written as messages")
    roles = {"human": "user", "gpt": "assistant"}
    messages = [{"role": roles.get(role, role), "content": said} for role, said in turns]
    return {"messages": messages, **{key: value for key, value in row.items() if key != "text"}}
