"""What a row says, message by message, for people. Any JSON object can be shown, however wrong it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.checking.formats import shape_of
from orchestrator.dataset.checking.methods import OUTPUTS
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys

_OUTPUT_LABELS = dict(zip(OUTPUTS, ("preferred", "other"), strict=True))
_NOT_SAID = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
_LONGEST_ADDRESS = 60


@dataclass(frozen=True)
class WrittenCall:
    """A call as a row has it."""

    name: str
    arguments: Mapping[str, Any] | None
    """None where they are no JSON object."""
    text: str
    """The arguments as they are written in the row, or as JSON."""

    def __str__(self) -> str:
        return f"{self.name}({self.text})"


@dataclass(frozen=True)
class Turn:
    """A message, or another part of a row."""

    label: str
    """The role, `preferred` or `other` for the answers of preference data, or a key of the row."""
    text: str = ""
    calls: tuple[WrittenCall, ...] = ()
    is_answer: bool = False
    """Whether the model is to learn it."""


def turns_of(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    """The row's messages in their order, then what else it holds, without the definitions of tools."""
    if shape_of(row) == "dpo":
        return tuple(_preference(row))
    messages = row.get("messages")
    if not isinstance(messages, list):
        return tuple(_others(row, frozenset()))
    turns = [_turn(message) for message in messages]
    return (*turns, *_others(row, _NOT_SAID))


def request_of(row: Mapping[str, Any]) -> str:
    """What the user says, one message a line."""
    return "\n".join(turn.text for turn in turns_of(row) if turn.label == "user")


def answer_of(row: Mapping[str, Any]) -> str:
    """What the model is to learn: calls as `name({"argument": …})`, one a line, or text.

    Of preference data both answers, each behind its label; of reinforcement data what is kept for the grader.
    """
    turns = turns_of(row)
    answers = [turn for turn in turns if turn.label in _OUTPUT_LABELS.values()]
    if answers:
        return "\n".join(f"{turn.label}: {_said(turn)}" for turn in answers)
    learnt = [turn for turn in turns if turn.is_answer]
    if learnt:
        return "\n".join(map(_said, learnt))
    return "\n".join(f"{turn.label}: {turn.text}" for turn in turns if turn.label in row)


def declared_functions(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The definitions of the row's functions by name, as far as they can be read."""
    source = row.get("input")
    holder = source if isinstance(source, Mapping) else row
    tools, functions = (
        found if isinstance(found, list) else [] for found in map(holder.get, ("tools", "functions"))
    )
    entries = [tool.get("function") for tool in tools if isinstance(tool, Mapping)]
    return {
        entry["name"]: entry
        for entry in (*entries, *functions)
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
    }


def decoded_arguments(text: Any) -> Any:
    """The object that a string of arguments holds; any other value, and what can't be read, as it is."""
    if not isinstance(text, str):
        return text
    try:
        value = parse_json(text)
        require_single_keys(text.encode(), value)
    except (NotJson, RepeatedKey, UnicodeError):
        return text
    return value if isinstance(value, dict) else text


def _preference(row: Mapping[str, Any]) -> Iterator[Turn]:
    source = row["input"]
    if isinstance(source, Mapping) and isinstance(source.get("messages"), list):
        yield from (_turn(message, is_context=True) for message in source["messages"])
    else:
        yield Turn("input", _json(source))
    for key, label in _OUTPUT_LABELS.items():
        messages = row.get(key)
        if isinstance(messages, list):
            for turn in map(_turn, messages):
                yield Turn(label if turn.is_answer else turn.label, turn.text, turn.calls, turn.is_answer)
        elif key in row:
            yield Turn(key, _json(messages))
    yield from _others(row, frozenset({"input", *OUTPUTS}))


def _others(row: Mapping[str, Any], known: frozenset[str]) -> Iterator[Turn]:
    for key, value in row.items():
        if key not in known:
            yield Turn(key, value if isinstance(value, str) else _json(value))


def _turn(message: Any, *, is_context: bool = False) -> Turn:
    if not isinstance(message, Mapping):
        return Turn("message", _json(message))
    role = message.get("role")
    label = role if isinstance(role, str) and role else "message"
    is_skipped = message.get("weight") == 0
    texts = [*_texts(message.get("content")), *(_texts(message.get("refusal")))]
    return Turn(
        label=f"{label}, weight 0" if is_skipped else label,
        text="\n".join(texts),
        calls=tuple(_calls(message)),
        is_answer=role == "assistant" and not is_skipped and not is_context,
    )


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from map(_part, content)
    elif content is not None:
        yield _json(content)


def _part(part: Any) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    image = part.get("image_url") if isinstance(part, Mapping) else None
    if isinstance(image, Mapping):
        address = str(image.get("url"))
        more = f"… ({len(address):,} characters)" if len(address) > _LONGEST_ADDRESS else ""
        return f"[image {address[:_LONGEST_ADDRESS]}{more}]"
    return _json(part)


def _calls(message: Mapping[str, Any]) -> Iterator[WrittenCall]:
    entries = message.get("tool_calls")
    listed = entries if isinstance(entries, list) else [] if entries is None else [entries]
    for entry in listed:
        yield _call(entry.get("function") if isinstance(entry, Mapping) else entry)
    if message.get("function_call") is not None:
        yield _call(message["function_call"])


def _call(function: Any) -> WrittenCall:
    if not isinstance(function, Mapping):
        return WrittenCall("?", None, _json(function))
    written = function.get("arguments")
    arguments = decoded_arguments(written)
    text = written if isinstance(written, str) else _json(written)
    return WrittenCall(str(function.get("name")), arguments if isinstance(arguments, Mapping) else None, text)


def _said(turn: Turn) -> str:
    return "\n".join([*filter(None, [turn.text]), *map(str, turn.calls)])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
