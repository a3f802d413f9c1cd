"""What `leaderboard` prints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from orchestrator.evaluation.leaderboard import Leaderboard, Place
from orchestrator.evaluation.metrics import METRICS
from orchestrator.jobfile import ScoreName
from orchestrator.reports.comparison import p_shown_short, share_cell
from orchestrator.reports.evaluation import print_rehearsal
from orchestrator.reports.figures import series_object
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import ago, iso, money, plural, printable

_COLUMNS: tuple[ScoreName, ...] = ("call_accuracy", "rejection_recall", "over_rejection")


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
