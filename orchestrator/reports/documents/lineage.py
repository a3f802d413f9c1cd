"""Where a run's model comes from and what was made of it, as tables with links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.bookkeeping.lineage import Evaluated, Lineage, ModelNode
from orchestrator.evaluation.metrics import METRICS
from orchestrator.reports.documents.document import Block, Section
from orchestrator.reports.stages import stage_line
from orchestrator.reports.table import Cell, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import percent
from orchestrator.store.runs import Run


def lineage_section(lineage: Lineage) -> Section:
    """The runs before and after it, those on the same data, deployments, and the stage of its model."""
    rows = [row(name, cell) for name, cell in _relations(lineage)]
    columns = [Column(key="relation"), Column(key="name", fit=Fit.FOLD)]
    return Section("lineage", "Lineage", [Table(columns, rows, has_headings=False)] if rows else [])


def evaluations_section(lineage: Lineage) -> Section:
    """The value of its model and its checkpoints in the newest evaluations."""
    rows = [_judged(model, each) for model in _models(lineage) for each in model.evaluations or ()]
    columns = [
        *(Column(heading, fit=Fit.LINE) for heading in ("evaluation", "model", "metric")),
        Column("value", fit=Fit.LINE, is_number=True),
        Column("definitions", fit=Fit.LINE),
        Column("cases", fit=Fit.FOLD),
    ]
    blocks: list[Block] = [Table(columns, rows)] if rows else []
    return Section("evaluations", "Evaluations", blocks)


def _models(lineage: Lineage) -> Sequence[ModelNode]:
    return lineage.run.models if lineage.run else [lineage.model] if lineage.model else []


def _relations(lineage: Lineage) -> Iterator[tuple[str, Cell]]:
    base = f"{lineage.base} ({lineage.base_note})" if lineage.base_note else lineage.base
    yield "base model", Cell(base)
    for each in lineage.ancestors:
        through = "" if each.step is None else f", from its checkpoint at step {each.step}"
        yield "trained from", _run(each.run, through)
    for model in _models(lineage):
        of = _of(model)
        for child in model.runs:
            yield f"continued by{of}", _run(child.run)
        for deployment in model.deployments:
            yield f"deployment{of}", Cell(deployment.name, note=f" {deployment.state}")
        if model.stage:
            yield f"stage{of}", Cell(stage_line(model.stage))
    for run in lineage.same_data:
        yield "same data", _run(run)
    if lineage.more:
        yield "", Cell("and more runs, which are not listed")


def _of(model: ModelNode) -> str:
    return "" if model.step is None else f" (step {model.step})"


def _run(run: Run, note: str = "") -> Cell:
    state = "deleted" if run.deleted_at is not None else run.state
    return Cell(f"{run.name} {run.id}", note=f" {state}{note}", ref=f"run:{run.id}")


def _judged(model: ModelNode, found: Evaluated) -> Row:
    evaluation = found.evaluation
    title = METRICS[found.metric].title if found.metric in METRICS else "argument F1"
    name = "final" if model.step is None else f"step {model.step}"
    note = " (rehearsal)" if evaluation.is_rehearsal else ""
    return row(
        Cell(evaluation.id, note=note, ref=f"evaluation:{evaluation.id}"),
        name,
        title,
        Number(percent(found.value), value=found.value),
        found.variant,
        evaluation.file_path,
    )
