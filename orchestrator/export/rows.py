"""One flat row for each run, or for each measured step: what a spreadsheet or a data frame takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.export.records import MEASURED, ExportedRun, exported, judged, shown_path
from orchestrator.ledger import Ledger
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

Value = str | int | float | bool | None
Row = Mapping[str, Value]

STEP_COLUMNS = ("run", "name", "step", "total_steps", *MEASURED)


def run_rows(ledger: Ledger, run_ids: Sequence[str]) -> Iterator[Row]:
    """A row for each run. Times are ISO 8601 in UTC, costs US dollars, shares from 0 to 1.

    The columns `asked.*` are the requested hyperparameters, `used.*` those that the endpoint reports, `tag.*` the
    user's tags, and `evaluation.*` the last evaluation of its model.
    """
    for each in exported(ledger, run_ids):
        yield _run_row(ledger, each)


def step_rows(ledger: Ledger, run_ids: Sequence[str]) -> Iterator[Row]:
    """A row for each measured step of each run."""
    for each in exported(ledger, run_ids):
        for metric in ledger.metrics(each.run.id):
            yield _step_row(each.run, metric)


def _step_row(run: Run, metric: Metric) -> Row:
    measured = {name: getattr(metric, name) for name in MEASURED}
    return {
        "run": run.id,
        "name": run.name,
        "step": metric.step,
        "total_steps": metric.total_steps,
        **measured,
    }


def _run_row(ledger: Ledger, of: ExportedRun) -> Row:
    run, root = of.run, ledger.workspace.root
    return {
        "run": run.id,
        "name": run.name,
        "sweep": run.sweep_id,
        "trial": of.trial.number if of.trial else None,
        "endpoint": run.endpoint,
        "state": run.state,
        "reason": run.reason,
        "base_model": run.model,
        "model": run.fine_tuned_model,
        "job_id": run.job_id,
        "method": run.method["type"],
        "seed": run.seed,
        "suffix": run.suffix,
        "training_file": shown_path(run.training_path, root),
        "training_sha256": run.training_sha256,
        "validation_file": shown_path(run.validation_path, root),
        "validation_sha256": run.validation_sha256,
        "examples": run.examples,
        "trained_tokens": run.trained_tokens,
        "estimated_cost_usd": run.estimated_cost_usd,
        "cost_usd": run.cost_usd,
        "created_at": iso(run.created_at),
        "finished_at": iso(run.finished_at),
        **_who(of),
        "archived": run.archived_at is not None,
        "steps": of.last.step if of.last else None,
        **{name: getattr(of.last, name) if of.last else None for name in MEASURED},
        **_evaluation(ledger, of),
        **{f"asked.{name}": _plain(value) for name, value in run.hyperparameters.items()},
        **{f"used.{name}": _plain(value) for name, value in run.resolved_hyperparameters.items()},
        **{f"tag.{key}": value for key, value in of.tags.items()},
    }


def _who(of: ExportedRun) -> Row:
    names = ("user", "host", "git_commit", "git_clean", "ftorch_version")
    return {name: getattr(of.submission, name) if of.submission else None for name in names}


def _evaluation(ledger: Ledger, of: ExportedRun) -> Row:
    """The last evaluation that scored the model, in the first of its variants."""
    found = judged(ledger, of)
    if not found:
        return {"evaluation": None}
    last = next(each for each in found if each.evaluation.id == found[-1].evaluation.id)
    values = {f"evaluation.{name}": value for name, value in last.values.items()}
    return {"evaluation": last.evaluation.id, "evaluation.variant": last.variant, **values}


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
