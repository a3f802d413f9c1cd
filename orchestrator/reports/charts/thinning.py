"""Fewer points of a line that look the same: of each stretch the lowest and the highest are kept."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter


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
