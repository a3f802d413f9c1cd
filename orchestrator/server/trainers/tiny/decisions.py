"""One softmax decision and the weights that score its options."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, TypeVar

from orchestrator.server.trainers.tiny.text import Features

Rows = dict[str, dict[int, float]]
"""The weights: a sparse vector under each name."""

Part = tuple[str, Features]
"""Features, and the name of the weights that score them."""

UNREACHABLE = -log(1e-3)
"""The loss, in nats, of a right answer that is not among the options."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its value, its base score, and its features for learned weights."""

    value: Any
    base: float
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice of one option. `right` has the indices of the right ones, the best known first; none if the right
    answer is not among them; None if there is nothing to compare with."""

    options: tuple[Option, ...]
    right: tuple[int, ...] | None = None


T = TypeVar("T")
Steps = Generator[Decision, Option | None, T]
"""A chain in progress: it yields decisions, is sent the chosen option (None: the right one is not among them, drop
this branch), and returns the result."""


def probabilities(options: Sequence[Option], rows: Rows) -> list[float]:
    """The softmax over the options' scores."""
    scores = [score(option, rows) for option in options]
    top = max(scores)
    shares = [exp(value - top) for value in scores]
    total = sum(shares)
    return [share / total for share in shares]


def score(option: Option, rows: Rows) -> float:
    """Base score plus learned score, in nats up to a constant."""
    total = option.base
    for name, features in option.parts:
        row = rows.get(name)
        if row:
            get = row.get
            for feature, value in features:
                weight = get(feature)
                if weight is not None:
                    total += weight * value
    return total


def taken(steps: Steps[T], rows: Rows) -> T:
    """The answer of a chain if every decision takes its most probable option."""
    option: Option | None = None
    try:
        decision = next(steps)
        while True:
            option = best(decision.options, probabilities(decision.options, rows))
            decision = steps.send(option)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def best(options: Sequence[Option], shares: Sequence[float]) -> Option:
    """The most probable option; options of the same value add their shares."""
    by_value: dict[str, float] = {}
    for option, share in zip(options, shares, strict=True):
        key = repr(option.value)
        by_value[key] = by_value.get(key, 0.0) + share
    top = max(by_value, key=lambda key: by_value[key])
    alike = [i for i, option in enumerate(options) if repr(option.value) == top]
    return options[max(alike, key=lambda i: shares[i])]


def forced(steps: Steps[T]) -> list[Decision]:
    """The decisions of a chain that follows the right answer."""
    decisions = []
    try:
        decision = next(steps)
        while True:
            decisions.append(decision)
            decision = steps.send(decision.options[decision.right[0]] if decision.right else None)
    except StopIteration:
        return decisions
