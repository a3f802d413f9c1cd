"""Sweeps and their trials as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from orchestrator.store.records import Checkpoint, Metric
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import checkpoints, metrics, runs, sweeps, trials


@dataclass(frozen=True)
class RecordedSweep:
    """One row of `sweeps`; the columns are explained in `schema.py`."""

    id: str
    name: str
    endpoint: str
    job_file: str
    spec: Mapping[str, Any]
    trials: int
    """The planned number of listed trials; tpe draws those that are missing as the sweep progresses."""
    max_active: int | None
    created_at: float
    stopped_at: float | None = None


@dataclass(frozen=True)
class RecordedTrial:
    """One row of `trials`."""

    sweep_id: str
    number: int
    parameters: Mapping[str, Any]
    repeat: int
    fingerprint: str
    run_id: str
    retries: int = 0
    pruned: str | None = None
    """The evidence for pruning it, by the sweep's rule."""
    listed: bool = True
    """Whether the job file still asks for it."""


_SWEEP = [sweeps.c[field.name] for field in fields(RecordedSweep)]
_TRIAL = [trials.c[field.name] for field in fields(RecordedTrial)]


# --- reading -----------------------------------------------------------------------------------------------


def newest(
    connection: Connection, *, name: str | None = None, endpoint: str | None = None, archived: bool = True
) -> list[RecordedSweep]:
    """The sweeps, newest first: all, or those of a name, or on an endpoint; with or without the `archived` ones."""
    query = select(*_SWEEP).order_by(sweeps.c.created_at.desc(), sweeps.c.id)
    if name is not None:
        query = query.where(sweeps.c.name == name)
    if endpoint is not None:
        query = query.where(sweeps.c.endpoint == endpoint)
    if not archived:
        query = query.where(sweeps.c.archived_at.is_(None))
    return [RecordedSweep(**row._mapping) for row in connection.execute(query)]


def get(connection: Connection, sweep_id: str) -> RecordedSweep:
    """The sweep of an id that is known to exist."""
    return RecordedSweep(**connection.execute(select(*_SWEEP).where(sweeps.c.id == sweep_id)).one()._mapping)


def trials_of(connection: Connection, sweep_id: str) -> list[RecordedTrial]:
    """The sweep's trials by number, including those no longer listed."""
    query = select(*_TRIAL).where(trials.c.sweep_id == sweep_id).order_by(trials.c.number)
    return [RecordedTrial(**row._mapping) for row in connection.execute(query)]


def trials_of_runs(connection: Connection, run_ids: Collection[str]) -> dict[str, RecordedTrial]:
    """By run: the trial of which each of these is the last run."""
    query = select(*_TRIAL).where(trials.c.run_id.in_(run_ids))
    return {row.run_id: RecordedTrial(**row._mapping) for row in connection.execute(query)}


def runs_of(connection: Connection, sweep_id: str) -> dict[str, Run]:
    """The last run of each trial of the sweep, by its id."""
    query = select(*RUNS.columns).join(trials, trials.c.run_id == runs.c.id).where(trials.c.sweep_id == sweep_id)
    return {row.id: RUNS.item(row) for row in connection.execute(query)}


def metrics_of(connection: Connection, sweep_id: str) -> Iterator[tuple[str, list[Metric]]]:
    """The metrics of each run of the sweep that has some, with its id: one run at a time, by step."""
    columns = [metrics.c[field.name] for field in fields(Metric)]
    query = select(*columns).join(trials, trials.c.run_id == metrics.c.run_id)
    query = query.where(trials.c.sweep_id == sweep_id).order_by(metrics.c.run_id, metrics.c.step)
    measured = (Metric(*row) for row in connection.execute(query))
    for run_id, found in groupby(measured, key=lambda metric: metric.run_id):
        yield run_id, list(found)


def checkpoints_of(connection: Connection, sweep_id: str) -> dict[str, list[Checkpoint]]:
    """The checkpoints of each run of the sweep that has some, by step."""
    columns = [checkpoints.c[field.name] for field in fields(Checkpoint)]
    query = select(*columns).join(trials, trials.c.run_id == checkpoints.c.run_id)
    query = query.where(trials.c.sweep_id == sweep_id).order_by(checkpoints.c.step)
    found: dict[str, list[Checkpoint]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.run_id].append(Checkpoint(*row))
    return found


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """The number of each sweep's listed trials in each state: sweep id -> state -> number.

    The states are those of runs, and "pruned" for those cancelled by the sweep's rule.
    """
    is_pruned = trials.c.pruned.is_not(None)
    query = (
        select(trials.c.sweep_id, runs.c.state, is_pruned.label("is_pruned"), func.count().label("number"))
        .join(runs, runs.c.id == trials.c.run_id)
        .where(trials.c.listed)
        .group_by(trials.c.sweep_id, runs.c.state, is_pruned)
    )
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(query):
        state = "pruned" if row.is_pruned and row.state == "cancelled" else row.state
        found[row.sweep_id][state] += row.number
    return {sweep_id: dict(states) for sweep_id, states in found.items()}


