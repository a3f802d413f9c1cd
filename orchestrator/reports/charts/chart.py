"""A chart as a value: a report draws it as SVG or PNG, the page gives it to a script, a program gets its points."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from operator import itemgetter
from typing import Any

from orchestrator.reports.text import printable

Point = tuple[float, float | None]
"""x and y; a y of None, or one that is not finite, was not measured."""
TONES = 9
"""Colours from the worst (0) to the best (8), for lines that are told apart by a score."""
_POINTS_FOR_A_SCRIPT = 2_000
"""Of all lines of a chart together."""


@dataclass(frozen=True)
class Line:
    """One course of values, by ascending x."""

    label: str
    points: Sequence[Point]
    key: str = ""
    """Its name for programs; the label without one."""
    tone: int | None = None
    """A colour from 0 (worst) to TONES - 1 (best), in place of the line's own."""
    is_strong: bool = False
    is_pale: bool = False
    """Each single value behind the line that follows, which shows their course in the same colour."""

    @cached_property
    def known(self) -> list[tuple[float, float]]:
        """The points that were measured."""
        return [(x, y) for x, y in self.points if y is not None and isfinite(x) and isfinite(y)]

    @property
    def name(self) -> str:
        return self.key or self.label


@dataclass(frozen=True)
class Mark:
    """Something that happened at `x`. With a `y` it is a dot, without one a line from top to bottom."""

    x: float
    label: str
    y: float | None = None


@dataclass(frozen=True)
class Axis:
    """What an axis measures."""

    label: str
    is_log: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over a common x axis."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    marks: Sequence[Mark] = field(default=())
    marks_label: str = ""
    """What the marks are, for the legend."""

    @property
    def is_empty(self) -> bool:
        return not any(line.known for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """Every measured point, for programs."""
        return {
            "title": printable(self.title),
            "x": self.x.label,
            "y": self.y.label,
            "lines": [_named(line) | {"points": line.known} for line in self.lines],
            "marks": [{"x": mark.x, "label": printable(mark.label)} for mark in self.marks],
        }

    def to_json(self) -> str:
        """What a script on a page draws, in ASCII. `data` is a list of x and a list of y for each line, all of the
        same length, with null where a line has no point, as uPlot takes them. Long lines are thinned."""
        lines = [thinned(line.known, _POINTS_FOR_A_SCRIPT // len(self.lines)) for line in self.lines]
        places = sorted({x for line in lines for x, _ in line})
        values = (dict(line) for line in lines)
        named = zip(self.lines, self.classes(), strict=True)
        return json.dumps(
            {
                "title": printable(self.title),
                "x": {"label": self.x.label, "log": self.x.is_log},
                "y": {"label": self.y.label, "log": self.y.is_log},
                "series": [
                    _named(line) | {"class": name, "strong": line.is_strong, "pale": line.is_pale}
                    for line, name in named
                ],
                "data": [places, *([known.get(x) for x in places] for known in values)],
                "marks": [{"x": mark.x, "y": mark.y, "label": printable(mark.label)} for mark in self.marks],
            }
        )

    def classes(self) -> Iterator[str]:
        """The class of each line, which gives it its colour: `line-0` to `line-7`, or `tone-0` to `tone-8`."""
        number = 0
        for line in self.lines:
            if line.tone is not None:
                yield f"tone-{line.tone}"
            else:
                yield f"line-{number % COLOURS}"
                number += not line.is_pale


def _named(line: Line) -> dict[str, Any]:
    return {"key": printable(line.name), "label": printable(line.label)}


COLOURS = 8
"""The ninth line has the first one's colour again."""


# --- Thinning -----------------------------------------------------------------------------------------------------


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` of the points (but never fewer than four), in their order, with both ends.

    Stretches of an equal number of points keep their lowest and their highest, so that no peak is lost; an average
    would hide it. This is the min-max rule that Jugel et al., "M4: A Visualization-Oriented Time Series Data
    Aggregation" (VLDB 2014), start from.
    """
    if len(points) <= max(most, 4):
        return list(points)
    stretches = max(1, (most - 2) // 2)
    inner = points[1:-1]
    kept = [points[0]]
    for number in range(stretches):
        part = inner[number * len(inner) // stretches : (number + 1) * len(inner) // stretches]
        ends = {part.index(choose(part, key=itemgetter(1))) for choose in (min, max)} if part else set()
        kept += [part[place] for place in sorted(ends)]
    return [*kept, points[-1]]
