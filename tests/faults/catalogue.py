"""Everything that a request can meet on its way, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import NoReturn

from faults.exchange import Answer, NoAnswerError, SilentError

Reply = Callable[[Answer | None, float], Answer]
"""From the endpoint's answer (None where the request did not arrive) and the time, to what the client gets."""


@dataclass(frozen=True)
class Fault:
    """What one request meets."""

    name: str
    reply: Reply
    arrivals: int = 0
    """How often the request reaches the endpoint."""
    late: bool = False
    """It arrives, once, when the client has long given up."""
    hidden_lists: int = 0
    """So many lists do not show yet what the request made."""
    forgets_metadata: bool = False
    """The endpoint takes metadata, and neither keeps nor filters by it."""
    doubles_lists: bool = False
    """Every entry of a list stands there twice."""
    refuses: bool = False
    """A definite no: the run fails, and nothing is made."""

    @property
    def makes_two(self) -> bool:
        return self.arrivals == 2


def _honest(answer: Answer | None, _now: float) -> Answer:
    assert answer is not None
    return answer


def _cut(_answer: Answer | None, _now: float) -> NoReturn:
    raise NoAnswerError


def _silent(_answer: Answer | None, _now: float) -> NoReturn:
    raise SilentError


def _half(answer: Answer | None, _now: float) -> Answer:
    whole = _honest(answer, _now)
    return replace(whole, body=whole.body[: len(whole.body) // 2], is_cut=True)


def _body(text: str, kind: str = "application/json") -> Reply:
    return lambda _answer, _now: Answer(200, text.encode(), {"content-type": kind})


def _status(status: int, code: str | None = None, retry_after: Callable[[float], str] | None = None) -> Reply:
    error = {"message": f"fault {status}", "type": "fault", "code": code, "param": None}

    def reply(_answer: Answer | None, now: float) -> Answer:
        headers = {"content-type": "application/json", "date": formatdate(now, usegmt=True)}
        if retry_after:
            headers["retry-after"] = retry_after(now)
        return Answer(status, json.dumps({"error": error}).encode(), headers)

    return reply


def _in_seconds(_now: float) -> str:
    return "1"


def _as_date(now: float) -> str:
    return formatdate(now + 1, usegmt=True)


_PAGE = "<!doctype html><title>502</title><h1>Bad gateway</h1>"

_BOTH = (
    Fault("none", _honest, arrivals=1),
    Fault("dropped", _cut),
    Fault("dropped-in-silence", _silent),
    Fault("answer-lost", _cut, arrivals=1),
    Fault("answer-too-late", _silent, arrivals=1),
    Fault("arrives-late", _silent, late=True),
    Fault("408", _status(408)),
    Fault("409-in-progress", _status(409, "request_in_progress")),
    Fault("429", _status(429)),
    Fault("429-seconds", _status(429, "rate_limit_exceeded", _in_seconds)),
    Fault("429-date", _status(429, "rate_limit_exceeded", _as_date)),
    Fault("500", _status(500)),
    Fault("502", _status(502)),
    Fault("503-seconds", _status(503, None, _in_seconds)),
    Fault("500-though-done", _status(500), arrivals=1),
    Fault("502-though-done", _status(502), arrivals=1),
    Fault("half-a-body", _half, arrivals=1),
    Fault("invalid-json", _body('{"id": "ftjob-'), arrivals=1),
    Fault("no-json-object", _body("[]"), arrivals=1),
    Fault("no-id", _body('{"object": "fine_tuning.job"}'), arrivals=1),
    Fault("empty-body", _body(""), arrivals=1),
    Fault("html", _body(_PAGE, "text/html"), arrivals=1),
    Fault("html-502", lambda _answer, _now: Answer(502, _PAGE.encode(), {"content-type": "text/html"})),
    Fault("list-lags", _cut, arrivals=1, hidden_lists=4),
    Fault("list-doubles", _cut, arrivals=1, doubles_lists=True),
    Fault("400", _status(400, "invalid_request"), refuses=True),
    Fault("401", _status(401, "invalid_api_key")),
)

ON_UPLOAD: Mapping[str, Fault] = {fault.name: fault for fault in _BOTH}

_TWICE = Fault("made-twice", _cut, arrivals=2)
ON_SERVING: Mapping[str, Fault] = {**ON_UPLOAD, _TWICE.name: _TWICE}

ON_CREATE: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        *_BOTH,
        Fault("409", _status(409), refuses=True),
        Fault("queue-full", _status(429, "quotaExceeded")),
        Fault("metadata-forgotten", _honest, arrivals=1, forgets_metadata=True),
        Fault("metadata-forgotten-and-answer-lost", _cut, arrivals=1, forgets_metadata=True),
        _TWICE,
    )
}
