"""One model against another, measure by measure, and what that proves."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.measures import MEASURES
from orchestrator.evaluation.results import Contrast
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.reports.formats import printable


def print_contrasts(title: str, first: str, contrasts: Sequence[Contrast], console: Console) -> None:
    """A row for each measure and model; `first` heads the column of the model that the others are held against."""
    several = max(contrast.of for contrast in contrasts)
    holm = f"; p after Holm, for {several} comparisons" if several > 1 else ""
    method = f"{title}: exact McNemar test, paired bootstrap 95 % interval{holm}"
    console.print(method, style="bold", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    several_labels = len({contrast.label for contrast in contrasts}) > 1
    several_variants = len({contrast.variant for contrast in contrasts}) > 1
    who = [*(["model"] if several_labels else []), *(["variant"] if several_variants else [])]
    table.add_column("")
    for heading in (*who, first, "then", "difference", "p"):
        table.add_column(heading, no_wrap=True)
    table.add_column("")  # Rich narrows the columns that may wrap first, so no figure is cut off
    for contrast in contrasts:
        named = [*([printable(contrast.label)] if several_labels else [])]
        named += [contrast.variant] if several_variants else []
        table.add_row(MEASURES[contrast.measure].title, *named, *_cells(contrast))
    console.print(table)


def _cells(contrast: Contrast) -> list[str | Text]:
    found = contrast.comparison
    shares = [f"{side.successes} of {side.count}" for side in (found.first, found.second)]
    interval = found.difference
    points = "" if interval is None else _points(interval.value, interval.low, interval.high)
    return [*shares, points, p_shown(contrast.p_value), _meaning(contrast)]


def _points(value: float, low: float, high: float) -> str:
    return f"{value * 100:+.0f} points ({low * 100:+.0f} to {high * 100:+.0f})"


def _meaning(contrast: Contrast) -> Text:
    found = contrast.comparison
    changed = found.better + found.worse
    if changed == 0:
        return Text("no difference")
    if not contrast.is_established:
        few = f" ({changed} changed; it takes {fewest_changes()})" if changed < fewest_changes() else ""
        return Text(f"not established{few}", style="yellow")
    is_good = (found.better > found.worse) != MEASURES[contrast.measure].better_low
    return Text("better", style="green") if is_good else Text("worse", style="bold red")
