"""What a model answered, read from a chat completion of any shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CONTENT_FILTER = "content_filter"
NO_COMPLETION = "the answer is not a chat completion"


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call as the model wrote it: `arguments` is the text it sent, JSON or not. It is never executed."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the error returned instead."""

    calls: tuple[AnsweredCall, ...] = ()
    text: str = ""
    refused: bool = False
    """The model refused, or a content filter stopped the answer."""
    api_error: str = ""
    """Why there is no answer; "" if there is one."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens read from the endpoint's cache; None if it does not report them."""
    seconds: float | None = None
    """From the request to the complete answer, without retries."""


def read_answer(completion: Mapping[str, Any], seconds: float | None = None) -> Answer:
    """The first choice of a chat completion given as JSON. A missing or malformed choice is an API error."""
    choice = _choice(completion)
    if choice is None:
        return Answer(api_error=NO_COMPLETION, seconds=seconds)
    message = choice["message"]
    usage = completion.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return Answer(
        calls=tuple(_calls(message)),
        text=_text(message.get("content")),
        refused=bool(message.get("refusal")) or choice.get("finish_reason") == CONTENT_FILTER,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_cached(usage.get("prompt_tokens_details")),
        seconds=seconds,
    )


def problem_of(completion: Mapping[str, Any]) -> str:
    """Why a successful response has no answer, as from some gateways; "" if it has one."""
    if _choice(completion) is not None:
        return ""
    error = completion.get("error")
    said = error.get("message") if isinstance(error, Mapping) else error
    return f"{NO_COMPLETION}: {said}" if isinstance(said, str) and said else NO_COMPLETION


def _choice(completion: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    is_one = isinstance(choice, Mapping) and isinstance(choice.get("message"), Mapping)
    return choice if is_one else None


def _calls(message: Mapping[str, Any]) -> Iterator[AnsweredCall]:
    entries = message.get("tool_calls")
    for entry in entries if isinstance(entries, list) else ():
        yield _call(entry.get("function") if isinstance(entry, Mapping) else None)
    if message.get("function_call") is not None and not entries:
        yield _call(message["function_call"])


def _call(function: Any) -> AnsweredCall:
    function = function if isinstance(function, Mapping) else {}
    name, arguments = function.get("name"), function.get("arguments")
    # Some hosts send the arguments as an object, and nothing for a function without parameters.
    if arguments is None or arguments == "":
        arguments = "{}"
    return AnsweredCall(name if isinstance(name, str) else "", _written(arguments))


def _written(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:
        return "(nested too deeply)"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def _cached(details: Any) -> int | None:
    return _count(details.get("cached_tokens")) if isinstance(details, Mapping) else None


_MOST_TOKENS = 1 << 40
"""Far above any real count; sums still fit a database integer."""


def _count(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value <= _MOST_TOKENS else None
