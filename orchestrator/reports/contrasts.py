"""One model against another, measure by measure, and what that proves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.measures import MEASURES
from orchestrator.evaluation.results import Contrast
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.reports.console import print_wrapped
from orchestrator.reports.formats import printable


def print_contrasts(title: str, first: str, contrasts: Sequence[Contrast], console: Console) -> None:
    """What was compared and how, the table, and what to know of it."""
    console.print(printable(title), style="bold", soft_wrap=True)
    print_wrapped(method(contrasts), console, indent="", hanging="")
    console.print(contrasts_table(first, contrasts))
    if sentence := too_few(contrasts):
        print_wrapped(sentence, console, indent="", hanging="")


def method(contrasts: Sequence[Contrast]) -> str:
    """How the numbers of these comparisons are made."""
    several = max((contrast.of for contrast in contrasts), default=1)
    holm = f"; p after Holm, for {several} comparisons" if several > 1 else ""
    return f"exact McNemar test, paired bootstrap 95 % interval in points{holm}"


def too_few(contrasts: Sequence[Contrast]) -> str:
    """Why some of these comparisons could not come to anything; "" where all could."""
    fewest = fewest_changes()
    if not any(0 < _changed(contrast) < fewest and not contrast.is_established for contrast in contrasts):
        return ""
    return f"Where fewer than {fewest} answers changed, no test can establish a difference: ask more cases."


def contrasts_table(first: str, contrasts: Sequence[Contrast]) -> Table:
    """A row for each measure; of several models or variants a row each, under the name of the measure.

    `first` heads the column of the model that the others are held against.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", min_width=12)  # alone it may break, so no figure is cut off
    for heading in (first, "then", "difference", "p", ""):
        table.add_column(heading, no_wrap=True)
    several = len({(contrast.label, contrast.variant) for contrast in contrasts}) > 1
    for measure, found in groupby(contrasts, key=lambda contrast: contrast.measure):
        if several:
            table.add_row(Text(MEASURES[measure].title, style="bold"))
        for contrast in found:
            table.add_row(
                f"  {_who(contrast, contrasts)}" if several else MEASURES[measure].title, *_cells(contrast)
            )
    return table


def p_cell(p_value: float) -> str:
    """A p-value where there is little room: `0.013`, `<0.0001`."""
    return p_shown(p_value).replace("below ", "<")


def meaning(contrast: Contrast) -> Text:
    """Better, worse, or that nothing is known."""
    found = contrast.comparison
    if _changed(contrast) == 0:
        return Text("no difference")
    if not contrast.is_established:
        return Text("not established", style="yellow")
    is_good = (found.better > found.worse) != MEASURES[contrast.measure].better_low
    return Text("better", style="green") if is_good else Text("worse", style="bold red")


def _who(contrast: Contrast, among: Sequence[Contrast]) -> str:
    """The label and the variant, as far as they tell these comparisons apart."""
    labels, variants = {each.label for each in among}, {each.variant for each in among}
    parts = [*([contrast.label] if len(labels) > 1 else []), *([contrast.variant] if len(variants) > 1 else [])]
    return printable(" ".join(parts))


def _cells(contrast: Contrast) -> list[str | Text]:
    found = contrast.comparison
    shares = [f"{side.successes} of {side.count}" for side in (found.first, found.second)]
    interval = found.difference
    points = "" if interval is None else _points(interval.value, interval.low, interval.high)
    return [*shares, points, p_cell(contrast.p_value), meaning(contrast)]


def _points(value: float, low: float, high: float) -> str:
    return f"{value * 100:+.0f} ({low * 100:+.0f} to {high * 100:+.0f})"


def _changed(contrast: Contrast) -> int:
    return contrast.comparison.better + contrast.comparison.worse
