"""The cost of ownership as a chart: US dollars per month over requests per day, both on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.evaluation.ownership import Option, Ownership
from orchestrator.reports.charts.chart import Axis, Chart, Line, Mark
from orchestrator.reports.ownership import named
from orchestrator.reports.text import plural

_POINTS = 60


def ownership_chart(ownership: Ownership) -> Chart:
    """A line for each model in a variant, and a dot where one becomes cheaper than the base. Unknown costs have no
    line."""
    days = plural(ownership.terms.life_days, "day")
    return Chart(
        f"Prices of {ownership.priced_as}, training spread over {days}",
        Axis("requests per day", is_log=True),
        Axis("US dollars per month", is_log=True),
        [
            _line(ownership, option, is_base=number < len(ownership.bases))
            for number, option in enumerate(ownership.options)
        ],
        _turning_points(ownership),
        "becomes cheaper than the base",
    )


def _line(ownership: Ownership, option: Option, *, is_base: bool) -> Line:
    points = [(x, ownership.usd_per_month(option, x)) for x in _requests(ownership)]
    return Line(named(option), points, is_strong=is_base)


def _turning_points(ownership: Ownership) -> list[Mark]:
    low, high = _range(ownership)
    marks = []
    for owned in ownership.owned:
        x = owned.break_even.requests_per_day
        usd = ownership.usd_per_month(owned.option, x) if x is not None else None
        if x is not None and usd is not None and low <= x <= high:
            marks.append(Mark(x, f"{named(owned.option)}: from {x:,.0f} requests per day", usd))
    return marks


def _range(ownership: Ownership) -> tuple[float, float]:
    """The range of requests per day: the requested ones, extended within limits to show the break-even points."""
    requested = ownership.terms.requests_per_day
    low, high = min(requested), max(requested)
    turns = [each.break_even.requests_per_day for each in ownership.owned]
    near = [turn for turn in turns if turn is not None and low / 100 <= turn <= high * 100]
    return min([low, *(turn / 2 for turn in near)]), max([high, low * 10, *(turn * 2 for turn in near)])


def _requests(ownership: Ownership) -> Sequence[float]:
    low, high = _range(ownership)
    return [low * (high / low) ** (step / (_POINTS - 1)) for step in range(_POINTS)]
