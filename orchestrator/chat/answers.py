"""One answer of the model, as a chat needs it: to be shown, to be carried out, and to be sent back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evaluation.answers import read_answer
from orchestrator.tools.calls import Call


class NotAnswered(Exception):
    """The endpoint's answer holds no message."""


@dataclass(frozen=True)
class Answer:
    """What a model said: a text, calls, or both."""

    text: str
    """Its own words for a refusal, where it refused."""
    calls: tuple[Call, ...]
    refused: bool
    cut: bool
    """The answer ends where the endpoint's limit of tokens was reached."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def message(self) -> dict[str, Any]:
        """As it stands in the next request: only what every host accepts there."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or (None if self.calls else "")}
        if self.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.calls
            ]
        return message


def answer_of(completion: Mapping[str, Any], number: int) -> Answer:
    """The first choice of a chat completion; `number` makes ids for calls of hosts that give none.

    Raises NotAnswered.
    """
    read = read_answer(completion)
    if read.api_error:
        raise NotAnswered(read.api_error)
    choice = completion["choices"][0]
    message = choice["message"]
    ids = _ids(message.get("tool_calls"), len(read.calls), number)
    refusal = message.get("refusal")
    return Answer(
        text=sendable(read.text or (refusal if isinstance(refusal, str) else "")),
        calls=tuple(
            Call(id_, sendable(call.name), sendable(call.arguments))
            for id_, call in zip(ids, read.calls, strict=True)
        ),
        refused=read.refused,
        cut=choice.get("finish_reason") == "length",
        prompt_tokens=read.prompt_tokens or 0,
        completion_tokens=read.completion_tokens or 0,
    )


def sendable(text: str) -> str:
    """The text without halves of surrogate pairs: one of them would make every further request invalid."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _ids(entries: Any, count: int, number: int) -> Sequence[str]:
    """The ids of the calls, by which results are matched; new ones where they are missing or not told apart."""
    listed = entries if isinstance(entries, list) else []
    found = [entry.get("id") for entry in listed if isinstance(entry, Mapping)]
    if len(found) == count == len(set(found)) and all(isinstance(each, str) and each for each in found):
        return [str(each) for each in found]
    return [f"call_{number}_{index}" for index in range(count)]
