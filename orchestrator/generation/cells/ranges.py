"""Ranges of numbers: their ends, and plausible values between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from orchestrator.generation.cells.choices import Aspect, Choice, Fixed, Numbers
from orchestrator.generation.cells.plausible import Span, span_of
from orchestrator.generation.cells.resolving import Impossible

_LARGEST = 1 << 63


def numbers(
    keywords: Mapping[str, Any], name: str, *, integer: bool, said: tuple[Any, ...] = ()
) -> tuple[Choice, ...]:
    """The choices for a number: "min" and "max" if the schema gives them, and "any" between.

    Raises Impossible if no number fits."""
    low, above = _limit(keywords, "minimum", "exclusiveMinimum", max)
    high, below = _limit(keywords, "maximum", "exclusiveMaximum", min)
    span = span_of(name, str(keywords.get("description", "")), integer=integer)
    step = _exact(keywords["multipleOf"]) if "multipleOf" in keywords else None
    scale = _scale(low, high, step, span, integer)
    first, last = _ends(low, high, span)
    unit = _unit(step, scale, integer)
    lowest = _up(first * scale, unit, strictly=above and low is not None)
    highest = _down(last * scale, unit, strictly=below and high is not None)
    if lowest > highest and (low is None or high is None):  # a wide step, and a range of our own
        lowest, highest = (lowest, lowest) if low is not None else (highest, highest)
    if lowest > highest:
        raise Impossible("minimum", "no number is between the limits")
    return _choices(
        Numbers(lowest, highest, unit, scale, _grain(lowest, highest, scale, span, integer), span.place, said),
        low,
        high,
    )


def _choices(all_of_them: Numbers, low: Fraction | None, high: Fraction | None) -> tuple[Choice, ...]:
    lowest, highest, unit, scale = all_of_them.first, all_of_them.last, all_of_them.step, all_of_them.scale
    if lowest == highest:
        return (Choice("any", Fixed(as_number(lowest, scale))),)
    ends, boundary = [], frozenset((Aspect.BOUNDARY,))
    if low is not None:
        ends.append(Choice("min", Fixed(as_number(lowest, scale)), boundary))
    if high is not None:
        ends.append(Choice("max", Fixed(as_number(highest, scale)), boundary))
    inner_low, inner_high = lowest + unit * (low is not None), highest - unit * (high is not None)
    if inner_low > inner_high:
        return tuple(ends)
    said = tuple(value for value in all_of_them.said if inner_low <= _exact(value) * scale <= inner_high)
    inner = Numbers(inner_low, inner_high, unit, scale, all_of_them.grain, all_of_them.place, said)
    return (*ends, Choice("any", inner))


def as_number(n: int, scale: int) -> int | float:
    """`n / scale`, as an int if it is whole and fits into 64 bits."""
    whole, rest = divmod(n, scale)
    return whole if not rest and -_LARGEST <= whole < _LARGEST else n / scale


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _limit(keywords: Mapping[str, Any], with_it: str, without: str, tighter: Any) -> tuple[Fraction | None, bool]:
    """The limit, and whether it is exclusive."""
    inclusive, exclusive = keywords.get(with_it), keywords.get(without)
    if exclusive is True:  # as draft 4 writes it
        return (None, False) if inclusive is None else (_exact(inclusive), True)
    if exclusive is None or exclusive is False:
        return (None, False) if inclusive is None else (_exact(inclusive), False)
    if inclusive is None or tighter(inclusive, exclusive) == exclusive:
        return _exact(exclusive), True
    return _exact(inclusive), False


def _scale(low: Fraction | None, high: Fraction | None, step: Fraction | None, span: Span, integer: bool) -> int:
    """The scale at which the limits and the step are whole numbers."""
    if integer and step is None:
        return 1
    decimals = max((_decimals(number) for number in (low, high, step) if number is not None), default=0)
    if step is None:
        decimals = max(decimals, span.decimals)
        width = float(high - low) if low is not None and high is not None else 0.0
        if 0 < width < 20:
            decimals = max(decimals, 2 - math.floor(math.log10(width)))
    return int(10**decimals)


def _decimals(number: Fraction) -> int:
    return next(decimals for decimals in range(1100) if 10**decimals % number.denominator == 0)


def _ends(low: Fraction | None, high: Fraction | None, span: Span) -> tuple[Fraction, Fraction]:
    """The range: the schema's limits, else plausible ones."""
    usual = Fraction(span.high - span.low)
    if low is None and high is None:
        return Fraction(span.low), Fraction(span.high)
    if low is None:
        assert high is not None
        return (Fraction(span.low) if span.low < high else high - usual), high
    if high is None:
        return low, (Fraction(span.high) if span.high > low else low + usual)
    return low, high


def _unit(step: Fraction | None, scale: int, integer: bool) -> int:
    unit = 1 if step is None else int(step * scale)
    return math.lcm(unit, scale) if integer else unit


def _grain(lowest: int, highest: int, scale: int, span: Span, integer: bool) -> int:
    """Three digits of the range, and no more decimals than people say."""
    digits: int = 10 ** max(0, len(str(highest - lowest)) - 3)
    return max(1, digits, scale if integer else scale // int(10**span.decimals) if span.decimals else 1)


def _up(number: Fraction, unit: int, *, strictly: bool) -> int:
    first = math.ceil(number / unit) * unit
    return first + unit if strictly and first == number else first


def _down(number: Fraction, unit: int, *, strictly: bool) -> int:
    last = math.floor(number / unit) * unit
    return last - unit if strictly and last == number else last
