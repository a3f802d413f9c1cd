"""The axes of a search space: walking them, drawing from them, and what lies on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import exp, isclose, log, prod

from orchestrator.jobfile import Axis, Choices, Range, Value
from orchestrator.sweeps.trials import Parameters


def grid(axes: Mapping[str, Axis]) -> Iterator[Parameters]:
    """Every combination; the first axis changes slowest. Each axis is a list, or a range with a step."""
    for values in product(*(walk(axis) for axis in axes.values())):
        yield dict(zip(axes, values, strict=True))


def combinations(axes: Mapping[str, Axis]) -> int | None:
    """How many points the space has; None where they are not counted."""
    sizes = [axis.size for axis in axes.values()]
    counted = [size for size in sizes if size is not None]
    return prod(counted) if len(counted) == len(sizes) else None


def walk(axis: Axis) -> list[Value]:
    """The values of an axis that can be counted, in order."""
    if isinstance(axis, Choices):
        return list(axis.values)
    assert axis.size is not None
    return [_stepped(axis, index) for index in range(axis.size)]


def at(axis: Axis, share: float) -> Value:
    """The value at this share (0 ≤ share < 1) of an axis; on a logarithmic one, of its logarithm."""
    if isinstance(axis, Choices):
        return axis.values[int(share * len(axis.values))]
    if axis.log:
        # A whole number stands for the stretch of half a step to its sides, so that both ends are as likely.
        low, high = (axis.low - 0.5, axis.high + 0.5) if axis.whole else (axis.low, axis.high)
        return plain(axis, exp(log(low) + share * (log(high) - log(low))))
    if axis.size is not None:
        return _stepped(axis, int(share * axis.size))
    return plain(axis, axis.low + share * (axis.high - axis.low))


def plain(axis: Axis, value: Value) -> Value:
    """A drawn value as people write it: four significant digits, where it may be any number."""
    if isinstance(axis, Choices) or isinstance(value, str) or axis.step:
        return value
    rounded = round(value) if axis.whole else float(f"{value:.4g}")
    return min(max(rounded, axis.low), axis.high)


def contains(axis: Axis, value: Value) -> bool:
    """Whether the value is one that the axis has."""
    if isinstance(axis, Choices):
        return value in axis.values
    if isinstance(value, str) or not axis.low <= value <= axis.high:
        return False
    step = axis.step or (1 if axis.whole else None)
    steps = 0.0 if step is None else (value - axis.low) / step
    return isclose(steps, round(steps), abs_tol=1e-9)


def _stepped(axis: Range, index: int) -> Value:
    if axis.whole:
        return int(axis.low + index * (axis.step or 1))
    return round(axis.low + index * (axis.step or 1.0), 12)  # 0.1 + 2 × 0.1 is 0.3, whatever binary says
