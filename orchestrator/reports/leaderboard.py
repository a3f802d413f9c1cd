"""Models side by side: what `leaderboard` and `compare` print."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.evaluation.leaderboard import Changed, Leaderboard, ModelComparison, Place, Side
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.results import Results
from orchestrator.jobfile import ScoreName
from orchestrator.reports.comparison import comparison_object, p_shown_short, print_comparisons, share_cell
from orchestrator.reports.evaluation import print_rehearsal
from orchestrator.reports.figures import series_object
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import ago, iso, money, plural, printable

_COLUMNS: tuple[ScoreName, ...] = ("call_accuracy", "rejection_recall", "over_rejection")
MOST_SHOWN = 40
_SHOWN_CASES = 20


def print_leaderboard(board: Leaderboard, metric: ScoreName, console: Console) -> None:
    """One file's models, the best first by `metric`, each by its newest evaluation."""
    head = f"{board.file_path}: {plural(board.cases, 'case')}, sha256 {board.file_sha256[:8]}; by {metric}"
    console.print(printable(head), style="bold", soft_wrap=True)
    local = [place.evaluation for place in board.places if place.evaluation.endpoint_type == "local"]
    if local:
        print_rehearsal(local[0], console)
    console.print(places_table(board, metric))
    for rank, place in enumerate(board.places, start=1):
        console.print(f"{rank}  {_place_name(place)}", soft_wrap=True)
    _print_others(board, console)
    console.print()


def places_table(board: Leaderboard, metric: ScoreName) -> Table:
    """A row for each model, by its rank; what is long may wrap."""
    measures = [name for name in dict.fromkeys((metric, *_COLUMNS)) if name in METRICS]
    columns = [
        Column("", "rank", Fit.LINE, is_number=True),
        *(Column(METRICS[name].title, name, Fit.FOLD, is_number=True) for name in measures),
        *(Column(heading, fit=Fit.LINE, is_number=True) for heading in ("F1", "p to 1st", "tokens")),
        Column("1,000 calls", fit=Fit.FOLD, is_number=True),
        Column("when", fit=Fit.LINE, is_number=True),
    ]
    return Table(columns, [_place_row(rank, place, measures) for rank, place in enumerate(board.places, start=1)])


def leaderboard_object(board: Leaderboard) -> dict[str, Any]:
    """One file of `leaderboard --json`."""
    return {
        "file": board.file_path,
        "file_sha256": board.file_sha256,
        "cases": board.cases,
        "models": [
            {
                **series_object(place.series),
                "evaluation": place.evaluation.id,
                "name": place.evaluation.name,
                "endpoint": place.evaluation.endpoint,
                "rehearsal": place.evaluation.endpoint_type == "local",
                "evaluated_at": iso(place.evaluation.created_at),
                "p_value_against_first": place.p_value,
            }
            for place in board.places
        ],
        "rejection_tools": list(board.conditions.rejection_tools),
        "scored_otherwise": [
            {
                "model": other.model,
                "variants": list(other.variants),
                "evaluation": other.evaluation.id,
                "rejection_tools": list(other.conditions.rejection_tools),
                "command": other.command,
            }
            for other in board.scored_otherwise
        ],
    }


def _place_row(rank: int, place: Place, measures: Sequence[ScoreName]) -> Row:
    found = place.series.all
    shares = (share_cell(METRICS[name].of(found)) for name in measures if name in METRICS)
    return row(Number(str(rank), value=rank), *shares, *_rest(place))


def _rest(place: Place) -> list[Cell]:
    found = place.series.all
    f1, tokens, usd = found.arguments.f1, found.prompt_tokens, place.series.usd_per_thousand
    is_free = place.evaluation.endpoint_type == "local"
    return [
        Number("–" if f1 is None else f"{f1:.2f}", value=f1),
        Number("–" if place.p_value is None else p_shown_short(place.p_value), value=place.p_value),
        Number(f"{tokens.mean:,.0f}" if tokens else "–", value=tokens.mean if tokens else None, unit="tokens"),
        Number("no charge" if is_free else money(usd), value=0.0 if is_free else usd, unit="USD"),
        Cell(ago(place.evaluation.created_at, time.time())),
    ]


