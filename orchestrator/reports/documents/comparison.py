"""The document that compares runs: data, settings, losses over each other, cost, and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.api.reporting import ComparisonRecord, RunRecord
from orchestrator.bookkeeping.lineage import Evaluated
from orchestrator.evaluation.metrics import METRICS
from orchestrator.reports.charts.chart import Line
from orchestrator.reports.charts.curves import has_validation, overlaid
from orchestrator.reports.documents.document import Block, Document, Paragraph, Section, some
from orchestrator.reports.documents.run import rehearsal, utc
from orchestrator.reports.runs import loss_cell, state_cell, validation_loss
from orchestrator.reports.table import Cell, Column, Fit, Marked, Meaning, Number, Row, Table, marked
from orchestrator.reports.text import as_set, count, duration, money, percent, plural
from orchestrator.store.runs import Run

Fact = tuple[str, Callable[[RunRecord], Cell]]
"""A row: its name, and what it says of each run."""


def comparison_document(record: ComparisonRecord) -> Document:
    """Two or more runs, a column for each. What differs from the first run is marked."""
    runs = record.runs
    names = _names(runs)
    data, settings = _data(runs, names), _settings(runs, names)
    warnings = (rehearsal(each.config, each.details.run.model, is_open_weights=_is_open(each)) for each in runs)
    return Document(
        kind="comparison",
        title=f"Comparison of {plural(len(runs), 'run')}",
        lead=_lead(data, settings),
        models=[
            (name, each.details.run.fine_tuned_model or "no model") for name, each in zip(names, runs, strict=True)
        ],
        warnings=list(dict.fromkeys(text for found in warnings for text in found)),
        sections=some(
            Section("runs", "Runs", [_table(_RUN, runs, names, marks=False)]),
            Section("curves", "Losses", list(_curves(runs, names))),
            Section("scores", "Scores", list(_scores(runs, names))),
            Section("data", "Data", [data]),
            Section("settings", "Model and hyperparameters", [settings]),
            Section("cost", "Cost", [_table(_COST, runs, names, marks=False)]),
        ),
        records=partial(_records, runs),
        paths=[path for each in runs for path in _files(each)],
    )


def _names(runs: Sequence[RunRecord]) -> list[str]:
    """By their names where these differ, else with their ids."""
    names = [each.details.run.name for each in runs]
    if len(set(names)) == len(names):
        return names
    return [f"{each.details.run.name} {each.details.run.id}" for each in runs]


def _is_open(record: RunRecord) -> bool:
    return record.details.run.base_folder is not None


def _lead(data: Table, settings: Table) -> str:
    parts = []
    for what, table in (("data", data), ("settings", settings)):
        names = [row.cells[0].text for row in table.rows if any(isinstance(cell, Marked) for cell in row.cells)]
        parts.append(f"different {what}: {', '.join(names)}" if names else f"the same {what}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _files(record: RunRecord) -> Iterator[str]:
    run = record.details.run
    yield from filter(None, (run.job_file, run.training_path, run.validation_path, run.base_folder))
    yield from (each.evaluation.file_path for each in _evaluated(record))


# --- Facts side by side ---------------------------------------------------------------------------------------


def _table(facts: Sequence[Fact], runs: Sequence[RunRecord], names: Sequence[str], *, marks: bool) -> Table:
    columns = [Column("", "name", Fit.LINE), *(Column(name, fit=Fit.FOLD) for name in names)]
    rows = [(name, [of(each) for each in runs]) for name, of in facts]
    return Table(columns, [Row([Cell(name), *(_apart(cells) if marks else cells)]) for name, cells in rows])


def _apart(cells: Sequence[Cell]) -> list[Cell]:
    """Those that differ from the first are marked."""
    first, *others = cells
    return [
        first,
        *(
            each if each.text == first.text else replace(marked([(each.text, True)]), note=each.note)
            for each in others
        ),
    ]


def _fact(name: str, of: Callable[[Run], Any]) -> Fact:
    def cell(record: RunRecord) -> Cell:
        found = of(record.details.run)
        return Cell("–" if found is None or found == "" else str(found))

    return name, cell


_RUN: Sequence[Fact] = (
    ("run", lambda each: Cell(each.details.run.id, ref=f"run:{each.details.run.id}")),
    ("state", lambda each: state_cell(each.details.run.state)),
    _fact("endpoint", lambda run: run.endpoint),
    _fact("created", lambda run: utc(run.created_at)),
    _fact("time", lambda run: duration(run.finished_at - run.created_at) if run.finished_at else None),
    (
        "training loss",
        lambda each: loss_cell(each.details.metrics[-1].train_loss if each.details.metrics else None),
    ),
    (
        "validation loss",
        lambda each: loss_cell(validation_loss(each.details.metrics[-1] if each.details.metrics else None)),
    ),
)
_COST: Sequence[Fact] = (
    _fact("estimated before training", lambda run: money(run.estimated_cost_usd)),
    _fact("from the trained tokens", lambda run: money(run.cost_usd)),
    _fact("trained tokens", lambda run: count(run.trained_tokens)),
)


def _data(runs: Sequence[RunRecord], names: Sequence[str]) -> Table:
    facts = [
        _fact("training file", lambda run: Path(run.training_path).name),
        _fact("its sha256", lambda run: run.training_sha256 or "unknown"),
        _fact("examples", lambda run: count(run.examples)),
        _fact("tokens per epoch", lambda run: count(run.tokens_per_epoch)),
        _fact("validation file", lambda run: run.validation_path and Path(run.validation_path).name),
        _fact("its sha256", lambda run: run.validation_sha256),
    ]
    return _table(facts, runs, names, marks=True)


def _settings(runs: Sequence[RunRecord], names: Sequence[str]) -> Table:
    hyperparameters = dict.fromkeys(name for each in runs for name in each.details.run.hyperparameters)
    facts = [
        _fact("base model", lambda run: run.model),
        _fact("method", lambda run: run.method["type"]),
        *(_hyperparameter(name) for name in hyperparameters),
        _fact("seed", lambda run: run.seed),
    ]
    return _table(facts, runs, names, marks=True)


def _hyperparameter(name: str) -> Fact:
    """The value used, and after it what was asked if the endpoint chose."""

    def cell(record: RunRecord) -> Cell:
        run = record.details.run
        asked, used = run.hyperparameters.get(name), _used(run, name)
        if used is None:
            return Cell("–")
        chosen = asked is not None and asked != used
        return Cell(as_set(used), note=f" (asked: {as_set(asked)})" if chosen else "")

    return name, cell


def _used(run: Run, name: str) -> Any:
    """What the endpoint reports, else what was asked; None if neither is known."""
    used = run.resolved_hyperparameters.get(name)
    return used if used not in (None, -1) else run.hyperparameters.get(name)


# --- Losses and scores ----------------------------------------------------------------------------------------


def _curves(runs: Sequence[RunRecord], names: Sequence[str]) -> Iterator[Block]:
    pairs = [
        (Line(name, (), each.details.run.id), each.details.metrics) for name, each in zip(names, runs, strict=True)
    ]
    validated = all(has_validation(metrics) for _, metrics in pairs if metrics)
    charts = [*([overlaid(pairs)] if validated else []), overlaid(pairs, "train_loss")]
    shown: list[Block] = [chart for chart in charts if not chart.is_empty]
    yield from shown or [Paragraph("No training step is measured yet.", Meaning.MUTED)]


def _evaluated(record: RunRecord) -> list[Evaluated]:
    """The values of its final model, newest first."""
    node = record.lineage.run if record.lineage else None
    finals = [model for model in node.models if model.step is None] if node else []
    return [each for model in finals for each in model.evaluations or ()]


def _scores(runs: Sequence[RunRecord], names: Sequence[str]) -> Iterator[Block]:
    """The newest value of each run's final model, by case file, metric and definitions."""
    found: dict[tuple[str, str, str], dict[int, Evaluated]] = {}
    for number, record in enumerate(runs):
        for each in _evaluated(record):
            key = (each.evaluation.file_sha256, each.metric, each.variant)
            found.setdefault(key, {}).setdefault(number, each)
    if not found:
        return
    columns = [
        Column("metric", fit=Fit.LINE),
        *(Column(name, fit=Fit.LINE, is_number=True) for name in names),
        *(Column(heading, fit=Fit.FOLD) for heading in ("definitions", "cases")),
    ]
    rows = [_score_row(values, len(runs)) for values in found.values()]
    yield Table(columns, rows, notes=["For a comparison case by case: ftorch compare RUN RUN"])


