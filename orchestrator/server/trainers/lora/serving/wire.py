"""Questions and answers as lines of JSON, between ftorch and a host process.

To the host: `{"id", "op": "answer", "weights", "constrained", "question"}`, or `{"id", "op": "tokenize", "weights",
"messages", "tools", "parallel"}`. From it: first `{"ready": …}`, `{"missing": MODULE}` or `{"failed": MESSAGE}`,
then for each id `{"id", "answer"}`, `{"id", "tokens"}` or `{"id", "error": MESSAGE}`, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.server.trainers.interface import Answer, Question, ToolCall

Message = Mapping[str, Any]


def line_of(message: Message) -> bytes:
    """One message as a line, in ASCII: JSON escapes hold halves of surrogate pairs too."""
    return json.dumps(message).encode("ascii") + b"\n"


def message_of(line: bytes) -> dict[str, Any]:
    """The message of a line."""
    message: dict[str, Any] = json.loads(line)
    return message


def question_fields(question: Question) -> dict[str, Any]:
    """A question as JSON values."""
    return asdict(question)


def question_of(fields: Message) -> Question:
    """The question of these values."""
    return Question(**fields)


def answer_fields(answer: Answer) -> dict[str, Any]:
    """An answer as JSON values."""
    return asdict(answer)


def answer_of(fields: Message) -> Answer:
    """The answer of these values."""
    calls = tuple(ToolCall(call["name"], call["arguments"]) for call in fields["calls"])
    return Answer(**{**fields, "calls": calls})
