"""What trackers get of a run or a sweep: params, tags and metrics by step, named as MLflow names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.export.records import MEASURED, ExportedRun, judged, shown_path
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.store import records

if TYPE_CHECKING:
    from orchestrator.sweeps.overview import Overview  # loads pydantic

RUN_TAG, SWEEP_TAG = "ftorch.run_id", "ftorch.sweep_id"
"""The tags by which a run or a sweep is found again; a sweep's runs have only the first."""
PARENT_TAG = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"
_OURS = ("mlflow.", "ftorch.")
_STATUSES: Mapping[str, str] = {
    State.SUCCEEDED: "FINISHED",
    State.FAILED: "FAILED",
    State.CANCELLED: "KILLED",
}
"""Of finished runs, by MLflow's RunStatus; any other is RUNNING."""


@dataclass(frozen=True)
class Point:
    """One value of a metric; `at` in seconds since the epoch."""

    key: str
    value: float
    step: int
    at: float


@dataclass(frozen=True)
class Content:
    """Everything that a tracker gets of one item."""

    key_tag: str
    item_id: str
    name: str
    status: str
    started: float
    ended: float | None
    user: str | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    user_tags: frozenset[str] = frozenset()
    """The names among the tags that the user gave: they are deleted when the user removes them."""
    points: Sequence[Point] = ()


def run_content(ledger: Ledger, of: ExportedRun) -> Content:
    """A run with all its measurements."""
    run = of.run
    own = {_own_name(key): value for key, value in of.tags.items()}
    return Content(
        key_tag=RUN_TAG,
        item_id=run.id,
        name=f"{run.name} trial {of.trial.number}" if of.trial else run.name,
        status=_STATUSES.get(run.state, "RUNNING"),
        started=run.created_at,
        ended=run.finished_at,
        user=of.submission.user if of.submission else None,
        params=_run_params(of, ledger),
        tags={**_texts(_run_tags(of)), **own},
        user_tags=frozenset(own),
        points=[*_measured(ledger, of), *_evaluated(ledger, of)],
    )


def _own_name(key: str) -> str:
    """A user's tag can't take the place of one that MLflow or ftorch reads."""
    return f"tag.{key}" if key.startswith(_OURS) else key


def _run_params(of: ExportedRun, ledger: Ledger) -> dict[str, str]:
    """Trackers never change a param, so the hyperparameters are sent when the endpoint has reported them, or when
    the run has ended without that."""
    run, root = of.run, ledger.workspace.root
    used = run.resolved_hyperparameters or (run.hyperparameters if run.is_over else {})
    return _texts(
        {
            "base_model": run.model,
            "endpoint": run.endpoint,
            "method": run.method["type"],
            "seed": run.seed,
            "suffix": run.suffix,
            "training_file": shown_path(run.training_path, root),
            "validation_file": shown_path(run.validation_path, root),
            "examples": run.examples,
            **{f"asked.{name}": value for name, value in run.hyperparameters.items()},
            **used,
        }
    )


def _run_tags(of: ExportedRun) -> dict[str, object]:
    run, submission = of.run, of.submission
    found: dict[str, object] = {
        RUN_TAG: run.id,
        "ftorch.state": run.state,
        "ftorch.reason": run.reason if run.is_over else None,
        "ftorch.model": run.fine_tuned_model,
        "ftorch.job_id": run.job_id,
        "ftorch.training_sha256": run.training_sha256,
        "ftorch.validation_sha256": run.validation_sha256,
        "ftorch.cost_usd": run.cost_usd,
        "ftorch.trained_tokens": run.trained_tokens,
        "ftorch.sweep": of.sweep.name if of.sweep else None,
        _NOTE: "\n\n".join(f"{note.text}\n({note.user})" for note in of.notes),
        "mlflow.source.type": "JOB",
        "mlflow.source.name": run.job_file.rpartition("/")[2] or "ftorch",
    }
    if submission:
        found |= {
            "mlflow.user": submission.user,
            "mlflow.source.git.commit": submission.git_commit,
            "ftorch.git_clean": submission.git_clean,
            "ftorch.host": submission.host,
            "ftorch.version": submission.ftorch_version,
        }
    return found


def _measured(ledger: Ledger, of: ExportedRun) -> Iterator[Point]:
    """Each measurement, at the time of the endpoint's event of its step; where it gave none, at that of the last
    step before that has one."""
    run = of.run
    with ledger.database.read() as connection:
        times = records.step_times(connection, run.id)
    at = run.created_at
    for metric in ledger.metrics(run.id):
        at = max(at, times.get(metric.step, at))
        for name in MEASURED:
            value = getattr(metric, name)
            if value is not None:
                yield Point(name, value, metric.step, at)


def _evaluated(ledger: Ledger, of: ExportedRun) -> Iterator[Point]:
    """The metrics of the evaluations of the run's model, in the order in which they were done: the first is step 0.
    Those of the full definitions have no variant in their names."""
    numbers: dict[str, int] = {}
    for each in judged(ledger, of):
        number = numbers.setdefault(each.evaluation.id, len(numbers))
        variant = "" if each.variant == "full" else f"{each.variant}/"
        at = each.evaluation.finished_at or each.evaluation.created_at
        for name, value in each.values.items():
            yield Point(f"evaluation/{variant}{name}", value, number, at)


def sweep_content(found: Overview) -> Content:
    """A sweep: the parent of its runs, with the score of its best trial."""
    sweep, settings, best = found.sweep, found.settings, found.ranking.best
    ended = [record.run.finished_at for record in found.trials if record.run.finished_at]
    score = best.score if best is not None else None
    is_over = found.is_over
    return Content(
        key_tag=SWEEP_TAG,
        item_id=sweep.id,
        name=sweep.name,
        status=("FINISHED" if found.best_model or not found.trials else "FAILED") if is_over else "RUNNING",
        started=sweep.created_at,
        ended=max(ended, default=sweep.created_at) if is_over else None,
        user=None,
        params=_texts({"endpoint": sweep.endpoint, "strategy": settings.strategy, "goal": settings.goal}),
        tags=_texts(
            {
                SWEEP_TAG: sweep.id,
                "ftorch.trials": len(found.trials),
                "ftorch.metric": settings.metric,
                "ftorch.best_score": score.value if score else None,
                "ftorch.best_model": found.best_model,
                "ftorch.best_run_id": best.run_id if best is not None else None,
                "mlflow.source.type": "JOB",
                "mlflow.source.name": sweep.job_file.rpartition("/")[2],
            }
        ),
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    """The values as text; those that are missing or empty are left out."""
    return {name: str(value) for name, value in values.items() if value not in (None, "")}
