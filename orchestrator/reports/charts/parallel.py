"""Parallel coordinates as a value: an axis for each parameter of a sweep, a line across them for each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.reports.charts.scale import Scale, scale_of
from orchestrator.reports.text import printable

Value = float | str | None


@dataclass(frozen=True)
class Dimension:
    """One of the parallel axes: of numbers on a scale, or of names in their order."""

    label: str
    names: Sequence[str] = ()
    scale: Scale | None = None
    is_exact: bool = False
    """Whether the labels are the values themselves, as they are few."""

    def at(self, value: Value) -> float | None:
        """Where a value is, from 0 at the bottom to 1 at the top; None if it isn't on this axis."""
        if value is None:
            return None
        if self.scale is not None:
            return None if isinstance(value, str) else self.scale.at(value)
        place = self.names.index(str(value))
        return place / (len(self.names) - 1) if len(self.names) > 1 else 0.5

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Where the labels are, and what they say; those that would cover another are left out."""
        if self.scale is None:
            found = [(self.at(name) or 0.0, printable(name)) for name in self.names]
        elif self.is_exact:
            found = [(self.scale.at(tick), f"{tick:.4g}") for tick in self.scale.ticks]
        else:
            found = [(self.scale.at(tick), self.scale.label(tick)) for tick in self.scale.ticks]
        shown: list[tuple[float, str]] = []
        for place, label in found:
            if not shown or place - shown[-1][0] >= _APART:
                shown.append((place, label))
        return shown


@dataclass(frozen=True)
class Course:
    """The values of one point, one for each axis; `tone` as in `Line`."""

    label: str
    values: Sequence[Value]
    tone: int
    is_strong: bool = False


@dataclass(frozen=True)
class Parallel:
    """Points across parallel axes; those drawn last are on top."""

    title: str
    dimensions: Sequence[Dimension]
    courses: Sequence[Course]

    def to_dict(self) -> dict[str, Any]:
        """Every point by the labels of the axes, for programs."""
        labels = [printable(each.label) for each in self.dimensions]
        points = [dict(zip(labels, course.values, strict=True)) for course in self.courses]
        return {"title": printable(self.title), "points": points}


_WIDE = 30.0
"""From this ratio of the highest to the lowest value on, numbers are on a logarithmic axis."""
_MOST_LABELS = 5
_FEW = 6
_APART = 0.06
"""The least distance of two labels, as a share of the axis."""


def dimension(label: str, values: Sequence[Value]) -> Dimension:
    """The axis that holds these values: a scale for numbers, names if any of them is a text."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known):
        return Dimension(label, names=tuple(dict.fromkeys(map(str, known))))
    numbers = [value for value in known if not isinstance(value, str)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    is_log = low > 0 and high / low >= _WIDE
    if 1 < len(distinct := sorted(set(numbers))) <= _FEW:
        return Dimension(label, scale=Scale(low, high, distinct, is_log), is_exact=True)
    return Dimension(label, scale=scale_of(numbers, is_log=is_log, most=_MOST_LABELS))
