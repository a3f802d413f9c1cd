"""What a function's schema leaves open: its factors, each with labelled choices, and the values behind them.

A factor is a parameter, or a part of one, at a JSON Pointer within the arguments. Choosing one of its choices may
bring further factors: those of an object that is present, of an array's first item, of a `oneOf` branch.
What can't be made, or is bounded, is a note with its place.
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
    """What a choice is counted as in the coverage."""

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
    """What people round to, in units of `n`."""
    place: str = ""
    """"latitude" or "longitude", where the number comes from a list of places."""
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
    """What each item after the prefix is; the factor itself is the first of them."""
    low: int
    high: int
    unique: bool


@dataclass(frozen=True)
class Members:
    """Objects: each member's name and factor."""

    members: tuple[tuple[str, Factor], ...]
    others: Factor | None = None
    """What members without a declared name are, where some are made."""
    count: int = 0
    """How many of those are made, at most."""


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
        """What is to be chosen further on, once this is."""
        if isinstance(self.content, Members):
            return tuple(factor for _, factor in self.content.members)
        if isinstance(self.content, Items):
            return self.content.prefix + (() if self.content.item is None else (self.content.item,))
        return ()

    @cached_property
    def size(self) -> int:
        """In how many ways the factors under it can be chosen."""
        return math.prod(factor.size for factor in self.factors)


@dataclass(frozen=True, eq=False)
class Factor:
    """A parameter, or a part of one. It varies where it has two or more choices."""

    pointer: str
    choices: tuple[Choice, ...]

    @cached_property
    def by_label(self) -> Mapping[str, Choice]:
        return {choice.label: choice for choice in self.choices}

    @cached_property
    def only(self) -> Choice | None:
        """Its choice, where it has no other."""
        return self.choices[0] if len(self.choices) == 1 else None

    @cached_property
    def optional(self) -> bool:
        return "absent" in self.by_label

    @cached_property
    def size(self) -> int:
        """In how many ways it can be chosen, with all that follows."""
        return sum(choice.size for choice in self.choices)


@dataclass(frozen=True)
class Bounded:
    """A recursive `$ref`, or nesting, that is followed no further."""

    function: str
    pointer: str
    depth: int
    """How many levels of it are made."""

    @property
    def message(self) -> str:
        return f"{self.function}{_at(self.pointer)}: the nesting is followed {self.depth} levels deep, no further"


@dataclass(frozen=True)
class Unsupported:
    """A part of a schema that is not, or not wholly, made."""

    function: str
    pointer: str
    keyword: str
    problem: str
    """What is not made, in one clause."""

    @property
    def message(self) -> str:
        return f"{self.function}{_at(self.pointer)}, {self.keyword}: {self.problem}"


@dataclass(frozen=True)
class LeftOut:
    """Combinations of choices that the schema forbids, or that no valid value was found for."""

    function: str
    forms: int
    of: int
    problem: str
    """What the first of them breaks."""

    @property
    def message(self) -> str:
        left_out = f"{self.forms} of {self.of} combinations are left out"
        return f"{self.function}: {left_out}; the first breaks: {self.problem}"


Note = Bounded | Unsupported | LeftOut


@dataclass(frozen=True)
class Choices:
    """All that a function's schema leaves open."""

    function: str
    root: Factor | None
    """The arguments as a whole; None where no call is possible, and the notes say why."""
    notes: tuple[Note, ...]
    needs_trial: bool
    """Whether combinations of choices may break the schema, so that each has to be tried."""
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
