"""Answers a chat request with a loaded model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.dataset.tokens import count_messages, count_text
from orchestrator.server import ids
from orchestrator.server.chatspec import ChatRequest
from orchestrator.server.loaded import Loaded
from orchestrator.server.trainers.interface import Answer

FinishReason = Literal["stop", "length", "tool_calls", "function_call"]


@dataclass(frozen=True)
class Call:
    """One call as it is sent: `arguments` is JSON text, cut short where the answer had to be."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Choice:
    """One answer: text, or calls (then `content` is None)."""

    content: str | None
    calls: Sequence[Call]
    finish_reason: FinishReason


@dataclass(frozen=True)
class Completion:
    """All that a request is answered with, before it takes the shape of one object or of chunks."""

    id: str
    created: int
    model: str
    fingerprint: str
    legacy: bool
    choices: Sequence[Choice]
    prompt_tokens: int
    completion_tokens: int


def complete(request: ChatRequest, loaded: Loaded, now: int) -> Completion:
    """The model's answer, `n` times over: it is always the most probable one, so its choices are alike."""
    offer = request.offer
    answer = loaded.model.answer(request.messages, offer.functions, choice=offer.choice, parallel=offer.parallel)
    first, tokens = _limited(_first_choice(request, answer), request.max_tokens, request.model)
    return Completion(
        id=ids.completion_id(),
        created=now,
        model=request.model,
        fingerprint=loaded.fingerprint,
        legacy=offer.legacy,
        choices=[_with_new_ids(first) for _ in range(request.n)],
        prompt_tokens=count_messages(request.messages, offer.functions or None, request.model),
        completion_tokens=tokens * request.n,
    )


def _first_choice(request: ChatRequest, answer: Answer) -> Choice:
    calls = [Call("", call.name, _json(call.arguments)) for call in answer.calls]
    if not calls:
        return Choice(_until_stop(answer.content or "", request.stops), (), "stop")
    if request.offer.legacy:
        return Choice(None, calls[:1], "function_call")
    return Choice(None, calls, "tool_calls")


def _json(arguments: object) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def _until_stop(text: str, stops: Sequence[str]) -> str:
    ends = [text.index(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


def _limited(choice: Choice, most: int | None, model: str) -> tuple[Choice, int]:
    """The choice cut to so many tokens, and the tokens it has then."""
    left = most
    texts: list[str] = []
    spent = 0
    for text in _texts(choice):
        kept = text if left is None else _first_tokens(text, left - spent, model)
        spent += count_text(kept, model)
        texts.append(kept)
    if texts == _texts(choice):
        return choice, spent
    return _cut(choice, texts), spent


def _texts(choice: Choice) -> list[str]:
    """What the answer's tokens are counted over: the text, or each call's name and arguments."""
    if not choice.calls:
        return [choice.content or ""]
    return [text for call in choice.calls for text in (call.name, call.arguments)]


def _cut(choice: Choice, texts: list[str]) -> Choice:
    if not choice.calls:
        return Choice(texts[0], (), "length")
    arguments = zip(choice.calls, texts[::2], texts[1::2], strict=True)
    calls = [replace(call, arguments=kept) for call, name, kept in arguments if name == call.name]
    return Choice(None, calls, "length")


def _first_tokens(text: str, tokens: int, model: str) -> str:
    """The longest beginning of the text that has at most so many tokens."""
    if count_text(text, model) <= tokens:
        return text
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if count_text(text[:middle], model) <= tokens:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest]


def _with_new_ids(choice: Choice) -> Choice:
    return replace(choice, calls=[replace(call, id=ids.call_id()) for call in choice.calls])
