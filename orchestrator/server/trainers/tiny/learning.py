"""What gradient descent learns from: examples, their losses and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from typing import Protocol

from orchestrator.server.trainers.tiny.decisions import (
    UNREACHABLE,
    Decision,
    Part,
    Rows,
    probabilities,
)

Gradient = list[tuple[float, tuple[Part, ...]]]
"""For each option, the derivative of the loss by its score, and the features behind that score."""

NEGLIGIBLE = 1e-4
"""Derivatives closer to zero are skipped, for speed."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Sums over the decisions (or preference pairs) of some examples."""

    loss: float = 0.0
    right: float = 0.0
    count: int = 0

    def __add__(self, other: Measure) -> Measure:
        return Measure(self.loss + other.loss, self.right + other.right, self.count + other.count)

    @property
    def mean_loss(self) -> float:
        return self.loss / max(1, self.count)

    @property
    def accuracy(self) -> float:
        return self.right / max(1, self.count)


class Example(Protocol):
    """One row, ready to learn from."""

    def measure(self, rows: Rows, gradient: Gradient | None = None) -> Measure:
        """Loss and accuracy under these weights; adds to the gradient if one is given."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A supervised row: its decisions, each to be learned."""

    decisions: Sequence[Decision]

    def measure(self, rows: Rows, gradient: Gradient | None = None) -> Measure:
        found = [_decided(decision, rows, 1.0, gradient) for decision in self.decisions]
        loss = sum(-logarithm for logarithm, _ in found)
        return Measure(loss, sum(right for _, right in found), len(found))


@dataclass(frozen=True, slots=True)
class Preference:
    """A pair of answers, learned by direct preference optimisation (Rafailov et al., 2023).

    The loss is -log sigmoid(beta * margin), where the margin is how much more this model prefers one answer to the
    other, in nats, than the frozen model it started from (`reference`).
    """

    preferred: Sequence[Decision]
    other: Sequence[Decision]
    reference: float
    beta: float

    def measure(self, rows: Rows, gradient: Gradient | None = None) -> Measure:
        margin = preference(self.preferred, self.other, rows) - self.reference
        push = self.beta / (1.0 + exp(min(700.0, self.beta * margin)))
        if gradient is not None:
            for decision in self.preferred:
                _decided(decision, rows, push, gradient)
            for decision in self.other:
                _decided(decision, rows, -push, gradient)
        return Measure(_softplus(-self.beta * margin), float(margin > 0), 1)


def preference(preferred: Sequence[Decision], other: Sequence[Decision], rows: Rows) -> float:
    """The difference of the log-probabilities of two answers, in nats."""
    sums = [sum(_decided(decision, rows, 0.0, None)[0] for decision in chain) for chain in (preferred, other)]
    return sums[0] - sums[1]


def descend(rows: Rows, gradient: Gradient, rate: float) -> None:
    """One step down the gradient, in place."""
    for slope, parts in gradient:
        change = rate * slope
        for name, features in parts:
            row = rows.setdefault(name, {})
            get = row.get
            for feature, value in features:
                row[feature] = get(feature, 0.0) - change * value


def _decided(decision: Decision, rows: Rows, weight: float, gradient: Gradient | None) -> tuple[float, bool]:
    """The log-probability of a right decision, and whether the most probable option is right.

    Several options can be right (a value copied from one place or another, or seen before): their probabilities
    add, and each is credited with its share.
    """
    if not decision.right:
        return -UNREACHABLE, False
    shares = probabilities(decision.options, rows)
    right = sum(shares[i] for i in decision.right)
    top = max(range(len(shares)), key=shares.__getitem__)
    if gradient is not None:
        for i, option in enumerate(decision.options):
            wanted = shares[i] / right if right > 0 and i in decision.right else 0.0
            slope = weight * (shares[i] - wanted)
            if abs(slope) > NEGLIGIBLE:
                gradient.append((slope, option.parts))
    return log(max(right, 1e-300)), top in decision.right


def _softplus(value: float) -> float:
    return value + log1p(exp(-value)) if value > 0 else log1p(exp(value))
