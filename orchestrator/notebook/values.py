"""The package's values for notebooks, with a short `repr`, a table, and rows for a data frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import Any, TypeVar

from orchestrator.api import datapreview as previewing, export as exporting, rescue as rescuing
from orchestrator.api.costs import Caps
from orchestrator.bookkeeping import costs as spending
from orchestrator.dataset.findings import printable as visible
from orchestrator.dataset.preview.row import TokenSpan
from orchestrator.evaluation import results as evaluation
from orchestrator.generation import outcome as generation
from orchestrator.jobfile.tables import BASE
from orchestrator.migration import results as migrating
from orchestrator.reports.comparison import comparisons_table
from orchestrator.reports.confusion import confusion_table
from orchestrator.reports.costs import amount_cell, caps_table, costs_object, costs_table
from orchestrator.reports.evaluation import REHEARSAL, accuracy_table, result_tables, supporting_table
from orchestrator.reports.figures import series_rows
from orchestrator.reports.generation import drops_table, outcome_object
from orchestrator.reports.migration import (
    headline,
    migration_object,
    use_notes,
    use_tables,
    verdict_notes,
    verdict_table,
)
from orchestrator.reports.plans import plan_facts, plan_object
from orchestrator.reports.preview import lengths_table, preview_object, preview_verdict
from orchestrator.reports.rescue import rescued_tables
from orchestrator.reports.runs import run_object, state_cell
from orchestrator.reports.runtable import status_table
from orchestrator.reports.sweepdetails import overview_object, standing
from orchestrator.reports.sweeps import sweep_plan_facts, sweep_plan_object
from orchestrator.reports.table import Column, Number, Row, Table, facts, row
from orchestrator.reports.text import count, money, plural, printable, short
from orchestrator.reports.verdict import verdict_lines
from orchestrator.rescue.baseline import Baseline
from orchestrator.runs import plan as runs
from orchestrator.runs.earlier import Earlier
from orchestrator.runs.submission import Outlook
from orchestrator.store.runs import Run as RecordedRun
from orchestrator.sweeps import overview as sweeps, plan as sweep_plans
from orchestrator.sweeps.recipes import PlannedTrial
from orchestrator.sweeps.submission import Changes

Shown = TypeVar("Shown", bound="_Shown")
_WIDE = 10_000
"""A page has room for every column."""


class _Shown:
    """A value that a cell shows as a table; all texts in it are escaped."""

    @classmethod
    def of(cls: type[Shown], value: Any) -> Shown:
        """The same value as a notebook value."""
        return cls(**{each.name: getattr(value, each.name) for each in fields(value)})

    def tables(self) -> list[Table]:
        """The tables that `_repr_html_` shows, one below the other."""
        return []

    def _repr_html_(self) -> str:
        return "\n".join(table.to_html() for table in self.tables())


class Run(RecordedRun, _Shown):
    """A recorded run: `state`, `fine_tuned_model`, `cost_usd` and the other columns of the ledger."""

    def __repr__(self) -> str:
        model = f", {self.fine_tuned_model}" if self.fine_tuned_model else ""
        return f"<Run {self.id} {self.name} on {self.endpoint}: {self.state}{model}>"

    def tables(self) -> list[Table]:
        return [status_table([self], {}, time.time(), _WIDE)]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One row."""
        return [run_object(self, None)]


class Sweep(sweeps.Overview, _Shown):
    """The current state of a sweep: `ranking`, `best_model`, `trials`, `effects` and `suggestions`."""

    def __repr__(self) -> str:
        best = f", best {self.best_model}" if self.best_model else ""
        return f"<Sweep {self.sweep.name} on {self.sweep.endpoint}: {standing(self)}{best}>"

    def tables(self) -> list[Table]:
        columns = [Column(name) for name in ("trial", "parameters", "state", "score", "model, or reason")]
        rows = [_trial_row(each) for each in self.trials]
        return [Table(columns, rows, title=f"{self.sweep.name}: {standing(self)}")]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each trial, with each parameter in a column."""
        return [_flat(trial) for trial in overview_object(self)["trials"]]


@dataclass(frozen=True, repr=False)
class Plan(runs.Plan, _Shown):
    """What submitting a job file would do and cost: `cost`, `training`, `validation`, `notices`, and
    `trained_before`, the runs of the same content."""

    trained_before: tuple[Earlier, ...] = ()
    over_budget: str | None = None
    """Why the budget would stop its run from starting."""

    @classmethod
    def with_outlook(cls, plan: runs.Plan, outlook: Outlook) -> Plan:
        """The plan, completed from the records."""
        return replace(cls.of(plan), trained_before=outlook.earlier, over_budget=outlook.held)

    def __repr__(self) -> str:
        before = f", {_before(self.trained_before[0])}" if self.trained_before else ""
        return f"<Plan {self.job.name} on {self.config.name}: {money(self.cost.usd)}{before}>"

    def tables(self) -> list[Table]:
        table = replace(facts(plan_facts(self, None)), title=f"Plan: {self.job.name} on {self.config.name}")
        return [table, *_before_table([("the same content", each) for each in self.trained_before])]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each data file."""
        return [dict(each) for each in plan_object(self, None)["files"]]


