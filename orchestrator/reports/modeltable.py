"""The table of tuned models and its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.bookkeeping.catalogue import MOST_ANSWERS, CataloguedModel
from orchestrator.bookkeeping.endings import today
from orchestrator.bookkeeping.lineage import Evaluated
from orchestrator.reports.runs import model_object
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Row, Table, row
from orchestrator.reports.text import ago, ending, percent, printable

_FULL_WIDTH = 130
"""From this many characters on, all columns have room."""
_WIDE = ("run", "name", "endpoint", "base", "stage", "evaluation", "created", "model")
_NARROW = ("run", "name", "stage", "evaluation", "created", "model")
_STAGES = {"production": Meaning.GOOD, "retired": Meaning.MUTED}


@dataclass(frozen=True)
class _Line:
    """A model, and the present time."""

    entry: CataloguedModel
    now: float
    has_note: bool
    """Whether the model's cell says when it ends."""


@dataclass(frozen=True)
class _Shown:
    """A column: its heading, and what it says of a model."""

    heading: str
    cell: Callable[[_Line], Cell | str]


def _stage(line: _Line) -> Cell:
    stage = line.entry.stage
    return Cell(stage or "–", _STAGES.get(stage or "", Meaning.NONE))


def _evaluation(line: _Line) -> Cell:
    found = line.entry.evaluation
    if found is None:
        return Cell("–")
    note = " rehearsal" if found.evaluation.is_rehearsal else ""
    return Cell(f"{_title(found)} {'not read' if found.value is None else percent(found.value)}", note=note)


def _title(found: Evaluated) -> str:
    from orchestrator.evaluation.metrics import METRICS  # loads pydantic

    return METRICS[found.metric].title if found.metric in METRICS else "argument F1"


def _ends(line: _Line) -> str:
    return ending(line.entry.ends, today()) or "–"


def _model(line: _Line) -> Cell:
    note = f" {ending(line.entry.ends, today())}" if line.entry.ends and line.has_note else ""
    return Cell(printable(line.entry.model.model), note=note)


MODEL_COLUMNS: Mapping[str, _Shown] = {
    "run": _Shown("RUN", lambda line: line.entry.model.run_id),
    "name": _Shown("NAME", lambda line: printable(line.entry.name)),
    "endpoint": _Shown("ENDPOINT", lambda line: printable(line.entry.model.endpoint)),
    "base": _Shown("BASE MODEL", lambda line: printable(line.entry.model.base_model)),
    "stage": _Shown("STAGE", _stage),
    "evaluation": _Shown("LAST EVALUATION", _evaluation),
    "created": _Shown("CREATED", lambda line: ago(line.entry.model.created_at, line.now)),
    "ends": _Shown("ENDS", _ends),
    "model": _Shown("MODEL", _model),
}
"""By the names that `--columns` takes."""


def models_table(found: Sequence[CataloguedModel], now: float, width: int, columns: Sequence[str] = ()) -> Table:
    """One row for each model. `columns` are names of `MODEL_COLUMNS`, of which the model is always the last; () for
    what has room in `width`."""
    names = columns or (_WIDE if width >= _FULL_WIDTH else _NARROW)
    shown = [_column(name) for name in sorted(names, key=lambda name: name == "model")]
    is_unread = any(each.evaluation is not None and each.evaluation.value is None for each in found)
    unread = f"Not read: more than {MOST_ANSWERS:,} answers. To see the metrics: ftorch leaderboard"
    notes = [unread] if is_unread and "evaluation" in names else []
    lines = [_Line(entry, now, "ends" not in names) for entry in found]
    return Table(shown, [_row(shown, line) for line in lines], notes=notes)


def _column(name: str) -> Column:
    is_id = name == "model"
    return Column(MODEL_COLUMNS[name].heading, name, Fit.BELOW if is_id else Fit.LINE, takes_rest=is_id)


def _row(columns: Sequence[Column], line: _Line) -> Row:
    return row(*(MODEL_COLUMNS[column.key].cell(line) for column in columns))


def catalogued_object(entry: CataloguedModel) -> dict[str, Any]:
    """One element of `models --json`."""
    found = entry.evaluation
    evaluation = found and {
        "id": found.evaluation.id,
        "name": found.evaluation.name,
        "metric": found.metric,
        "variant": found.variant,
        "value": found.value,
        "rehearsal": found.evaluation.is_rehearsal,
    }
    return {
        **model_object(entry.model),
        "name": entry.name,
        "stage": entry.stage,
        "shutdown_date": entry.ends.isoformat() if entry.ends else None,
        "evaluation": evaluation,
    }
