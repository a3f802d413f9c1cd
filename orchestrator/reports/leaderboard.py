"""What `leaderboard` prints: a table for each evaluation file."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from orchestrator.evaluation.leaderboard import Leaderboard, Place
from orchestrator.evaluation.measures import MEASURES
from orchestrator.jobfile import ScoreName
from orchestrator.reports.contrasts import p_cell
from orchestrator.reports.evaluation import print_rehearsal, share
from orchestrator.reports.formats import ago, money, plural, printable

_SHOWN: tuple[ScoreName, ...] = ("call_accuracy", "rejection_recall", "over_rejection")


def print_leaderboard(board: Leaderboard, metric: ScoreName, console: Console) -> None:
    """One file's models, the best first by `metric`, each by its newest evaluation."""
    head = f"{board.file_path}: {plural(board.cases, 'case')}, sha256 {board.file_sha256[:8]}; by {metric}"
    console.print(printable(head), style="bold", soft_wrap=True)
    local = [place.evaluation for place in board.places if place.evaluation.endpoint_type == "local"]
    if local:
        print_rehearsal(local[0], console)
    measures = [name for name in dict.fromkeys((metric, *_SHOWN)) if name in MEASURES]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", no_wrap=True)
    for name in measures:
        table.add_column(MEASURES[name].title, justify="right", overflow="fold")  # may wrap
    for heading in ("F1", "p to 1st", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("1,000 calls", justify="right", overflow="fold")
    table.add_column("when", justify="right", no_wrap=True)
    for rank, place in enumerate(board.places, start=1):
        shares = (share(MEASURES[name].of(place.series.all)) for name in measures)
        table.add_row(str(rank), *shares, *_rest(place))
    console.print(table)
    for rank, place in enumerate(board.places, start=1):
        console.print(f"{rank}  {_named(place)}", soft_wrap=True)
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


def _named(place: Place) -> str:
    series = place.series
    variant = f", {series.variant}" if series.variant != "full" else ""
    label = f" ({series.label})" if series.label != series.model else ""
    return printable(f"{series.model}{label}{variant}")
