"""What is exported of a run: everything that people compare runs by, read from the records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.ledger import Ledger
from orchestrator.store import evaluations, labels, records, runs as store, submissions, sweeps
from orchestrator.store.evaluations import Evaluation
from orchestrator.store.labels import Note
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.submissions import Submission
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

_PAGE = 200
MEASURED = (
    *("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
    *("full_valid_loss", "full_valid_accuracy"),
)
"""The names of a step's measurements."""


@dataclass(frozen=True)
class Judged:
    """An evaluation of a run's model in one variant of the tool definitions: each metric's value, from 0 to 1."""

    evaluation: Evaluation
    variant: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class ExportedRun:
    """A run with what users and evaluations say of it."""

    run: Run
    last: Metric | None
    """Its last measured step."""
    tags: Mapping[str, str]
    notes: Sequence[Note]
    submission: Submission | None
    evaluations: Sequence[Evaluation]
    """Those that asked its model, oldest first."""
    sweep: RecordedSweep | None = None
    trial: RecordedTrial | None = None
    """Of its sweep; None for a run that was replaced by a retry."""

    @property
    def mark(self) -> str:
        """Changes as soon as anything that is exported of the run has changed."""
        said = [
            [self.run.version, self.run.state, self.run.updated_at, self.run.cost_usd, self.run.name],
            [self.last.step, *(getattr(self.last, name) for name in MEASURED)] if self.last else None,
            sorted(self.tags.items()),
            [(note.number, note.at) for note in self.notes],
            [(each.id, each.finished_at) for each in self.evaluations],
            self.trial.number if self.trial else None,
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def exported(ledger: Ledger, run_ids: Sequence[str]) -> Iterator[ExportedRun]:
    """The runs of these ids in this order, read page by page; those that are gone are left out."""
    with ledger.database.read() as connection:
        asked = _by_model(evaluations.newest(connection)) if run_ids else {}
    for start in range(0, len(run_ids), _PAGE):
        with ledger.database.read() as connection:
            page = _page(connection, run_ids[start : start + _PAGE], asked)
        yield from page


_Asked = Mapping[tuple[str, str], Sequence[Evaluation]]
"""Evaluations by endpoint and model, oldest first."""


def _by_model(newest: Sequence[Evaluation]) -> _Asked:
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in reversed(newest):
        for entry in evaluation.settings.get("models", ()):
            found.setdefault((evaluation.endpoint, entry["model"]), []).append(evaluation)
    return found


def _page(connection: Connection, run_ids: Sequence[str], asked: _Asked) -> list[ExportedRun]:
    found = {run.id: run for run in store.by_ids(connection, run_ids) if run.deleted_at is None}
    of_sweeps = {str(run.sweep_id) for run in found.values() if run.sweep_id}
    recorded = {sweep_id: sweeps.get(connection, sweep_id) for sweep_id in of_sweeps}
    last = records.last_metrics(connection, run_ids)
    tags, notes = labels.tags_of(connection, run_ids), labels.notes_of_runs(connection, run_ids)
    submitted = submissions.of_items(connection, submissions.RUN, run_ids)
    trials = sweeps.trials_of_runs(connection, run_ids)
    return [
        ExportedRun(
            run=run,
            last=last.get(run.id),
            tags=tags.get(run.id, {}),
            notes=notes.get(run.id, ()),
            submission=submitted.get(run.id),
            evaluations=asked.get((run.endpoint, run.fine_tuned_model or ""), ()),
            sweep=recorded.get(run.sweep_id or ""),
            trial=trials.get(run.id),
        )
        for run in (found[run_id] for run_id in run_ids if run_id in found)
    ]


def judged(ledger: Ledger, of: ExportedRun) -> list[Judged]:
    """The values of the run's model in each of its evaluations, oldest first. Reads the scores of all cases."""
    from orchestrator.evaluation.metrics import METRICS, value_of  # loads pydantic
    from orchestrator.evaluation.scores import scores_of

    model, found = of.run.fine_tuned_model or "", []
    for evaluation in of.evaluations:
        for variant in evaluation.settings["variants"]:
            scores = scores_of(ledger, evaluation, (model, variant)).get((model, variant))
            if scores is None:
                continue
            figures = scores.tally.all.figures()
            values = {name: value_of(name, figures) for name in (*METRICS, "argument_f1")}
            found.append(
                Judged(evaluation, variant, {n: value for n, value in values.items() if value is not None})
            )
    return found


def shown_path(path: str | None, root: Path) -> str | None:
    """The path below the project's root; of a file elsewhere its name alone: where it is, is this machine's."""
    if not path:
        return None
    found = Path(path)
    return str(found.relative_to(root)) if found.is_relative_to(root) else found.name
