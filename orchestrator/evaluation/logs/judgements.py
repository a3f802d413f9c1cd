"""What people said of a logged answer: that it was good or bad, or what it should have been."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.checking.findings import named_type, shown
from orchestrator.dataset.convert.changes import NotConvertible
from orchestrator.evaluation.logs.entries import Message, message_in, plain_message, unwrapped

CORRECTIONS = ("correction", "corrected", "expected")
RATING, FEEDBACK = "rating", "feedback"
GOOD = frozenset({"good", "up", "thumbs_up", "positive", "correct", "right", "yes", "true", "1", "+1"})
BAD = frozenset({"bad", "down", "thumbs_down", "negative", "incorrect", "wrong", "no", "false", "0", "-1"})


@dataclass(frozen=True)
class Judgement:
    """What was said of an answer."""

    is_good: bool | None
    """None where nobody rated it."""
    correction: Message | None
    """The answer that it should have been."""


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
        advice = 'Write "good" or "bad", and numbers other than 1, 0 and -1 as one of them.'
        raise NotConvertible(f"the rating is {shown(value)}", advice)
    return found


def _rating_in(value: Any) -> bool | None:
    """None for a text that is no rating: a comment."""
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
        raise NotConvertible(f"the correction is {named_type(correction)} that holds no answer", advice)
    return plain_message(found)
