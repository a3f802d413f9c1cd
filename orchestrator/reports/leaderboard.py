"""The tables that `leaderboard` prints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from orchestrator.evaluation.leaderboard import Leaderboard, Place
from orchestrator.evaluation.metrics import METRICS, Proportion
from orchestrator.evaluation.results import Series
from orchestrator.jobfile import ScoreName
from orchestrator.reports.comparison import p_shown_short
from orchestrator.reports.evaluation import F1, print_rehearsal
from orchestrator.reports.figures import series_object
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table
from orchestrator.reports.text import ago, iso, money, plural, printable, shown_path

_COLUMNS: tuple[ScoreName, ...] = ("call_accuracy", "rejection_recall", "over_rejection")


def print_leaderboard(board: Leaderboard, metric: ScoreName, console: Console) -> None:
    """Print one file's models by `metric`, the best first, each with its newest evaluation."""
    cases = f": {plural(board.cases, 'case')}" if board.cases else ""
    title = METRICS[metric].title if metric in METRICS else "argument F1"
    head = f"{shown_path(board.file_path)}{cases}, ranked by {title} (sha256 {board.file_sha256[:8]})"
    console.print(printable(head), style="bold", soft_wrap=True)
    if board.places:
        rehearsals = [place.evaluation for place in board.places if place.evaluation.is_rehearsal]
        print_rehearsal((rehearsals or [board.places[0].evaluation])[0], console)
        console.print(places_table(board, metric, console.width))
    _print_others(board, console)
    for model in board.removed:
        text = printable(f"Removed: {model}. To restore it: ftorch leaderboard --restore {model}")
        console.print(text, style="dim", soft_wrap=True)


def places_table(board: Leaderboard, metric: ScoreName, width: int | None = None) -> Table:
    """A row for each model, by rank. With `width`, only the columns that fit a terminal of this many characters
    are shown."""
    columns = _columns(board, metric)
    if width is not None and len(_fitting(columns, width)) < _TELLING:
        columns = _columns(board, metric, variant_below=True)
    if width is not None and len(_fitting(columns, width)) < _TELLING:
        columns = _columns(board, metric, is_below=True)
    kept = columns if width is None else _fitting(columns, width)
    rows = [Row([cells[place] for cells in (each for _, each in kept)]) for place in range(len(board.places))]
    return Table([column for column, _ in kept], rows, notes=_notes(kept, columns))


_Shown = tuple[Column, list[Cell]]
"""A column with its cells."""
_ALWAYS = 3
"""Rank, model and metric."""
_TELLING = 5
"""Also the p-value and the prompt tokens."""
_GAP = 2


def _columns(
    board: Leaderboard, metric: ScoreName, *, variant_below: bool = False, is_below: bool = False
) -> list[_Shown]:
    """All columns, the most important first. With `variant_below`, variants are on separate lines; with `is_below`,
    models are below their rows."""
    places = board.places
    others = [name for name in _COLUMNS if name != metric]
    names = [Cell(_named(place.series, "\n  " if variant_below else "")) for place in places]
    return [
        (Column("", "rank", Fit.LINE, is_number=True), [_rank(place) for place in places]),
        (Column("model", fit=Fit.BELOW if is_below else Fit.FOLD), names),
        _measured(metric, places) if metric in METRICS else _f1(places),
        (_number("p vs\n1st", "p_to_1st"), [_p_value(place) for place in places]),
        (_number("prompt\ntokens", "tokens"), [_tokens(place) for place in places]),
        *(_measured(name, places) for name in others if name in METRICS),
        *([_f1(places)] if metric in METRICS else []),
        (_number("1,000\nrequests", "usd_per_1000_requests"), [_usd(place) for place in places]),
        (_number("when", "when"), [Cell(ago(place.evaluation.created_at, time.time())) for place in places]),
    ]


