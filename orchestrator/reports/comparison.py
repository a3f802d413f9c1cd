"""One model compared with another, metric by metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console

from orchestrator.evaluation.comparison import p_shown
from orchestrator.evaluation.metrics import METRICS, Proportion
from orchestrator.evaluation.results import MetricComparison
from orchestrator.evaluation.statistics import fewest_changes
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Table, heading_row, row
from orchestrator.reports.text import print_wrapped, printable


def print_comparisons(title: str, first: str, comparisons: Sequence[MetricComparison], console: Console) -> None:
    """Print the title, the method, the table and its notes."""
    console.print(printable(title), style="bold", soft_wrap=True)
    print_wrapped(method(comparisons), console, indent="", hanging="")
    console.print(comparisons_table(first, comparisons))
    if sentence := too_few(comparisons):
        print_wrapped(sentence, console, indent="", hanging="")


def method(comparisons: Sequence[MetricComparison]) -> str:
    """The statistical methods of these comparisons."""
    several = max((each.of for each in comparisons), default=1)
    holm = f"; p Holm-adjusted for {several} comparisons" if several > 1 else ""
    return f"exact McNemar test, paired bootstrap 95 % CI in points{holm}"


def too_few(comparisons: Sequence[MetricComparison]) -> str:
    """Why some of these comparisons could not be established; "" if all could."""
    fewest = fewest_changes()
    comparisons = [each for each in comparisons if METRICS[each.measure].in_tables]
    if not any(0 < _changed(each) < fewest and not each.is_established for each in comparisons):
        return ""
    return f"A difference needs at least {fewest} changed answers to be established: ask more cases."


def comparisons_table(first: str, comparisons: Sequence[MetricComparison], *, is_short: bool = False) -> Table:
    """A row for each metric; with several models or variants, a row for each under the name of the metric.

    `first` heads the column of the model that the others are compared with. With `is_short`, the table has shares
    instead of counts, and no p-values.
    """
    comparisons = [each for each in comparisons if METRICS[each.measure].in_tables]
    several = len({(each.label, each.variant) for each in comparisons}) > 1
    labels = {each.label for each in comparisons}
    second = "second" if first == "first" else printable(labels.pop()) if len(labels) == 1 else "model"
    difference = "difference, 95 % CI" if is_short else "difference"
    columns = [
        Column("", "model" if several else "measure", Fit.FOLD, least_width=12),  # may wrap: no number is cut off
        *(Column(heading, fit=Fit.LINE, is_number=is_short) for heading in (first, second)),
        Column(difference, "difference", Fit.LINE),
        *([] if is_short else [Column("p", fit=Fit.LINE)]),
        Column("", "verdict", Fit.LINE),
    ]
    rows = []
    for measure, found in groupby(comparisons, key=lambda each: each.measure):
        title = METRICS[measure].title
        rows += [heading_row(title)] if several else []
        rows += [
            row(f"  {_compared(each, comparisons)}" if several else title, *_cells(each, is_short=is_short))
            for each in found
        ]
    return Table(columns, rows)


def comparison_object(each: MetricComparison) -> dict[str, Any]:
    """One comparison; `before` is the base, or the first of two models."""
    found = each.comparison
    return {
        "model": each.model,
        "label": each.label,
        "variant": each.variant,
        "measure": each.measure,
        "before": share_object(found.first),
        "after": share_object(found.second),
        "difference": asdict(found.difference) if found.difference else None,
        "better": found.better,
        "worse": found.worse,
        "p_value": found.p_value,
        "p_value_adjusted": each.p_value,
        "models_compared": each.of,
        "is_established": each.is_established,
        "broken": list(found.broken),
        "fixed": list(found.fixed),
    }


def verdict(each: MetricComparison) -> Cell:
    """Better, worse, no difference, or not established."""
    if not each.has_changes:
        return Cell("no difference")
    if not each.is_established:
        return Cell("not established", Meaning.WARNING)
    return Cell("better", Meaning.GOOD) if each.is_better else Cell("worse", Meaning.BAD)


def p_shown_short(p_value: float) -> str:
    """A p-value in short: `0.013`, `<0.0001`."""
    return p_shown(p_value).replace("below ", "<")


def _compared(each: MetricComparison, among: Sequence[MetricComparison]) -> str:
    """The label and the variant, where they differ between these comparisons."""
    labels, variants = {each.label for each in among}, {each.variant for each in among}
    parts = [*([each.label] if len(labels) > 1 else []), *([each.variant] if len(variants) > 1 else [])]
    return printable(" ".join(parts))


def _cells(each: MetricComparison, *, is_short: bool) -> list[Cell]:
    found, interval = each.comparison, each.comparison.difference
    points = "" if interval is None else _points(interval.value, interval.low, interval.high)
    return [
        *(_of_side(side, is_short=is_short) for side in (found.first, found.second)),
        Number(points, value=interval.value if interval else None),
        *([] if is_short else [Number(p_shown_short(each.p_value), value=each.p_value)]),
        verdict(each),
    ]


def _of_side(side: Proportion, *, is_short: bool) -> Number:
    counted = f"{side.successes} of {side.count}"
    share = f"{side.value or 0.0:.0%} of {side.count}"
    return Number(share if is_short else counted, value=side.value)


def _points(value: float, low: float, high: float) -> str:
    return f"{value * 100:+.0f} ({low * 100:+.0f} to {high * 100:+.0f})"


def _changed(each: MetricComparison) -> int:
    return each.comparison.better + each.comparison.worse


# --- Proportions ----------------------------------------------------------------------------------------------


def share(found: Proportion) -> str:
    """`22 of 27, 81 % (63-92)`, with the interval in per cent."""
    if found.interval is None:
        return "–"
    low, high = found.interval.low * 100, found.interval.high * 100
    return f"{found.successes} of {found.count}, {found.interval.value:.0%} ({low:.0f}-{high:.0f})"


def share_cell(found: Proportion, *, has_interval: bool = True) -> Number:
    """In the form of `share`, or only `22 of 27`; programs get the share, 0..1."""
    plain = f"{found.successes} of {found.count}" if found.count else "–"
    value = found.interval.value if found.interval else None
    return Number(share(found) if has_interval else plain, value=value)


def share_object(found: Proportion) -> dict[str, Any]:
    """A share with its 95 % CI; None if nothing was counted."""
    interval = found.interval
    return {
        "count": found.successes,
        "of": found.count,
        "clusters": found.clusters,
        "share": interval.value if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
