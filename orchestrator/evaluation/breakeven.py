"""From how many requests a day on a dearer start is worth it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cheaper(StrEnum):
    """When one way is cheaper than the other."""

    FROM = "from"
    """Above a number of requests a day."""
    ALWAYS = "always"
    """From the first request: nothing has to be earned back."""
    NEVER = "never"
    """Each of its requests costs as much as the other's, or more."""
    UNKNOWN = "unknown"
    """A price is not known."""


_ROUNDING = 1e-9
"""Of a price: a smaller difference comes from adding in another order, and is none."""


@dataclass(frozen=True)
class BreakEven:
    """When one way to answer requests is cheaper than another."""

    cheaper: Cheaper
    requests_per_day: float | None = None
    """Where both cost the same; None unless `cheaper` is FROM."""


def break_even(
    other_per_request: float | None, per_request: float | None, fixed_per_day: float | None
) -> BreakEven:
    """When a way with a fixed cost a day is cheaper than one that costs by the request alone; US dollars.

    Both cost the same at fixed / (other - own) requests a day.
    """
    if other_per_request is None or per_request is None:
        return BreakEven(Cheaper.UNKNOWN)
    saved = other_per_request - per_request
    if saved <= _ROUNDING * other_per_request:
        return BreakEven(Cheaper.NEVER)  # whatever the fixed cost is
    if fixed_per_day is None:
        return BreakEven(Cheaper.UNKNOWN)
    if fixed_per_day == 0:
        return BreakEven(Cheaper.ALWAYS)
    return BreakEven(Cheaper.FROM, fixed_per_day / saved)
