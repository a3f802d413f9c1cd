"""The choices that a function's schema leaves open: its factors, each with labelled choices and their values.

A factor is a parameter, or a part of one, at a JSON Pointer within the arguments. A choice may add further
factors: those of a present object, an array's first item or a `oneOf` branch. Everything bounded or not made is
noted with its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from orchestrator.dataset.checking.schemas import Parameters
from orchestrator.generation.cells.patterns import Maker


class Aspect(StrEnum):
    """The kind under which the coverage counts a choice."""

    ENUM = "enum"
    """A value of an `enum`."""
    BOOLEAN = "boolean"
    BOUNDARY = "boundary"
    """An end of a range: of numbers, lengths or counts of items."""
    BRANCH = "branch"
    """A branch of `oneOf` or `anyOf`, one of several types, or null."""


@dataclass(frozen=True)
class Fixed:
    """One value."""

    value: Any


@dataclass(frozen=True)
class Numbers:
    """Numbers `n / scale`, for n from `first` to `last` in steps of `step`."""

    first: int
    last: int
    step: int
    scale: int
    grain: int
    """The step that people round to, in units of `n`."""
    place: str = ""
    """"latitude" or "longitude" if the number comes from a list of places."""
    said: tuple[Any, ...] = ()
    """The schema's own examples and default."""


@dataclass(frozen=True)
class Words:
    """Texts of one kind, of `low` to `high` characters."""

    kind: str
    low: int
    high: int
    pattern: Maker | None = None
    said: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Items:
    """Arrays of `low` to `high` items."""

    prefix: tuple[Factor, ...]
    item: Factor | None
    """The value of each item after the prefix; the factor itself is the first of them."""
    low: int
    high: int
    unique: bool


@dataclass(frozen=True)
class Members:
    """Objects: each member's name and factor."""

    members: tuple[tuple[str, Factor], ...]
    others: Factor | None = None
    """The value of members without a declared name, if any are made."""
    count: int = 0
    """The most of those to make."""


@dataclass(frozen=True)
class Absent:
    """The parameter is left out."""


Content = Fixed | Numbers | Words | Items | Members | Absent


@dataclass(frozen=True)
class Choice:
    """One of the choices of a factor."""

    label: str
    content: Content
    aspects: frozenset[Aspect] = frozenset()

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors that this choice adds."""
        if isinstance(self.content, Members):
            return tuple(factor for _, factor in self.content.members)
        if isinstance(self.content, Items):
            return self.content.prefix + (() if self.content.item is None else (self.content.item,))
        return ()

    @cached_property
    def size(self) -> int:
        """The number of ways to choose the factors under it."""
        return math.prod(factor.size for factor in self.factors)


@dataclass(frozen=True, eq=False)
class Factor:
    """A parameter, or a part of one. It varies if it has two or more choices."""

    pointer: str
    choices: tuple[Choice, ...]

    @cached_property
    def by_label(self) -> Mapping[str, Choice]:
        return {choice.label: choice for choice in self.choices}

    @cached_property
    def only(self) -> Choice | None:
        """Its only choice, if it has just one."""
        return self.choices[0] if len(self.choices) == 1 else None

    @cached_property
    def optional(self) -> bool:
        return "absent" in self.by_label

    @cached_property
    def size(self) -> int:
        """The number of ways to choose it and everything under it."""
        return sum(choice.size for choice in self.choices)


@dataclass(frozen=True)
class Bounded:
    """A recursive `$ref`, or nesting, that is cut off."""

    function: str
    pointer: str
    depth: int
    """The number of levels made."""

    @property
    def message(self) -> str:
        return f"{self.function}{_at(self.pointer)}: nested values are made {self.depth} levels deep at most"


@dataclass(frozen=True)
class Unsupported:
    """A part of a schema that is not made, or not fully."""

    function: str
    pointer: str
    keyword: str
    problem: str
    """The part that is not made, in one clause."""

    @property
    def message(self) -> str:
        return f"{self.function}{_at(self.pointer)}, {self.keyword}: {self.problem}"


@dataclass(frozen=True)
class LeftOut:
    """Combinations of choices that the schema forbids, or for which no valid value was found."""

    function: str
    forms: int
    of: int
    problem: str
    """The rule that the first of them breaks."""

    @property
    def message(self) -> str:
        left_out = f"{self.forms} of {self.of} combinations are left out"
        return f"{self.function}: {left_out}; the first breaks: {self.problem}"


Note = Bounded | Unsupported | LeftOut


@dataclass(frozen=True)
class Choices:
    """All choices of a function's schema."""

    function: str
    root: Factor | None
    """The arguments as a whole; None if no call is possible. The notes give the reason."""
    notes: tuple[Note, ...]
    needs_trial: bool
    """Whether combinations of choices may break the schema, so each has to be tried."""
    parameters: Parameters
    """The schema itself, to check calls against."""

    @property
    def size(self) -> int:
        """The number of forms in the full product of all choices."""
        return 0 if self.root is None else self.root.size

    def factors(self) -> Iterator[Factor]:
        """Every factor once, parents first, in the order of the schema."""
        if self.root is not None:
            yield from _below(self.root)


def _below(factor: Factor) -> Iterator[Factor]:
    yield factor
    seen: set[int] = set()
    for choice in factor.choices:
        for inner in choice.factors:
            if id(inner) not in seen:
                seen.add(id(inner))
                yield from _below(inner)


def _at(pointer: str) -> str:
    return f" at {pointer}" if pointer else ""
