"""Which tools were called instead of the expected ones."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.evaluation.results import Results
from orchestrator.reports.table import Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import printable

MOST_SHOWN = 40


def confusion_table(results: Results) -> Table:
    """A row for each pair of confused tools, the most frequent first; a column for each model."""
    several = len(results.evaluation.settings["variants"]) > 1
    labels = (f"{series.label} {series.variant}" if several else series.label for series in results.series)
    columns = [
        *(Column(heading, fit=Fit.FOLD) for heading in ("expected", "called")),
        *(Column(printable(label), fit=Fit.FOLD, is_number=True) for label in labels),
    ]
    counted = [series.all.confusion for series in results.series]
    mixed = dict.fromkeys(pair for each in counted for pair in each if pair[0] != pair[1])
    ordered = sorted(mixed, key=lambda pair: -max(each.get(pair, 0) for each in counted))
    rows = [pair_row(pair, [each.get(pair, 0) for each in counted]) for pair in ordered[:MOST_SHOWN]]
    left = len(ordered) - MOST_SHOWN
    notes = [f"… and {left:,} rarer pairs (--json has them)"] if left > 0 else []
    return Table(columns, rows, "Tools mixed up", notes)


def pair_row(pair: tuple[str, str], counts: Iterable[int]) -> Row:
    expected, called = pair
    return row(printable(expected), printable(called), *(Number(str(each), value=each) for each in counts))