def _score_row(values: dict[int, Evaluated], runs: int) -> Row:
    first = next(iter(values.values()))
    title = METRICS[first.metric].title if first.metric in METRICS else "argument F1"
    shares = [values[number].value if number in values else None for number in range(runs)]
    cells = [Number(percent(share), value=share) for share in shares]
    return Row([Cell(title), *cells, Cell(first.variant), Cell(first.evaluation.file_path)])


def _records(runs: Sequence[RunRecord]) -> Table:
    """A row for each run."""
    names = list(dict.fromkeys(name for each in runs for name in each.details.run.hyperparameters))
    keys = ("run", "name", "state", "endpoint", "base_model", "model", "training_sha256", "validation_sha256")
    numbers = ("train_loss", "valid_loss", "trained_tokens", "estimated_cost_usd", "cost_usd")
    columns = [Column(key=key) for key in (*keys, *names, *numbers)]
    return Table(columns, [_record(each, names) for each in runs])


def _record(record: RunRecord, names: Sequence[str]) -> Row:
    run, last = record.details.run, record.details.metrics[-1] if record.details.metrics else None
    texts = [run.id, run.name, run.state, run.endpoint, run.model, run.fine_tuned_model or ""]
    texts += [run.training_sha256, run.validation_sha256 or "", *(_plain(_used(run, name)) for name in names)]
    numbers = [last.train_loss if last else None, validation_loss(last), run.trained_tokens]
    numbers += [run.estimated_cost_usd, run.cost_usd]
    return Row([*map(Cell, texts), *(Number("" if each is None else f"{each:g}", value=each) for each in numbers)])


def _plain(used: Any) -> str:
    return "" if used is None else as_set(used)
