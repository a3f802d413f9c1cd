"""The table of runs and its columns. Loads no SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from orchestrator.bookkeeping.endings import today
from orchestrator.reports.runs import loss_cell, state_cell, steps, validation_loss, why
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import ago, duration, ending, money, printable
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

NO_ENDINGS: Mapping[str, date] = {}
_FULL_WIDTH = 110
"""From this many characters on, all the usual columns have room."""
_NARROW = ("run", "name", "state", "step", "model")
_WIDE = ("run", "name", "state", "step", "endpoint", "loss", "valid", "updated", "model")


@dataclass(frozen=True)
class _Line:
    """A run, its last measured step, the present time, and when its model ends."""

    run: Run
    metric: Metric | None
    now: float
    ends: date | None
    """The day on which its model ends."""
    has_note: bool
    """Whether the model's cell says it."""


@dataclass(frozen=True)
class _Shown:
    """A column: its heading, and what it says of a run."""

    heading: str
    cell: Callable[[_Line], Cell | str]
    is_number: bool = False


def _cost(line: _Line) -> Number:
    """What it cost, or `~` and what it is estimated to cost."""
    run = line.run
    usd = run.estimated_cost_usd if run.cost_usd is None else run.cost_usd
    sign = "~" if run.cost_usd is None and usd is not None else ""
    return Number("–" if usd is None else f"{sign}{money(usd)}", value=usd, unit="USD")


def _duration(line: _Line) -> Number:
    """Until it finished, or until now."""
    end = line.now if line.run.finished_at is None else line.run.finished_at
    seconds = end - line.run.created_at
    return Number(duration(seconds), value=seconds, unit="s")


def _ends(line: _Line) -> str:
    return ending(line.ends, today()) or "–"


def _model(line: _Line) -> Cell:
    """The model, with its end if it has no column; else what the run waits for."""
    if line.run.fine_tuned_model is None:
        return Cell(printable(why(line.run, line.now)))
    note = f" {ending(line.ends, today())}" if line.ends and line.has_note else ""
    return Cell(printable(line.run.fine_tuned_model), note=note)


def _ago(then: float | None, now: float) -> str:
    return "–" if then is None else ago(then, now)


RUN_COLUMNS: Mapping[str, _Shown] = {
    "run": _Shown("RUN", lambda line: line.run.id),
    "name": _Shown("NAME", lambda line: printable(line.run.name)),
    "state": _Shown("STATE", lambda line: state_cell(line.run.state)),
    "step": _Shown("STEP", lambda line: steps(line.metric)),
    "endpoint": _Shown("ENDPOINT", lambda line: printable(line.run.endpoint)),
    "base": _Shown("BASE MODEL", lambda line: printable(line.run.model)),
    "loss": _Shown("LOSS", lambda line: loss_cell(line.metric.train_loss if line.metric else None)),
    "valid": _Shown("VALID", lambda line: loss_cell(validation_loss(line.metric))),
    "cost": _Shown("COST", _cost, is_number=True),
    "created": _Shown("CREATED", lambda line: ago(line.run.created_at, line.now)),
    "updated": _Shown("UPDATED", lambda line: ago(line.run.updated_at, line.now)),
    "finished": _Shown("FINISHED", lambda line: _ago(line.run.finished_at, line.now)),
    "duration": _Shown("DURATION", _duration, is_number=True),
    "job": _Shown("JOB", lambda line: printable(line.run.job_id or "–")),
    "ends": _Shown("ENDS", _ends),
    "model": _Shown("MODEL / REASON", _model),
}
"""By the names that `--columns` takes."""


def status_table(
    runs: Sequence[Run],
    last: Mapping[str, Metric],
    now: float,
    width: int,
    columns: Sequence[str] = (),
    ends: Mapping[str, date] = NO_ENDINGS,
) -> Table:
    """One row for each run: its state, its progress, and its model id or the reason it waits.

    `columns` are names of `RUN_COLUMNS`, of which the model is always the last; () for what has room in `width`.
    `ends` has the days on which models end, by run.
    """
    names = columns or (_WIDE if width >= _FULL_WIDTH else _NARROW)
    shown = [_column(name) for name in sorted(names, key=lambda name: name == "model")]
    lines = [_Line(run, last.get(run.id), now, ends.get(run.id), "ends" not in names) for run in runs]
    return Table(shown, [_row(shown, line) for line in lines])


def _column(name: str) -> Column:
    shown, is_id = RUN_COLUMNS[name], name == "model"
    return Column(shown.heading, name, Fit.BELOW if is_id else Fit.LINE, shown.is_number, takes_rest=is_id)


def _row(columns: Sequence[Column], line: _Line) -> Row:
    return row(*(RUN_COLUMNS[column.key].cell(line) for column in columns))
