"""The comparison that `compare` prints: one model against another, regressions first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.evaluation.results import MetricComparison
from orchestrator.evaluation.versus import Changed, ModelComparison, Side
from orchestrator.reports.comparison import comparison_object, print_comparisons
from orchestrator.reports.confusion import pair_row
from orchestrator.reports.evaluation import print_rehearsal
from orchestrator.reports.table import Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import plural, print_wrapped, printable, shown_path
from orchestrator.reports.verdict import found_line

_SHOWN_CASES = 20


def print_model_comparison(comparison: ModelComparison, console: Console) -> None:
    """Print the verdict, the metrics, the changed cases, and the tools that were mixed up."""
    if comparison.metrics:
        print_wrapped(f"{found_line(_headline(comparison), 'first')}.", console, indent="", style="bold")
    print_rehearsal(comparison.second.evaluation, console)
    for note in comparison.notes:
        print_wrapped(f"Warning: {printable(note)}", console, indent="", style="yellow")
    for word, side in (("first", comparison.first), ("second", comparison.second)):
        console.print(printable(f"{word:7} {_side_name(side)}"), soft_wrap=True)
    for line in _files(comparison):
        console.print(printable(line), soft_wrap=True)
    console.print()
    print_comparisons("The second against the first, case by case", "first", comparison.metrics, console)
    _print_changed("Broken", "right with the first only", comparison.broken, console)
    _print_changed("Fixed", "right with the second only", comparison.fixed, console)
    _print_confusion(comparison, console)


def _headline(comparison: ModelComparison) -> MetricComparison:
    """Call accuracy, or else the first metric that both models have."""
    usual = (each for each in comparison.metrics if each.measure == "call_accuracy")
    return next(usual, comparison.metrics[0])


def _files(comparison: ModelComparison) -> Iterator[str]:
    variants = [side.key[1] for side in (comparison.first, comparison.second)]
    if variants[0] != variants[1]:
        yield f"        asked with {' and '.join(variants)} definitions; for others, name MODEL@VARIANT"
    paths = [shown_path(side.evaluation.file_path) for side in (comparison.first, comparison.second)]
    if comparison.has_same_file:
        yield f"cases   {paths[1]}"
    else:
        yield f"cases   first: {paths[0]}; second: {paths[1]}"
        yield "        The same requests with different tool definitions; each answer was scored by its own file."


def model_comparison_object(comparison: ModelComparison) -> dict[str, Any]:
    """The object that `compare --json` prints."""
    return {
        "first": _side(comparison.first),
        "second": _side(comparison.second),
        "file_sha256": comparison.first.evaluation.file_sha256,
        "has_same_file": comparison.has_same_file,
        "warnings": list(comparison.notes),
        "second_against_first": [comparison_object(each) for each in comparison.metrics],
        "broken": [asdict(changed) for changed in comparison.broken],
        "fixed": [asdict(changed) for changed in comparison.fixed],
        "confusion": [
            {"expected": expected, "called": called, "first": first, "second": second}
            for (expected, called), (first, second) in comparison.confusion.items()
        ],
    }


def _side(side: Side) -> dict[str, Any]:
    model, variant = side.key
    return {"model": model, "variant": variant, "evaluation": side.evaluation.id}


def _side_name(side: Side) -> str:
    model, variant = side.key
    return f"{model}@{variant} (evaluation {side.evaluation.id})"


def _print_changed(title: str, meaning: str, changed: Sequence[Changed], console: Console) -> None:
    console.print()
    console.print(f"{title}: {plural(len(changed), 'answer')} {meaning}", style="bold")
    if not changed:
        return
    columns = [
        Column("case", fit=Fit.LINE),
        Column("line", fit=Fit.LINE, is_number=True),
        *(Column(heading, fit=Fit.FOLD, takes_rest=True) for heading in ("request", "reason")),
    ]
    console.print(Table(columns, [_changed_row(each) for each in changed[:_SHOWN_CASES]]))
    if len(changed) > _SHOWN_CASES:
        console.print(f"… and {len(changed) - _SHOWN_CASES:,} more; --json has all of them")


def _changed_row(each: Changed) -> Row:
    line = Number(str(each.line), value=each.line)
    return row(printable(each.case), line, printable(each.request), printable(each.difference))


def _print_confusion(comparison: ModelComparison, console: Console) -> None:
    if not comparison.confusion:
        return
    console.print()
    console.print("Tools mixed up", style="bold")
    columns = [
        *(Column(heading, fit=Fit.FOLD) for heading in ("expected", "called")),
        *(Column(heading, fit=Fit.LINE, is_number=True) for heading in ("first", "second")),
    ]
    shown = list(comparison.confusion.items())[:_SHOWN_CASES]
    console.print(Table(columns, [pair_row(pair, counts) for pair, counts in shown]))