def _print_others(board: Leaderboard, console: Console) -> None:
    """What was asked the same and can't be ranked among these."""
    if not board.scored_otherwise:
        return
    console.print(
        printable(f"Here {board.conditions}. Scored otherwise, so not ranked:"), style="yellow", soft_wrap=True
    )
    for other in board.scored_otherwise:
        variants = ", ".join(other.variants)
        console.print(printable(f"–  {other.model} ({variants}): {other.conditions}"), soft_wrap=True)
        console.print(printable(f"   to rank it, without asking: {other.command}"), soft_wrap=True)


def _place_name(place: Place) -> str:
    series = place.series
    variant = f", {series.variant}" if series.variant != "full" else ""
    label = f" ({series.label})" if series.label != series.model else ""
    return printable(f"{series.model}{label}{variant}")


# --- One model against another, regressions first -------------------------------------------------------------


def print_model_comparison(comparison: ModelComparison, console: Console) -> None:
    """The measures, the cases that changed, and the tools that were mixed up."""
    evaluation = comparison.second.evaluation
    console.print(printable(f"On {evaluation.file_path}"), style="bold", soft_wrap=True)
    print_rehearsal(evaluation, console)
    for word, side in (("first", comparison.first), ("second", comparison.second)):
        console.print(printable(f"  {word:7} {_side_name(side)}"), soft_wrap=True)
    console.print()
    print_comparisons("The second against the first, case by case", "first", comparison.metrics, console)
    _print_changed("Broken", "right with the first only", comparison.broken, console)
    _print_changed("Fixed", "right with the second only", comparison.fixed, console)
    _print_confusion(comparison, console)


def model_comparison_object(comparison: ModelComparison) -> dict[str, Any]:
    """What `compare --json` prints."""
    return {
        "first": _side(comparison.first),
        "second": _side(comparison.second),
        "file_sha256": comparison.first.evaluation.file_sha256,
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
    return f"{model} ({variant}, evaluation {side.evaluation.id})"


def _print_changed(title: str, meaning: str, changed: Sequence[Changed], console: Console) -> None:
    console.print()
    console.print(f"{title}: {plural(len(changed), 'answer')} {meaning}", style="bold")
    if not changed:
        return
    columns = [
        Column("case", fit=Fit.LINE),
        Column("line", fit=Fit.LINE, is_number=True),
        *(Column(heading, fit=Fit.FOLD, takes_rest=True) for heading in ("asked", "what is wrong then")),
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
    console.print(Table(columns, [_pair_row(pair, counts) for pair, counts in shown]))


# --- Which tools were called in place of which ----------------------------------------------------------------


def confusion_table(results: Results) -> Table:
    """A row for each pair of tools that was mixed up, the most frequent first; a column for each model."""
    several = len(results.evaluation.settings["variants"]) > 1
    labels = (f"{series.label} {series.variant}" if several else series.label for series in results.series)
    columns = [
        *(Column(heading, fit=Fit.FOLD) for heading in ("expected", "called")),
        *(Column(printable(label), fit=Fit.FOLD, is_number=True) for label in labels),
    ]
    counted = [series.all.confusion for series in results.series]
    mixed = dict.fromkeys(pair for each in counted for pair in each if pair[0] != pair[1])
    ordered = sorted(mixed, key=lambda pair: -max(each.get(pair, 0) for each in counted))
    rows = [_pair_row(pair, [each.get(pair, 0) for each in counted]) for pair in ordered[:MOST_SHOWN]]
    left = len(ordered) - MOST_SHOWN
    notes = [f"… and {left:,} pairs more, which are rarer (--json has them)"] if left > 0 else []
    return Table(columns, rows, "Tools mixed up", notes)


def _pair_row(pair: tuple[str, str], counts: Iterable[int]) -> Row:
    expected, called = pair
    return row(printable(expected), printable(called), *(Number(str(each), value=each) for each in counts))