def _fitting(columns: Sequence[_Shown], width: int) -> list[_Shown]:
    """The columns, from the left, that fit a terminal of this width."""
    kept = list(columns[:_ALWAYS])
    left = width - sum(map(_width, kept)) - _GAP * (len(kept) - 1)
    for each in columns[_ALWAYS:]:
        left -= _GAP + _width(each)
        if left < 0:
            break
        kept.append(each)
    return kept


def _width(shown: _Shown) -> int:
    column, cells = shown
    texts = (column.heading, *(cell.text for cell in cells if column.fit is not Fit.BELOW))
    return max(len(line) for text in texts for line in text.split("\n"))


def _notes(kept: Sequence[_Shown], columns: Sequence[_Shown]) -> list[str]:
    has_f1 = any(column.heading == "F1" for column, _ in kept)
    is_cut = len(kept) < len(columns)
    return [*([F1] if has_f1 else []), *(["A wider terminal, or --json, shows more metrics."] if is_cut else [])]


def _number(heading: str, key: str) -> Column:
    return Column(heading, key, Fit.LINE, is_number=True)


def _named(series: Series, between: str) -> str:
    """In the form that `compare` takes."""
    model = printable(series.model)
    return model if series.variant == "full" else f"{model}{between}@{series.variant}"


def _rank(place: Place) -> Cell:
    return Number("–" if place.rank is None else str(place.rank), value=place.rank)


def _measured(name: ScoreName, places: Sequence[Place]) -> _Shown:
    measure = METRICS[name]
    cells: list[Cell] = []
    for place in places:
        found = measure.of(place.series.all)
        cells.append(Number(_share(found), value=found.value))
    return _number(measure.title.replace(" ", "\n"), name), cells


def _share(found: Proportion) -> str:
    interval = found.interval
    if interval is None:
        return "–"
    return f"{interval.value:.0%} ({interval.low * 100:.0f}-{interval.high * 100:.0f})"


def _f1(places: Sequence[Place]) -> _Shown:
    values = [place.series.all.arguments.f1 for place in places]
    return _number("F1", "argument_f1"), [Number("–" if f1 is None else f"{f1:.2f}", value=f1) for f1 in values]


def _p_value(place: Place) -> Cell:
    return Number("–" if place.p_value is None else p_shown_short(place.p_value), value=place.p_value)


def _tokens(place: Place) -> Cell:
    tokens = place.series.all.prompt_tokens
    return Number(f"{tokens.mean:,.0f}" if tokens else "–", value=tokens.mean if tokens else None, unit="tokens")


def _usd(place: Place) -> Cell:
    is_free, usd = place.evaluation.endpoint_type == "local", place.series.usd_per_thousand
    return Number("no charge" if is_free else money(usd), value=0.0 if is_free else usd, unit="USD")


def leaderboard_object(board: Leaderboard) -> dict[str, Any]:
    """One file of `leaderboard --json`."""
    return {
        "file": board.file_path,
        "file_sha256": board.file_sha256,
        "cases": board.cases,
        "models": [
            {
                "rank": place.rank,
                **series_object(place.series),
                "evaluation": place.evaluation.id,
                "name": place.evaluation.name,
                "endpoint": place.evaluation.endpoint,
                "rehearsal": place.evaluation.is_rehearsal,
                "evaluated_at": iso(place.evaluation.created_at),
                "p_value_against_first": place.p_value,
            }
            for place in board.places
        ],
        "removed": list(board.removed),
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


def _print_others(board: Leaderboard, console: Console) -> None:
    """Print the models that were asked the same file but can't be ranked with these."""
    if not board.scored_otherwise:
        return
    text = printable(f"Ranked: {board.conditions}. Scored by other rules, so not ranked:")
    console.print(text, style="yellow", soft_wrap=True)
    for other in board.scored_otherwise:
        variants = ", ".join(other.variants)
        console.print(printable(f"–  {other.model} ({variants}): {other.conditions}"), soft_wrap=True)
        console.print(printable(f"   to rank it without asking again: {other.command}"), soft_wrap=True)