@dataclass(frozen=True)
class Standing:
    """A trial, and the state of its last run."""

    trial: RecordedTrial
    state: str
    error_code: str | None
    job_id: str | None
    is_over: bool


def full(connection: Connection, endpoint: str, states: Collection[str]) -> list[str]:
    """The sweeps on the endpoint that have as many runs in these states as their own `max_active` allows."""
    query = (
        select(sweeps.c.id)
        .join(runs, runs.c.sweep_id == sweeps.c.id)
        .where(sweeps.c.endpoint == endpoint, sweeps.c.max_active.is_not(None), runs.c.state.in_(states))
        .group_by(sweeps.c.id, sweeps.c.max_active)
        .having(func.count() >= sweeps.c.max_active)
    )
    return list(connection.execute(query).scalars())


def standings(connection: Connection, sweep_id: str) -> list[Standing]:
    """The sweep's trials by number, including those no longer listed."""
    is_over = runs.c.finished_at.is_not(None).label("is_over")
    query = select(*_TRIAL, runs.c.state, runs.c.error_code, runs.c.job_id, is_over)
    query = query.join(runs, runs.c.id == trials.c.run_id).where(trials.c.sweep_id == sweep_id)
    rows = connection.execute(query.order_by(trials.c.number))
    return [Standing(RecordedTrial(*row[: len(_TRIAL)]), *row[len(_TRIAL) :]) for row in rows]


def mark(connection: Connection, sweep_id: str) -> tuple[Any, ...]:
    """A value that changes as soon as a trial was added or removed, or a run of the sweep has moved."""
    query = (
        select(sweeps.c.trials, sweeps.c.stopped_at, func.count(), func.sum(runs.c.version), func.max(runs.c.id))
        .join(trials, trials.c.sweep_id == sweeps.c.id)
        .join(runs, runs.c.id == trials.c.run_id)
        .where(sweeps.c.id == sweep_id)
        .group_by(sweeps.c.id, sweeps.c.trials, sweeps.c.stopped_at)
    )
    row = connection.execute(query).first()
    return tuple(row) if row else ()


def unfinished_runs(connection: Connection, sweep_id: str) -> list[str]:
    """The ids of the sweep's unfinished runs, whether the job file still asks for them or not."""
    query = select(runs.c.id).where(runs.c.sweep_id == sweep_id, runs.c.finished_at.is_(None))
    return list(connection.execute(query).scalars())


def last_run(connection: Connection, trial: RecordedTrial) -> str:
    """The id of the trial's present run."""
    found: str = connection.execute(select(trials.c.run_id).where(*_key(trial))).scalar_one()
    return found


def evidence(connection: Connection, run_id: str) -> str | None:
    """Why the rule of the run's sweep stopped it; None if it did not."""
    return connection.execute(select(trials.c.pruned).where(trials.c.run_id == run_id)).scalar()


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, sweep: RecordedSweep) -> None:
    connection.execute(insert(sweeps).values(asdict(sweep)))


def rewrite(connection: Connection, sweep: RecordedSweep) -> None:
    """Write the contents of a job file that was submitted again."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep.id).values(asdict(sweep)))


def stop(connection: Connection, sweep_id: str, now: float) -> None:
    """Record that nothing more is to be started."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(stopped_at=now))


def add_trial(connection: Connection, trial: RecordedTrial) -> None:
    connection.execute(insert(trials).values({**asdict(trial), "parameters": dict(trial.parameters)}))


def list_only(connection: Connection, sweep_id: str, numbers: Collection[int]) -> None:
    """Mark these trials, and no others, as those that the job file asks for."""
    ours = trials.c.sweep_id == sweep_id
    connection.execute(update(trials).where(ours).values(listed=trials.c.number.in_(numbers)))


def list_again(connection: Connection, trial: RecordedTrial) -> None:
    connection.execute(update(trials).where(*_key(trial)).values(listed=True))


def change_run(connection: Connection, trial: RecordedTrial, run_id: str, retries: int) -> None:
    """Give a trial another run."""
    values = {"run_id": run_id, "retries": retries, "pruned": None}
    connection.execute(update(trials).where(*_key(trial)).values(values))


def prune(connection: Connection, trial: RecordedTrial, evidence: str) -> bool:
    """Record why the rule stops a trial's run; False if it is stopped already, or has another run."""
    as_read = update(trials).where(*_key(trial), trials.c.run_id == trial.run_id, trials.c.pruned.is_(None))
    return connection.execute(as_read.values(pruned=evidence)).rowcount == 1


def _key(trial: RecordedTrial) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return trials.c.sweep_id == trial.sweep_id, trials.c.number == trial.number
