"""What each parameter of a sweep did, and what would be worth a try next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.jobfile import Sweep
from orchestrator.reports.console import print_wrapped
from orchestrator.reports.formats import plural, printable
from orchestrator.reports.parameters import listed
from orchestrator.reports.ranking import number
from orchestrator.sweeps.effects import Effect, Level
from orchestrator.sweeps.proposals import Suggestion
from orchestrator.sweeps.trials import Parameters

_BAR = 20
_LEVEL_WIDTH = 14
_STANDS_OUT = 0.3
"""The share of the differences beyond chance from which on a parameter is called a reason."""
_RIVAL = 0.5
"""A parameter with this part of the leading one's share is named beside it."""
_SEPARATE = 1.001
"""The shares of parameters that were crossed add up to 1 at most, but for rounding."""


def print_effects(effects: Sequence[Effect], sweep: Sweep, console: Console, metric: str | None = None) -> None:
    """The mean score at each value of each parameter, how much of the differences that is, and which decided.

    `metric` is what the scores are, where the sweep's own word for it is only "evaluation".
    """
    if not effects:
        return
    console.print("\nEffects", style="bold")
    for effect in effects:
        print_wrapped(f"{effect.parameter}: {_share(effect)}", console)
        console.print(_levels(effect, metric or sweep.metric))
    print_wrapped(reason(effects, sweep), console)


def reason(effects: Sequence[Effect], sweep: Sweep) -> str:
    """Which parameter decided, as a sentence."""
    most = max(effect.beyond_chance for effect in effects)
    leading = [effect for effect in effects if effect.beyond_chance >= _RIVAL * most]
    if most < _STANDS_OUT:
        return "No single parameter stands out: they act together, or the differences are chance."
    if len(leading) == 1:
        return f"Mostly {_said(leading[0], sweep)}."
    if sum(effect.share for effect in leading) > _SEPARATE:
        names = " and ".join(effect.parameter for effect in leading)
        return (
            f"{names} went together in these points, so which of them did it can't be told; a grid would show it."
        )
    return f"Above all {'; and '.join(_said(effect, sweep) for effect in leading)}."


def _said(effect: Effect, sweep: Sweep) -> str:
    ordered = sorted(effect.levels, key=lambda level: level.mean, reverse=sweep.goal == "maximize")
    best, worst = ordered[0], ordered[-1]
    return (
        f"{effect.parameter}: {printable(best.label)} is best ({number(best.mean)} on average), "
        f"{printable(worst.label)} worst ({number(worst.mean)})"
    )


def print_suggestions(suggestions: Sequence[Suggestion], console: Console) -> None:
    """Points that were not tried, with why, and the line of a job file that would try them."""
    if not suggestions:
        return
    console.print("\nWorth a try next", style="bold")
    for suggestion in suggestions:
        text = f"{listed(suggestion.parameters)}: {printable(suggestion.reason)}"
        print_wrapped(text, console)
    print_wrapped("In [sweep] of the job file, then submit it again; what was trained is not paid again:", console)
    for line in points_lines([suggestion.parameters for suggestion in suggestions]):
        console.print(f"    {line}", soft_wrap=True)


def points_lines(points: Sequence[Parameters]) -> list[str]:
    """The `points` of a job file's `[sweep]` that hold these."""
    tables = [", ".join(f"{name} = {_toml(given)}" for name, given in point.items()) for point in points]
    return ["points = [", *(f"  {{ {table} }}," for table in tables), "]"]


def _toml(given: float | str) -> str:
    if not isinstance(given, str):
        return str(given)
    escaped = printable(given).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _levels(effect: Effect, metric: str) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=_LEVEL_WIDTH, overflow="fold")
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    longest = max(abs(level.mean) for level in effect.levels)
    for level in effect.levels:
        name, points = f"    {printable(level.label)}", plural(level.points, "point")
        table.add_row(name, points, f"mean {metric}", number(level.mean), _bar(level, longest))
    return table


def _share(effect: Effect) -> str:
    importance = "" if effect.importance is None else f", importance {effect.importance:.0%} (Optuna)"
    explained = f"explains {effect.share:.0%} of the differences (chance alone {effect.by_chance:.0%})"
    return explained + importance


def _bar(level: Level, longest: float) -> str:
    """From zero on, so that its length is to the score as one score to another."""
    return "▆" * round(_BAR * abs(level.mean) / longest) if longest else ""