@dataclass(frozen=True, repr=False)
class SweepPlan(sweep_plans.SweepPlan, _Shown):
    """What submitting a job file with `[sweep]` would do and cost: `trials`, `cost_usd`, and `trained_before`, the
    trials whose content other runs trained, each with such a run."""

    trained_before: tuple[tuple[PlannedTrial, Earlier], ...] = ()

    @classmethod
    def with_changes(cls, plan: sweep_plans.SweepPlan, changes: Changes) -> SweepPlan:
        """The plan, completed from the records of its trials."""
        return replace(cls.of(plan), trained_before=changes.earlier)

    def __repr__(self) -> str:
        number = count(len(self.trials) + self.drawn)
        before = {planned.fingerprint for planned, _ in self.trained_before}
        said = f", {count(len(before))} of them trained before" if before else ""
        return f"<SweepPlan {self.job.name} on {self.config.name}: {number} trials{said}, {money(self.cost_usd)}>"

    def tables(self) -> list[Table]:
        table = replace(facts(sweep_plan_facts(self)), title=f"Sweep: {self.job.name} on {self.config.name}")
        return [table, *_before_table([(planned.name, each) for planned, each in self.trained_before])]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each trial known so far, with each parameter in a column."""
        return [_flat(trial) for trial in sweep_plan_object(self)["trials"]]


class Results(evaluation.Results, _Shown):
    """The metrics of an evaluation: `series`, each model in each variant, and `comparisons` with the base."""

    def __repr__(self) -> str:
        found = " ".join(verdict_lines(self))
        return f"<Results of {self.evaluation.name}, {plural(self.cases, 'case')}: {found}>"

    def _repr_html_(self) -> str:
        """The verdict and its table; all other tables can be unfolded."""
        first, *others = [table.to_html() for table in self.tables()]
        notes = [REHEARSAL] if self.evaluation.is_rehearsal else []
        said = "".join(f"<p>{escape(printable(line))}</p>" for line in (*verdict_lines(self), *notes))
        rest = "\n".join(others)
        return f"{said}\n{first}\n<details><summary>Details</summary>\n{rest}\n</details>"

    def tables(self) -> list[Table]:
        compared = [comparisons_table(BASE, self.comparisons)] if self.comparisons else []
        details = [accuracy_table(self), *result_tables(self, is_wide=True), confusion_table(self), *compared]
        return [supporting_table(self), *(table for table in details if table.rows)]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each model in each variant: every metric with its interval."""
        rows = [each for series in self.series for each in series_rows(series, None)]
        return [each for each in rows if each["group"] == "all"]


class Generated(generation.Outcome, _Shown):
    """The outcome of generating training data: `examples`, `drops`, and its files in `spec.outputs`."""

    def __repr__(self) -> str:
        waits = f", {self.waits}" if self.waits else ""
        return f"<Generated {self.spec.outputs.training.name}: {self.examples} of {self.targets} examples{waits}>"

    def tables(self) -> list[Table]:
        dropped = drops_table(self)
        written = [("file", str(path)) for path in self.spec.outputs.all] if self.report else []
        return [facts([*written, ("examples", f"{self.examples:,}")]), *([dropped] if dropped else [])]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One row."""
        return [outcome_object(self)]


@dataclass(frozen=True, repr=False)
class Rescued(rescuing.Rescued, _Shown):
    """What a folder holds of an endpoint: `jobs`, `models`, `missing`, and `job_files` for their successors."""

    baseline: Baseline | None = None
    """Whose answers were recorded, and whose were not; None if they were not asked for."""
    results: tuple[evaluation.Results, ...] = ()
    """The evaluations that recorded them."""

    def __repr__(self) -> str:
        held = (
            f"{plural(len(self.jobs), 'job')}, {plural(len(self.models), 'model')}, {len(self.missing):,} missing"
        )
        return f"<Rescued from {self.endpoint} in {self.folder}: {held}>"

    def tables(self) -> list[Table]:
        return rescued_tables(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each tuned model and checkpoint."""
        return [rescuing.model_object(each) for each in self.models]


