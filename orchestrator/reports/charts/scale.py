"""The scale of an axis: its bounds, its round numbers, and where a value is between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_FEW_DECADES = 1.5
"""A logarithmic axis that spans less also has a number at 2 and 5."""
_MOST_DECADES = 6


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, which differ; positive where it is logarithmic."""

    low: float
    high: float
    ticks: Sequence[float]
    is_log: bool = False

    def at(self, value: float) -> float:
        """Where the value is: 0 at the low end, 1 at the high end."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """The number at a tick, with the decimals that tell it from its neighbours: `0.25`, `1,000`, `2e-05`."""
        if self.is_log or len(self.ticks) < 2:
            return _plain(tick)
        step = abs(self.ticks[1] - self.ticks[0])
        if max(map(abs, self.ticks)) >= 1e6 or step < 1e-4:
            return f"{tick:.3g}"
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        decimals += decimals < 4 and not math.isclose(step * 10**decimals, round(step * 10**decimals))
        return f"{tick:,.{decimals}f}"


def scale_of(values: Iterable[float], *, is_log: bool = False, most: int = 6, is_snug: bool = False) -> Scale:
    """The scale that holds all the values, with at most about `most` round numbers.

    It begins and ends at a round number; with `is_snug` at the lowest and the highest value. A logarithmic scale
    leaves out what is not positive.
    """
    found = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]
    low, high = (min(found), max(found)) if found else (1.0, 10.0) if is_log else (0.0, 1.0)
    if is_log:
        return _logarithmic(low, high, is_snug=is_snug)
    if low == high:
        low, high = _around(low)
    step = _step((high - low) / max(1, most - 1))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [number * step for number in range(first, last + 1)]
    if is_snug:
        slack = (high - low) * 1e-9
        return Scale(low, high, [tick for tick in ticks if low - slack <= tick <= high + slack])
    return Scale(ticks[0], ticks[-1], ticks)


def _around(value: float) -> tuple[float, float]:
    """Room around a value that is alone."""
    room = abs(value) / 2 or 0.5
    return value - room, value + room


def _step(about: float) -> float:
    """The round step that is not smaller."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(power * step for step in _STEPS if power * step >= about * (1 - 1e-9))


def _logarithmic(low: float, high: float, *, is_snug: bool) -> Scale:
    if low == high:
        low, high = low / 2, high * 2
    decades = math.log10(high / low)
    factors = (1, 2, 5) if decades < _FEW_DECADES else (1,)
    every = max(1, math.ceil(decades / _MOST_DECADES))
    powers = range(math.floor(math.log10(low)) - every, math.ceil(math.log10(high)) + every + 1)
    ticks = [factor * 10.0**power for power in powers if power % every == 0 for factor in factors]
    if not is_snug:
        low = max(tick for tick in ticks if tick <= low * (1 + 1e-9))
        high = min(tick for tick in ticks if tick >= high * (1 - 1e-9))
    inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return Scale(low, high, inside, is_log=True)


def _plain(tick: float) -> str:
    return f"{tick:,.0f}" if 1 <= tick < 1e6 and tick == round(tick) else f"{tick:.3g}"
