"""Reads one line of a log, in any of the known layouts, as a request and its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.convert.changes import NotConvertible
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.evaluation.cases import MESSAGE_KEYS

Message = Mapping[str, Any]

_REQUESTS = ("request", "request_body", "input", "body")
_RESPONSES = ("response", "response_body", "output", "completion")
_MESSAGE_KEYS = ("role", "content", "name", "tool_calls", "function_call", "tool_call_id", "weight")
_CALL_KEYS = ("id", "type", "function", "name", "arguments")


@dataclass(frozen=True)
class Entry:
    """A logged request."""

    request: Mapping[str, Any]
    """`messages` up to the answer, `tools` and other request fields, named as in the API."""
    answer: Message | None
    """The model's answer; None if the log does not have it."""
    row: Mapping[str, Any]
    """The whole line."""


def read_entry(row: Any) -> Entry:
    """The request and answer on a line: a request with a separate response, or messages that end with the answer.
    Raises NotConvertible."""
    if not isinstance(row, dict):
        raise NotConvertible(f"it is {named_type(row)}", "Write one JSON object for each request.")
    request = _request(row)
    messages = request["messages"]
    answer = _response(row)
    if answer is None and messages and _role(messages[-1]) == "assistant":
        *messages, answer = messages
    if not messages or _role(messages[-1]) == "assistant":
        raise NotConvertible("it has no message to answer", "Write the messages up to the answer.")
    return Entry({**request, "messages": messages}, plain_message(answer) if answer else None, row)


def message_in(value: Any) -> Message | None:
    """The assistant's message in an answer as APIs and logs write it: a completion, its choices, a message, or just
    the text; None if there is none."""
    value = unwrapped(value)
    if isinstance(value, str):
        return {"role": "assistant", "content": value}
    if isinstance(value, list):
        return message_in(value[-1]) if value else None
    if not isinstance(value, dict):
        return None
    for key in ("choices", "message"):
        if value.get(key):
            return message_in(value[key])
    if any(value.get(key) is not None for key in ("content", "tool_calls", "function_call")):
        return {**value, "role": "assistant"}
    return None


def plain_message(message: Message) -> Message:
    """The message without the extra fields of responses: indexes, annotations, empty keys."""
    kept = {key: message[key] for key in _MESSAGE_KEYS if key in message}
    for key in ("tool_calls", "function_call", "name", "weight"):
        if not kept.get(key) and kept.get(key) != 0:
            kept.pop(key, None)
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [_plain_call(call) for call in kept["tool_calls"]]
    return kept


def unwrapped(value: Any) -> Any:
    """The value inside a JSON text, or in the `body` of an HTTP exchange."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = parse_json(value)
        except NotJson:
            return value  # only begins like JSON
    return unwrapped(value["body"]) if isinstance(value, dict) and value.get("body") is not None else value


def _plain_call(call: Any) -> Any:
    return {key: call[key] for key in _CALL_KEYS if key in call} if isinstance(call, dict) else call


def _request(row: Mapping[str, Any]) -> Mapping[str, Any]:
    for value in _candidates(row):
        found = {"messages": value} if isinstance(value, list) else value
        if isinstance(found, dict) and isinstance(found.get("messages"), list):
            beside = {key: row[key] for key in MESSAGE_KEYS if key in row}
            return {**beside, **found, "messages": [_checked(message) for message in found["messages"]]}
    keys = ", ".join(shown(key, 24) for key in list(row)[:8]) or "none"
    advice = 'Write "messages", or a "request" with messages and its "response".'
    raise NotConvertible(f"it has no request; its keys: {keys}", advice)


def _candidates(row: Mapping[str, Any]) -> Iterator[Any]:
    for key in _REQUESTS:
        if row.get(key) is not None:
            yield unwrapped(row[key])
    yield row


def _response(row: Mapping[str, Any]) -> Message | None:
    for key in _RESPONSES:
        if row.get(key) is not None and (found := message_in(row[key])) is not None:
            return found
    return message_in(row["choices"]) if row.get("choices") else None


def _checked(message: Any) -> Message:
    if not isinstance(message, dict):
        raise NotConvertible(f"a message is {named_type(message)}", "Write an object with a role and content.")
    return plain_message(message)


def _role(message: Message) -> Any:
    return message.get("role")


# --- Feedback on a logged answer ---------------------------------------------------------------------------------


CORRECTIONS = ("correction", "corrected", "expected")
RATING, FEEDBACK = "rating", "feedback"
GOOD = frozenset({"good", "up", "thumbs_up", "positive", "correct", "right", "yes", "true", "1", "+1"})
BAD = frozenset({"bad", "down", "thumbs_down", "negative", "incorrect", "wrong", "no", "false", "0", "-1"})


@dataclass(frozen=True)
class Judgement:
    """The feedback on an answer."""

    is_good: bool | None
    """None if it was not rated."""
    correction: Message | None
    """The right answer instead."""


def read_judgement(row: Mapping[str, Any]) -> Judgement:
    """The rating and the correction on a line of a log, or under its `feedback` or `metadata`.

    Raises NotConvertible for a rating or a correction that can't be read.
    """
    is_good = next((_rating(place[RATING]) for place in _places(row) if place.get(RATING) is not None), None)
    feedback = row.get(FEEDBACK)
    correction = next(_corrections(row), None)
    if is_good is None and not isinstance(feedback, dict | list) and feedback is not None:
        is_good = _rating_in(feedback)
    if correction is None and _is_answer(feedback):
        correction = feedback
    return Judgement(is_good, None if correction is None else _message(unwrapped(correction)))


def _places(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield row
    for key in (FEEDBACK, "metadata"):
        if isinstance(row.get(key), dict):
            yield row[key]


def _corrections(row: Mapping[str, Any]) -> Iterator[Any]:
    for place in _places(row):
        yield from (place[key] for key in CORRECTIONS if place.get(key) is not None)


def _rating(value: Any) -> bool:
    found = _rating_in(value)
    if found is None:
        advice = 'Write "good" or "bad"; of numbers only 1, 0 and -1 are ratings.'
        raise NotConvertible(f"the rating is {shown(value)}", advice)
    return found


def _rating_in(value: Any) -> bool | None:
    """None for a text that is not a rating but a comment."""
    said = str(value).strip().lower().replace(" ", "_")
    return (said in GOOD) if said in GOOD | BAD else None


def _is_answer(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and (_is_call(value) or bool(message_in(value))))


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and "role" not in value and ("name" in value or "function" in value)


def _message(correction: Any) -> Message:
    """An assistant message, from one, from a call, from a list of calls, or from a text."""
    calls = correction if isinstance(correction, list) else [correction]
    if calls and all(map(_is_call, calls)):
        return plain_message({"role": "assistant", "content": None, "tool_calls": calls})
    found = None if isinstance(correction, list) else message_in(correction)
    if found is None:
        advice = "Write an assistant message, a call with name and arguments, a list of calls, or a text."
        raise NotConvertible(f"the correction is {named_type(correction)} without an answer", advice)
    return plain_message(found)
