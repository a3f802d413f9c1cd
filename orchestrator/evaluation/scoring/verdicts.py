"""The result of scoring one answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Expectation = Literal["call", "text", "rejection"]


class Level(StrEnum):
    """How strictly an answer is compared, strictest first: an answer right at one level is right at the next."""

    EXACT = "exact"
    """The same JSON values: 5 is not 5.0, every argument is given, no match rule applies."""
    TYPED = "typed"
    """The same values by the schema's types, or values that the match rules allow. The headline metric."""
    LENIENT = "lenient"
    """As in the Berkeley Function-Calling Leaderboard: typed, but strings ignore case and punctuation."""


class Mistake(StrEnum):
    """The first way in which an answer differs from what is expected."""

    API_ERROR = "api_error"
    """There is no answer: the request failed. It is counted separately, never as wrong."""
    REFUSAL = "refusal"
    """The model refused, by the refusal field or a content filter."""
    DID_NOT_CALL = "did_not_call"
    CALLED_NEEDLESSLY = "called_needlessly"
    """It called a tool, but the case expects a text or a rejection."""
    WRONG_NUMBER_OF_CALLS = "wrong_number_of_calls"
    WRONG_TOOL = "wrong_tool"
    INVALID_JSON = "invalid_json"
    """The arguments are not a JSON object."""
    MISSING_ARGUMENT = "missing_argument"
    EXTRA_ARGUMENT = "extra_argument"
    """An argument that the tool declares but the case does not expect."""
    HALLUCINATED_ARGUMENT = "hallucinated_argument"
    """An argument that the tool does not declare."""
    WRONG_TYPE = "wrong_type"
    SCHEMA_VIOLATION = "schema_violation"
    """A value that the tool's schema does not allow, such as one outside an enum."""
    WRONG_VALUE = "wrong_value"
    WRONG_TEXT = "wrong_text"
    """The text lacks a required text."""


class Decision(StrEnum):
    """What the model decided to do, regardless of arguments. Rejecting is not acting."""

    RIGHT_TOOL = "right_tool"
    WRONG_TOOL = "wrong_tool"
    DID_NOT_ACT = "did_not_act"
    """It should have called a tool, but answered in text, refused or rejected."""
    ACTED_NEEDLESSLY = "acted_needlessly"
    """It should have answered in text or rejected, but called a tool."""
    RIGHTLY_DID_NOT_ACT = "rightly_did_not_act"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between an answer and the expected one, for people."""

    mistake: Mistake
    place: str = ""
    """Such as `call 2, argument location.lat`; "" for the whole answer."""
    expected: str = ""
    found: str = ""

    @property
    def kind(self) -> str:
        """`wrong value at argument location.lat`."""
        words = self.mistake.replace("_", " ")
        if self.place.startswith("argument ") and words.endswith("argument"):
            return f"{words.removesuffix('argument')}{self.place}"  # missing argument altitude
        return f"{words} at {self.place}" if self.place else words

    def __str__(self) -> str:
        place = self.kind
        if self.expected and self.found:
            return f"{place}: expected {self.expected}, found {self.found}"
        return f"{place}: {self.expected or self.found}" if self.expected or self.found else place


@dataclass(frozen=True, slots=True)
class ArgumentCounts:
    """Counts of arguments: expected, answered, and right at the typed level."""

    right: int = 0
    expected: int = 0
    answered: int = 0

    def __add__(self, other: ArgumentCounts) -> ArgumentCounts:
        return ArgumentCounts(
            self.right + other.right, self.expected + other.expected, self.answered + other.answered
        )


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Counts of an answer's calls, regardless of what was expected."""

    calls: int = 0
    declared: int = 0
    """Calls of tools that the request declares."""
    valid: int = 0
    """Of these, calls whose arguments the schema allows."""
    hallucinated: int = 0
    """Calls of tools that the request does not declare, though it declares some."""
    hallucinated_arguments: int = 0
    """Arguments, over all calls, that the called tool does not declare."""


NO_ARGUMENTS = ArgumentCounts()
NO_CALLS = CallCounts()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score of one answer to one case."""

    case: str
    """The case's id."""
    expects: Expectation
    decision: Decision | None
    """None for API errors."""
    level: Level | None
    """The strictest level at which the answer is right; None if it is wrong at each, or an API error."""
    difference: Difference | None
    """The first difference at the typed level; None if there is none."""
    rejected: bool = False
    """The answer rejects the request in any way: by a tool, by text if text rejects, or by refusing."""
    expected_tools: tuple[str, ...] = ()
    """Names in the order of the expected calls, from the accepted answer nearest to the model's."""
    called_tools: tuple[str, ...] = ()
    calls: CallCounts = NO_CALLS
    arguments: ArgumentCounts = NO_ARGUMENTS

    @property
    def is_api_error(self) -> bool:
        return self.decision is None

    def right(self, level: Level = Level.TYPED) -> bool:
        """True if the answer is right at this level."""
        return self.level is not None and _STRICTNESS[self.level] <= _STRICTNESS[level]


_STRICTNESS = {level: number for number, level in enumerate(Level)}
