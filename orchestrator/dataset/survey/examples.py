"""One row as the survey sees it, whatever training method it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

Turn = tuple[Any, ...]
"""Role, content, calls and name of a message, without what differs between equal ones, such as call ids."""


Call = tuple[str, Any]
"""The function's name and its arguments: an object, or the text itself where it is none."""


class Example(NamedTuple):
    """A conversation and what the model is to answer."""

    holder: Mapping[str, Any]
    """What declares the tools: the row, or the input of preference data."""
    system: str
    """The text of system and developer messages; "" where there is none."""
    context: list[Turn]
    """All other messages before the last answer."""
    answers: list[Turn]
    """What the model is to say: every message of the assistant; in preference data the preferred output."""
    calls: list[Call]
    """The calls that are trained on: those of answers whose weight is not 0."""
    trained: bool
    """False where every answer has weight 0."""
    text: str | None
    """The last answer where it is plain text."""
    legacy: bool
    """True where it has `functions` or a `function_call` in place of tools."""
    reference: Any
    """What a grader of reinforcement data compares with: the row's keys beside the conversation; else None."""

    @property
    def prompt(self) -> str:
        """What the user says, all messages together."""
        return "\n".join(text for turn in self.context if turn[0] == "user" for text in _plain(turn[1]))


def read_example(row: Mapping[str, Any]) -> Example:
    """`row` must be one in which a check finds no error."""
    source = row.get("input")
    if isinstance(source, dict) and "preferred_output" in row:
        return _example(source, source["messages"], row["preferred_output"], None)
    messages = row["messages"]
    if messages[-1]["role"] == "assistant":
        return _example(row, messages[:-1], messages[-1:], None)
    reference = {key: value for key, value in row.items() if key not in _CONVERSATION}
    return _example(row, messages, [], reference)


_CONVERSATION = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
_INSTRUCTIONS = frozenset({"system", "developer"})


def _example(holder: Mapping[str, Any], before: Sequence[Any], outputs: Sequence[Any], reference: Any) -> Example:
    system = [text for each in before if each["role"] in _INSTRUCTIONS for text in _plain(each.get("content"))]
    context = [_turn(each) for each in before if each["role"] not in _INSTRUCTIONS]
    answers = [turn for turn in (*context, *map(_turn, outputs)) if turn[0] == "assistant"]
    answering = [each for each in (*before, *outputs) if each["role"] == "assistant"]
    counts = [each.get("weight") != 0 for each in answering]
    return Example(
        holder=holder,
        system="\n".join(system),
        context=context,
        answers=answers,
        calls=[call for turn, trained in zip(answers, counts, strict=True) if trained for call in turn[2]],
        trained=any(counts) or not counts,
        text=_text(outputs[-1]) if outputs else None,
        legacy=bool(holder.get("functions")) or any(each.get("function_call") for each in answering),
        reference=reference,
    )


def _turn(message: Mapping[str, Any]) -> Turn:
    return message["role"], message.get("content"), _calls(message), message.get("name")


def _calls(message: Mapping[str, Any]) -> list[Call]:
    entries = message.get("tool_calls")
    legacy = message.get("function_call")
    if not entries and not legacy:
        return []
    functions = [entry["function"] for entry in entries or ()]
    return [_call(function) for function in (*functions, *((legacy,) if legacy else ()))]


def _call(function: Mapping[str, Any]) -> Call:
    name, text = str(function.get("name")), function.get("arguments")
    try:
        return name, orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return name, text


def _plain(content: Any) -> Iterator[str]:
    """The texts of a message, without images."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if part.get("type") == "text")


def _text(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    called = message.get("tool_calls") or message.get("function_call")
    return content if isinstance(content, str) and not called else None
