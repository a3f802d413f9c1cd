"""What `leaderboard` prints: a table for each evaluation file."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.evaluation.leaderboard import Changed, Leaderboard, ModelComparison, Place, Side
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.results import Results
from orchestrator.jobfile import ScoreName
from orchestrator.reports.evaluation import p_cell, print_comparisons, print_rehearsal, share
from orchestrator.reports.text import ago, money, plural, printable

_COLUMNS: tuple[ScoreName, ...] = ("call_accuracy", "rejection_recall", "over_rejection")


def print_leaderboard(board: Leaderboard, metric: ScoreName, console: Console) -> None:
    """One file's models, the best first by `metric`, each by its newest evaluation."""
    head = f"{board.file_path}: {plural(board.cases, 'case')}, sha256 {board.file_sha256[:8]}; by {metric}"
    console.print(printable(head), style="bold", soft_wrap=True)
    local = [place.evaluation for place in board.places if place.evaluation.endpoint_type == "local"]
    if local:
        print_rehearsal(local[0], console)
    measures = [name for name in dict.fromkeys((metric, *_COLUMNS)) if name in METRICS]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", no_wrap=True)
    for name in measures:
        table.add_column(METRICS[name].title, justify="right", overflow="fold")  # may wrap
    for heading in ("F1", "p to 1st", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("1,000 calls", justify="right", overflow="fold")
    table.add_column("when", justify="right", no_wrap=True)
    for rank, place in enumerate(board.places, start=1):
        shares = (share(METRICS[name].of(place.series.all)) for name in measures)
        table.add_row(str(rank), *shares, *_rest(place))
    console.print(table)
    for rank, place in enumerate(board.places, start=1):
        console.print(f"{rank}  {_place_name(place)}", soft_wrap=True)
    _print_others(board, console)
    console.print()


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


def _rest(place: Place) -> list[str]:
    found = place.series.all
    f1, tokens = found.arguments.f1, found.prompt_tokens
    is_local = place.evaluation.endpoint_type == "local"
    return [
        "–" if f1 is None else f"{f1:.2f}",
        "–" if place.p_value is None else p_cell(place.p_value),
        f"{tokens.mean:,.0f}" if tokens else "–",
        "no charge" if is_local else money(place.series.usd_per_thousand),
        ago(place.evaluation.created_at, time.time()),
    ]


def _place_name(place: Place) -> str:
    series = place.series
    variant = f", {series.variant}" if series.variant != "full" else ""
    label = f" ({series.label})" if series.label != series.model else ""
    return printable(f"{series.model}{label}{variant}")


# --- Which tools were called in the place of which ------------------------------------------------------------


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


# --- What `compare` prints: regressions first -----------------------------------------------------------------


_SHOWN_CASES = 20


def print_model_comparison(contest: ModelComparison, console: Console) -> None:
    """The measures, the cases that changed, and the tools that were mixed up."""
    evaluation = contest.second.evaluation
    console.print(printable(f"On {evaluation.file_path}"), style="bold", soft_wrap=True)
    print_rehearsal(evaluation, console)
    for word, side in (("first", contest.first), ("second", contest.second)):
        console.print(printable(f"  {word:7} {_side_name(side)}"), soft_wrap=True)
    console.print()
    print_comparisons("The second against the first, case by case", "first", contest.contrasts, console)
    _print_changed("Broken", "right with the first only", contest.broken, console)
    _print_changed("Fixed", "right with the second only", contest.fixed, console)
    _print_confusion(contest, console)


def _side_name(side: Side) -> str:
    model, variant = side.key
    return f"{model} ({variant}, evaluation {side.evaluation.id})"


def _print_changed(title: str, meaning: str, changed: Sequence[Changed], console: Console) -> None:
    console.print()
    console.print(f"{title}: {plural(len(changed), 'answer')} {meaning}", style="bold")
    if not changed:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case", no_wrap=True)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("asked", overflow="fold", ratio=1)
    table.add_column("what is wrong then", overflow="fold", ratio=1)
    for each in changed[:_SHOWN_CASES]:
        table.add_row(printable(each.case), str(each.line), printable(each.request), printable(each.difference))
    console.print(table)
    if len(changed) > _SHOWN_CASES:
        console.print(f"… and {len(changed) - _SHOWN_CASES:,} more; --json has all of them")


def _print_confusion(contest: ModelComparison, console: Console) -> None:
    if not contest.confusion:
        return
    console.print()
    console.print("Tools mixed up", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("expected", "called"):
        table.add_column(heading, overflow="fold")
    for heading in ("first", "second"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (expected, called), (first, second) in list(contest.confusion.items())[:_SHOWN_CASES]:
        table.add_row(printable(expected), printable(called), str(first), str(second))
    console.print(table)
