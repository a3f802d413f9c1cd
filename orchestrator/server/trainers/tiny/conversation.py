"""Conversations for the chain of decisions: the prompt, the tool results, and the turns to learn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orchestrator.server.trainers.interface import Answer, Row, ToolCall
from orchestrator.server.trainers.tiny.text import (
    Chunk,
    Features,
    Number,
    chunks,
    content_stems,
    group,
    numbers,
    stems,
    text_features,
    word_features,
)

Message = Mapping[str, Any]
EARLIER = 0.3
"""The weight of the words of earlier user messages, relative to the last one."""


@dataclass(frozen=True)
class ToolResult:
    """A tool's result: its name, its text, and the plain values in it by key."""

    name: str
    content: str
    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Prompt:
    """A conversation up to the next answer."""

    text: str
    """The last user message."""
    earlier: str
    """The earlier user messages, one per line."""
    results: tuple[ToolResult, ...]
    """The tool results since the last user message."""
    answers_result: bool
    """Whether the last message is a tool result."""

    @cached_property
    def chunks(self) -> list[Chunk]:
        return chunks(self.text)

    @cached_property
    def numbers(self) -> list[Number]:
        return numbers(self.text)

    @cached_property
    def content(self) -> list[str]:
        """The stems that carry meaning, each once."""
        return list(dict.fromkeys(content_stems(self.text)))

    @cached_property
    def features(self) -> Features:
        """The features for the choice of a tool."""
        return text_features(self.text) + self._around

    @cached_property
    def word_features(self) -> Features:
        """The features for the choice of a value."""
        return word_features(self.text) + self._around

    @cached_property
    def _around(self) -> Features:
        after = [f"after {result.name}" for result in self.results]
        return (
            group("b", ["bias"], 0.1)
            + group("e", stems(self.earlier), EARLIER)
            + group("n", [f"{min(len(self.numbers), 4)} numbers"], 0.5)
            + group("r", [*after, "a result is last"] if self.answers_result else after, 1.0)
        )


@dataclass(frozen=True)
class Turn:
    """One assistant message to learn: the prompt before it, the offered tools, and the answer."""

    prompt: Prompt
    tools: Sequence[Mapping[str, Any]]
    answer: Answer
    parallel: bool = field(default=True)


def prompt_of(messages: Sequence[Message]) -> Prompt:
    """The prompt in these messages."""
    asked = [i for i, message in enumerate(messages) if message.get("role") == "user"]
    last = asked[-1] if asked else -1
    results = tuple(_results(messages[last + 1 :]))
    return Prompt(
        text=text_of(messages[last].get("content")) if asked else "",
        earlier="\n".join(text_of(messages[i].get("content")) for i in asked[:-1]),
        results=results,
        answers_result=bool(messages) and messages[-1].get("role") in ("tool", "function"),
    )


def turns_of(row: Row) -> list[Turn]:
    """Every assistant message of a supervised row, except those with weight 0."""
    messages = _messages(row.get("messages"))
    tools = functions_of(row)
    parallel = row.get("parallel_tool_calls") is not False
    return [
        Turn(prompt_of(messages[:i]), tools, answer_of(message), parallel)
        for i, message in enumerate(messages)
        if message.get("role") == "assistant" and message.get("weight") != 0
    ]


def preference_of(row: Row) -> tuple[Turn, Turn] | None:
    """The preferred and the non-preferred turn of a preference row; None for another kind of row."""
    given = row.get("input")
    if not isinstance(given, Mapping):
        return None
    prompt = prompt_of(_messages(given.get("messages")))
    answers = (_last_answer(row.get("preferred_output")), _last_answer(row.get("non_preferred_output")))
    preferred, other = (Turn(prompt, functions_of(given), answer) for answer in answers)
    return preferred, other


def functions_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The function objects of a row or a request, from `tools` or from the legacy `functions`."""
    listed = [*_messages(row.get("tools")), *_messages(row.get("functions"))]
    bare = [tool["function"] if isinstance(tool.get("function"), Mapping) else tool for tool in listed]
    return [function for function in bare if function.get("name")]


def answer_of(message: Message) -> Answer:
    """The contents of an assistant message; arguments that are not a JSON object count as empty."""
    legacy = message.get("function_call")
    called = [call.get("function") for call in _messages(message.get("tool_calls"))] or [legacy]
    calls = tuple(
        ToolCall(str(function["name"]), _arguments(function.get("arguments")))
        for function in called
        if isinstance(function, Mapping) and function.get("name")
    )
    return Answer(None if calls else text_of(message.get("content")), calls)


def text_of(content: Any) -> str:
    """The text of a message's content, which may be text, a list of parts, or nothing."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping)).strip()
    return ""


def _last_answer(output: Any) -> Answer:
    answers = [message for message in _messages(output) if message.get("role") == "assistant"]
    return answer_of(answers[-1] if answers else {})


def _results(messages: Sequence[Message]) -> Iterator[ToolResult]:
    names: dict[str, str] = {}
    for message in messages:
        for call in _messages(message.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, Mapping):
                names[str(call.get("id"))] = str(function.get("name", "tool"))
        if message.get("role") in ("tool", "function"):
            content = text_of(message.get("content"))
            name = message.get("name") or names.get(str(message.get("tool_call_id")), "tool")
            yield ToolResult(str(name), content, tuple(_leaves(_parsed(content))))


def _leaves(value: Any, key: str = "result") -> Iterator[tuple[str, Any]]:
    """The plain values inside a JSON value, with the nearest key above each."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    elif value is not None:
        yield key, value


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _arguments(arguments: Any) -> Mapping[str, Any]:
    for _ in range(2):  # published files hold arguments that were encoded twice
        if isinstance(arguments, str):
            arguments = _parsed(arguments)
    return arguments if isinstance(arguments, Mapping) else {}


def _messages(value: Any) -> list[Message]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