class Migration(migrating.Migration, _Shown):
    """Successors beside the baseline: `judged`, each with its `outcome` and `model`, and `non_inferior`, the best
    first."""

    def __repr__(self) -> str:
        return f"<Migration of {self.plan.job.name}: {headline(self)}>"

    def _repr_html_(self) -> str:
        said = (headline(self), *verdict_notes(self), *use_notes(self))
        return "".join(f"<p>{escape(printable(line))}</p>" for line in said) + super()._repr_html_()

    def tables(self) -> list[Table]:
        return [verdict_table(self), *use_tables(self)]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each successor."""
        return [dict(each) for each in migration_object(self)["successors"]]


@dataclass(frozen=True, repr=False)
class Costs(spending.Costs, _Shown):
    """What was spent, in `groups` and in all (`total`)."""

    caps: Caps = field(default_factory=lambda: Caps((), ()))
    """How much of each cap is used."""

    def __repr__(self) -> str:
        return f"<Costs by {self.grouping.by}: {amount_cell(self.total.total).text} in all>"

    def tables(self) -> list[Table]:
        is_capped = self.caps.endpoints or self.caps.job_files
        return [costs_table(self), *([caps_table(self.caps)] if is_capped else [])]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each group: the amounts of each kind in USD."""
        return [dict(each) for each in costs_object(self, self.caps)["groups"]]


class Exported(exporting.Exported, _Shown):
    """A model's weights in a `folder`, with its `files`."""

    def __repr__(self) -> str:
        return f"<Exported to {self.folder}: {plural(len(self.files), 'file')}, {self.bytes:,} bytes>"

    def tables(self) -> list[Table]:
        rows = [row(printable(name), Number(count(size), value=size)) for name, size in self.files]
        return [Table([Column("file"), Column("bytes", is_number=True)], rows, title=printable(str(self.folder)))]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each file."""
        return [{"file": name, "bytes": size} for name, size in self.files]


class DataPreview(previewing.DataPreview, _Shown):
    """A `row` as the model reads it, and in `file` the lengths of all rows."""

    def __repr__(self) -> str:
        verdict = preview_verdict(self.file, self.renderer.context_length)
        return f"<DataPreview of {self.rows.path}:{self.row.line} for {self.base.name}: {verdict}>"

    def _repr_html_(self) -> str:
        """The row with what is learned in bold, above the lengths."""
        shown = "".join(f"<pre>{''.join(map(_span, each.spans))}</pre>" for each in self.row.sequences)
        problem = f"<p>{escape(printable(self.row.problem))}</p>" if self.row.problem else ""
        return f"{problem}{shown}{super()._repr_html_()}"

    def tables(self) -> list[Table]:
        return [lengths_table(self.file)] if self.file.lengths else []

    def to_dicts(self) -> list[dict[str, Any]]:
        """One for each part of the row that is learned, or is context, as a whole."""
        found = preview_object(self.rows, self.base, self.renderer, self.row, self.file)
        return [dict(span) for sequence in found["sequences"] for span in sequence["spans"]]


def _span(span: TokenSpan) -> str:
    text = escape(visible(span.text))
    return f"<b>{text}</b>" if span.is_learned else text


def _before(earlier: Earlier) -> str:
    """`trained before as run 7k3m9x2a`."""
    return earlier.sentence.split(" (")[0]


def _before_table(found: Sequence[tuple[str, Earlier]]) -> list[Table]:
    """Runs of the same content, each with its relation to the plan; no table if there are none."""
    rows = [row(subject, printable(each.sentence)) for subject, each in found]
    return [Table([Column("what"), Column("was")], rows, title="Trained before")] if rows else []


def _flat(trial: dict[str, Any]) -> dict[str, Any]:
    """A trial with its parameters in columns."""
    rest = {name: value for name, value in trial.items() if name != "parameters"}
    return {"trial": rest.pop("trial"), **trial["parameters"], **rest}


def _trial_row(record: sweeps.TrialRecord) -> Row:
    result, score = record.result, record.result.score
    value = score.value if score else None
    return row(
        Number(str(result.trial.number), value=result.trial.number),
        short(result.trial.parameters, result.trial.repeat),
        state_cell(str(result.state)),
        Number("" if value is None else f"{value:.4g}", value=value),
        printable(record.run.fine_tuned_model or result.reason),
    )
