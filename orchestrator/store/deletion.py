"""Deleting the records of runs and sweeps: what refers to them, and what is left of them.

Of a run its row is left, with `deleted_at` set: what makes it the same as another, its job, its model and its cost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, or_, select, update

from orchestrator.store import calls, submissions
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import (
    answers,
    batches,
    checkpoints,
    evaluations,
    events,
    exports,
    metrics,
    models,
    notes,
    notifications,
    runs,
    scores,
    sweeps,
    tags,
    transitions,
    trials,
)

_CHILDREN: Sequence[Table] = (events, metrics, checkpoints, transitions, tags, notes, models)


@dataclass(frozen=True)
class Counts:
    """How many records a deletion deletes in addition to the runs."""

    events: int
    steps: int
    checkpoints: int
    evaluations: int
    answers: int


# --- reading -----------------------------------------------------------------------------------------------


def models_of(connection: Connection, run: Run) -> list[str]:
    """The names of the models that the run made: the final one first, then those of its checkpoints."""
    saved = select(checkpoints.c.model).where(checkpoints.c.run_id == run.id).order_by(checkpoints.c.step)
    found = [*([run.fine_tuned_model] if run.fine_tuned_model else []), *connection.execute(saved).scalars()]
    return list(dict.fromkeys(name for name in found if name))


def counts(connection: Connection, found: Sequence[Run], sweep_ids: Collection[str]) -> Counts:
    """The size of what deleting these runs and sweeps deletes."""
    ids = [run.id for run in found]

    def of_runs(table: Table) -> int:
        query = select(func.count()).select_from(table).where(table.c.run_id.in_(ids))
        return int(connection.execute(query).scalar_one())

    asked = 0
    for run in found:
        by_it = answers.c.endpoint == run.endpoint, answers.c.model.in_(_own_models(connection, run))
        asked += connection.execute(select(func.count()).select_from(answers).where(*by_it)).scalar_one()
    judged = len(_evaluations(connection, ids, sweep_ids))
    return Counts(of_runs(events), of_runs(metrics), of_runs(checkpoints), judged, asked)


def children(connection: Connection, names: Collection[str], without: Collection[str]) -> list[Run]:
    """The runs that were trained from one of these models, except the ids in `without`."""
    query = select(*RUNS.columns).where(
        runs.c.model.in_(names), runs.c.id.not_in(without), runs.c.deleted_at.is_(None)
    )
    return [RUNS.item(row) for row in connection.execute(query.order_by(runs.c.created_at))]


def model_users(connection: Connection, name: str, without: Collection[str]) -> list[str]:
    """The runs that have this model too, or were trained from it, on any endpoint: two may be one account."""
    named = or_(runs.c.fine_tuned_model == name, runs.c.model == name)
    query = select(runs.c.id).where(named, runs.c.id.not_in(without), runs.c.deleted_at.is_(None))
    saved = select(checkpoints.c.run_id).where(checkpoints.c.model == name, checkpoints.c.run_id.not_in(without))
    return sorted({*connection.execute(query).scalars(), *connection.execute(saved).scalars()})


def file_users(
    connection: Connection, file_id: str, hashes: Collection[str], without: Collection[str]
) -> list[str]:
    """The runs that use this file too, or will: unfinished ones on the same bytes may be about to."""
    has_file = or_(runs.c.training_file_id == file_id, runs.c.validation_file_id == file_id)
    will = runs.c.finished_at.is_(None) & or_(
        runs.c.training_sha256.in_(hashes), runs.c.validation_sha256.in_(hashes)
    )
    query = select(runs.c.id).where(or_(has_file, will), runs.c.id.not_in(without), runs.c.deleted_at.is_(None))
    return sorted(connection.execute(query).scalars())


def batches_on(connection: Connection, endpoint: str, names: Collection[str]) -> Mapping[str, bool]:
    """The batches of questions to these models, by id: whether each has finished."""
    query = select(batches.c.id, batches.c.finished_at).where(
        batches.c.endpoint == endpoint, batches.c.model.in_(names)
    )
    return {row.id: row.finished_at is not None for row in connection.execute(query)}


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def delete_run(connection: Connection, run: Run, reason: str, now: float) -> None:
    """Delete all records of a run except its row, also its evaluations and the answers of its models."""
    names = _own_models(connection, run)
    calls.keep_deleted(connection, run.id, run.endpoint, names)
    connection.execute(delete(answers).where(answers.c.endpoint == run.endpoint, answers.c.model.in_(names)))
    _delete_evaluations(connection, _evaluations(connection, [run.id], []))
    for table in _CHILDREN:
        connection.execute(delete(table).where(table.c.run_id == run.id))
    _delete_traces(connection, "run", [run.id])
    submissions.forget_texts(connection, submissions.RUN, [run.id])
    left: dict[str, Any] = {
        "deleted_at": now,
        "updated_at": now,
        "archived_at": None,
        "reason": reason,
        "metadata": {},
        "error_code": None,
        "error_message": None,
        "error_param": None,
    }
    connection.execute(update(runs).where(runs.c.id == run.id).values(left))


def delete_sweep(connection: Connection, sweep_id: str) -> None:
    """Delete a sweep whose runs are deleted, with its evaluations."""
    _delete_evaluations(connection, _evaluations(connection, [], [sweep_id]))
    _delete_traces(connection, "sweep", [sweep_id])
    submissions.forget(connection, submissions.SWEEP, [sweep_id])
    connection.execute(delete(trials).where(trials.c.sweep_id == sweep_id))
    connection.execute(update(runs).where(runs.c.sweep_id == sweep_id).values(sweep_id=None))
    connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))


def _own_models(connection: Connection, run: Run) -> list[str]:
    """The models that no other run has: a host that trains in place gives several runs the same one."""
    return [name for name in models_of(connection, run) if not model_users(connection, name, [run.id])]


def _evaluations(connection: Connection, run_ids: Collection[str], sweep_ids: Collection[str]) -> list[str]:
    theirs = or_(evaluations.c.run_id.in_(run_ids), evaluations.c.sweep_id.in_(sweep_ids))
    return list(connection.execute(select(evaluations.c.id).where(theirs)).scalars())


def _delete_evaluations(connection: Connection, ids: Collection[str]) -> None:
    connection.execute(delete(scores).where(scores.c.evaluation_id.in_(ids)))
    _delete_traces(connection, "evaluation", ids)
    submissions.forget(connection, submissions.EVALUATION, ids)
    connection.execute(delete(evaluations).where(evaluations.c.id.in_(ids)))


def _delete_traces(connection: Connection, kind: str, ids: Collection[str]) -> None:
    """What trackers have of these items, and who was notified of them."""
    for table in (exports, notifications):
        connection.execute(delete(table).where(table.c.kind == kind, table.c.item_id.in_(ids)))
