"""Which tools were called in the place of which."""

from __future__ import annotations

from rich.table import Table

from orchestrator.evaluation.results import Results
from orchestrator.reports.formats import printable

MOST_SHOWN = 40


def confusion_table(results: Results) -> Table:
    """A row for each pair of tools that was mixed up, the most frequent first; a column for each model."""
    several = len(results.evaluation.settings["variants"]) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("expected", "called"):
        table.add_column(heading, overflow="fold")
    for series in results.series:
        named = f"{series.label} {series.variant}" if several else series.label
        table.add_column(printable(named), justify="right", overflow="fold")
    counted = [series.all.confusion for series in results.series]
    mixed = dict.fromkeys(pair for each in counted for pair in each if pair[0] != pair[1])
    ordered = sorted(mixed, key=lambda pair: -max(each.get(pair, 0) for each in counted))
    for expected, called in ordered[:MOST_SHOWN]:
        counts = (str(each.get((expected, called), 0)) for each in counted)
        table.add_row(printable(expected), printable(called), *counts)
    if len(ordered) > MOST_SHOWN:
        table.caption = f"… and {len(ordered) - MOST_SHOWN:,} pairs more, which are rarer (--json has them)"
        table.caption_justify = "left"
    return table
