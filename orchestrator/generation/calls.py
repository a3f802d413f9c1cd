"""What a generation makes: forms of calls, targets with a fixed answer, and the requests written for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Function:
    """A function that a model may call, from its definition in the `tools` format."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of its arguments: an object, `{"type": "object", "properties": {}}` if it takes none."""
    definition: Mapping[str, Any]
    """The whole entry of `tools`, `{"type": "function", "function": {…}}`, as written into the examples."""


@dataclass(frozen=True)
class Form:
    """One way to call one function: a choice for each of its parameters, without values."""

    function: str
    choices: tuple[tuple[str, str], ...]
    """Per parameter that varies, in the order of the schema: its JSON Pointer within the arguments ("/mode",
    "/to/lat"), and the label of the choice: "absent", "present", "true", "false", "null", "min", "max", "empty",
    an enum value as JSON text, the number of a `oneOf`/`anyOf` branch as "branch 0", or "any"."""


@dataclass(frozen=True)
class Cell:
    """One point of what the functions allow: one form, or several for parallel calls."""

    id: str
    """16 hex digits of the SHA-256 of its forms: the same in any process, for the same definitions."""
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class Call:
    """A call with its values; `arguments` is valid against the function's schema."""

    name: str
    arguments: Mapping[str, Any]


class Style(StrEnum):
    """How a request is worded."""

    DIRECT = "direct"
    INDIRECT = "indirect"
    TERSE = "terse"
    POLITE = "polite"
    TYPO = "typo"
    LANGUAGE = "language"
    """In another language than the definitions."""
    UNITS = "units"
    """With a value in another unit, or a number in words."""
    DISTRACTORS = "distractors"
    """With extra facts that no argument uses."""


class Kind(StrEnum):
    """The right answer to a request."""

    CALL = "call"
    """The calls of the target."""
    MISSING = "missing"
    """The request lacks a required value: a question back, or a rejection, as the settings say."""
    REJECT = "reject"
    """Nearly possible with one of the functions, but not quite: a rejection."""
    TURNS = "turns"
    """Two requests, each with its calls, and the result of the first between them."""


@dataclass(frozen=True)
class Target:
    """One example to make. Its answer is fixed; its request is not written yet."""

    id: str
    """The cell's id and a number: "3f…-0"."""
    kind: Kind
    style: Style
    calls: tuple[Call, ...]
    """The right calls. For MISSING and REJECT, the call that the request comes close to."""
    cell: str
    lacking: str = ""
    """MISSING: JSON Pointer of the required value that the request must not give."""
    language: str = "en"
    """ISO 639-1 code of the request's language."""
    then: tuple[Call, ...] = ()
    """TURNS: the calls of the second request."""


@dataclass(frozen=True)
class Written:
    """A request written for a target by a teacher, a template or a person."""

    target: Target
    text: str
    """The request; for TURNS, the first."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """By JSON Pointer that starts with the call's number ("/0/mode"): the words of `text` that give the value,
    according to the teacher. Empty for templates."""
    answer: str = ""
    """MISSING and REJECT: the assistant's text, if it answers in text. TURNS: its text after the first result."""
    then: str = ""
    """TURNS: the second request. Its calls continue the numbering of the first."""


@dataclass(frozen=True)
class Drop:
    """Why a request was dropped."""

    target: str
    """The target's id."""
    reason: str
    """A code such as "no-evidence". Drops are counted by it."""
    detail: str
    """One sentence for the user."""
    text: str = ""
    """The dropped request."""


Functions = Sequence[Function]
