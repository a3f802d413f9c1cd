"""Runs as rows: values to read, and the few statements that write them.

`swap` is the only statement that changes a leased run; it checks the lease and the version, so a process that lost
either writes nothing. `orchestrator.runs.states.move` is its only caller that changes a state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, insert, or_, select, update

from orchestrator.errors import AmbiguousRun, LostRun, NoSuchRun
from orchestrator.store.schema import runs, transitions


@dataclass(frozen=True)
class Run:
    """One row of `runs`; the columns are explained in `schema.py`."""

    id: str
    name: str
    sweep_id: str | None
    fingerprint: str
    job_file: str
    endpoint: str
    endpoint_type: str
    model: str
    suffix: str | None
    method: Mapping[str, Any]
    seed: int
    seed_given: bool
    metadata: Mapping[str, str]
    training_path: str
    training_sha256: str
    validation_path: str | None
    validation_sha256: str | None
    examples: int | None
    tokens_per_epoch: int | None
    estimated_cost_usd: float | None
    max_cost_usd: float | None
    poll_seconds: float | None
    state: str
    reason: str
    version: int
    created_at: float
    updated_at: float
    due_at: float | None = None
    requested_action: str | None = None
    finished_at: float | None = None
    lease_owner: str | None = None
    lease_expires_at: float | None = None
    creation_token: str | None = None
    creation_started_at: float | None = None
    creation_attempted_at: float | None = None
    creation_attempts: int = 0
    creation_open: bool = False
    training_file_id: str | None = None
    validation_file_id: str | None = None
    job_id: str | None = None
    remote_status: str | None = None
    remote_job: Mapping[str, Any] | None = None
    estimated_finish: float | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    cost_usd: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_param: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the state is final: entering such a state, and nothing else, sets `finished_at`."""
        return self.finished_at is not None

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters as asked for: numbers or "auto"."""
        found: Mapping[str, Any] = self.method["hyperparameters"]
        return found

    @property
    def resolved_hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters as the endpoint says it uses them; empty before it has said so."""
        return resolved_hyperparameters(self.remote_job or {})


def resolved_hyperparameters(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hyperparameters that a job object says it uses: inside its method, or at the top."""
    method = job.get("method") or {}
    inner = (method.get(method.get("type")) or {}).get("hyperparameters") if method.get("type") else None
    return inner or job.get("hyperparameters") or {}


@dataclass(frozen=True)
class Transition:
    """One line of a run's history."""

    run_id: str
    version: int
    from_state: str | None
    to_state: str
    reason: str
    at: float
    owner: str | None


_CLOCKS_APART = 60.0
"""Seconds by which the clocks of two machines that share a database may differ."""
COLUMNS: list[ColumnElement[Any]] = [runs.c[column.name] for column in fields(Run)]
_HISTORY: list[ColumnElement[Any]] = [transitions.c[column.name] for column in fields(Transition)]

# What every transition needs, built once: building a statement takes longer than SQLite takes to carry it out.
_BY_ID = select(*COLUMNS).where(runs.c.id == bindparam("run_id"))
_AS_READ = update(runs).where(
    runs.c.id == bindparam("run_id"),
    runs.c.version == bindparam("read_version"),
    runs.c.lease_owner == bindparam("by"),
    runs.c.lease_expires_at > bindparam("now"),
)
_ADD_TRANSITION = insert(transitions)


def run_of(row: Row[Any]) -> Run:
    """The run that a row of `COLUMNS` holds."""
    return Run(**row._mapping)


# --- reading -----------------------------------------------------------------------------------------------


def get(connection: Connection, run_id: str) -> Run:
    """The run of that id. Raises NoSuchRun."""
    row = connection.execute(_BY_ID, {"run_id": run_id}).first()
    if row is None:
        raise NoSuchRun(key=run_id)
    return run_of(row)


def exists(connection: Connection, run_id: str) -> bool:
    return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None


def find(connection: Connection, key: str) -> Run:
    """The newest run of that name, else the one whose id begins with `key`. Raises NoSuchRun and AmbiguousRun."""
    named = newest(connection, name=key, limit=1)
    if named:
        return named[0]
    by_id = select(*COLUMNS).where(runs.c.id.startswith(key.lower(), autoescape=True)).limit(6)
    found = connection.execute(by_id).all() if key else []
    if len(found) > 1:
        raise AmbiguousRun(key=key, candidates=", ".join(row.id for row in found))
    if not found:
        raise NoSuchRun(key=key)
    return run_of(found[0])


def newest(
    connection: Connection,
    *,
    name: str | None = None,
    limit: int | None = None,
    only_active: bool = False,
    outside_sweeps: bool = False,
) -> list[Run]:
    """Runs, newest first."""
    query = select(*COLUMNS).order_by(runs.c.created_at.desc(), runs.c.id)
    if name is not None:
        query = query.where(runs.c.name == name)
    if only_active:
        query = query.where(runs.c.finished_at.is_(None))
    if outside_sweeps:
        query = query.where(runs.c.sweep_id.is_(None))
    return [run_of(row) for row in connection.execute(query.limit(limit))]


def count_by_state(connection: Connection) -> dict[str, int]:
    """How many runs outside sweeps there are in each state."""
    query = select(runs.c.state, func.count()).where(runs.c.sweep_id.is_(None)).group_by(runs.c.state)
    rows = connection.execute(query)
    return {row.state: row[1] for row in rows}


def same(connection: Connection, fingerprint: str, *, except_states: Collection[str]) -> Run | None:
    """The newest run with this fingerprint whose state is not among `except_states`."""
    query = (
        select(*COLUMNS)
        .where(runs.c.fingerprint == fingerprint, runs.c.state.not_in(except_states))
        .order_by(runs.c.created_at.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return run_of(row) if row else None


def history(connection: Connection, run_id: str) -> list[Transition]:
    """Every move of the run, oldest first."""
    query = select(*_HISTORY).where(transitions.c.run_id == run_id).order_by(transitions.c.version)
    return [Transition(*row) for row in connection.execute(query)]


def owners_of_jobs(connection: Connection, endpoint: str, job_ids: Collection[str]) -> dict[str, str]:
    """Which of these fine-tuning jobs already belong to a run: job id -> run id."""
    query = select(runs.c.job_id, runs.c.id).where(runs.c.endpoint == endpoint, runs.c.job_id.in_(job_ids))
    return {row.job_id: row.id for row in connection.execute(query)}


def by_token(connection: Connection, token: str) -> Run | None:
    """The run whose create request carries this token."""
    row = connection.execute(select(*COLUMNS).where(runs.c.creation_token == token)).first()
    return run_of(row) if row else None


def needed_files(connection: Connection, endpoint: str) -> set[str]:
    """The endpoint's ids of the files that runs which are not over have there."""
    query = select(runs.c.training_file_id, runs.c.validation_file_id).where(
        runs.c.endpoint == endpoint, runs.c.finished_at.is_(None)
    )
    return {file_id for row in connection.execute(query) for file_id in row if file_id}


def unfinished(
    connection: Connection, endpoint: str, ids: Collection[str] | None, *, resting: str, limit: int
) -> list[str]:
    """At most `limit` ids of runs on this endpoint that are neither over nor in the state `resting` without a wish;
    of `ids` only, or of all."""
    query = select(runs.c.id).where(
        runs.c.endpoint == endpoint,
        runs.c.finished_at.is_(None),
        or_(runs.c.state != resting, runs.c.requested_action.is_not(None)),
    )
    if ids is not None:
        query = query.where(runs.c.id.in_(ids))
    return list(connection.execute(query.limit(limit)).scalars())


def busy_endpoints(connection: Connection, ids: Collection[str] | None = None) -> list[str]:
    """The endpoints that have runs which are not over; of `ids` only, or of all."""
    query = select(runs.c.endpoint).where(runs.c.finished_at.is_(None)).distinct()
    if ids is not None:
        query = query.where(runs.c.id.in_(ids))
    return sorted(connection.execute(query).scalars())


# --- writing -----------------------------------------------------------------------------------------------


def add(connection: Connection, run: Run, reason: str) -> None:
    """Record a new run and the first line of its history."""
    connection.execute(insert(runs).values({column.name: getattr(run, column.name) for column in fields(Run)}))
    first = Transition(run.id, run.version, None, run.state, reason, run.created_at, None)
    add_transition(connection, first)


def add_transition(connection: Connection, transition: Transition) -> None:
    values = {column.name: getattr(transition, column.name) for column in fields(Transition)}
    connection.execute(_ADD_TRANSITION, values)


def swap(connection: Connection, run: Run, owner: str, now: float, changes: Mapping[str, Any]) -> Run:
    """Write `changes` if `run` is still as it was read and still leased by `owner`; returns the new run.

    Raises LostRun otherwise, having written nothing.
    """
    _write(connection, run, owner, now, {**changes, "version": run.version + 1})
    return get(connection, run.id)


def note(connection: Connection, run: Run, owner: str, now: float, changes: Mapping[str, Any]) -> None:
    """Write what is no move (what a run waits for, what the endpoint last said) under the same checks as `swap`,
    without a new version. Raises LostRun."""
    _write(connection, run, owner, now, changes)


def _write(connection: Connection, run: Run, owner: str, now: float, changes: Mapping[str, Any]) -> None:
    as_read = {"run_id": run.id, "read_version": run.version, "by": owner, "now": now}
    if connection.execute(_AS_READ, {**changes, "updated_at": now, **as_read}).rowcount != 1:
        raise LostRun(run=run.id)


def request_action(connection: Connection, run_id: str, requested_action: str | None) -> bool:
    """Record what the user wants of a run that is not over; False when it is over. Needs no lease."""
    statement = update(runs).where(runs.c.id == run_id, runs.c.finished_at.is_(None))
    return connection.execute(statement.values(requested_action=requested_action, due_at=None)).rowcount == 1


def withdraw(connection: Connection, run_id: str, requested_action: str) -> None:
    """Take back this wish where it is not carried out yet; another one stays. Needs no lease."""
    connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.requested_action == requested_action)
        .values(requested_action=None)
    )


def set_limits(connection: Connection, run_id: str, max_cost_usd: float | None, poll_seconds: float | None) -> None:
    """Take over the limits of a job file that was edited and submitted again. Needs no lease."""
    statement = update(runs).where(runs.c.id == run_id, runs.c.finished_at.is_(None))
    limits = {"max_cost_usd": max_cost_usd, "poll_seconds": poll_seconds, "due_at": None}
    connection.execute(statement.values(limits))


def hasten(connection: Connection, ids: Collection[str]) -> None:
    """Let waiting runs be tried at once. It needs no lease: being tried early changes no run's safety."""
    statement = update(runs).where(runs.c.id.in_(ids), runs.c.finished_at.is_(None))
    connection.execute(statement.values(due_at=None))


def end_future_waits(connection: Connection, endpoint: str, now: float) -> None:
    """Try again at once what began to wait in the future: the clock was set back since then."""
    future = and_(runs.c.endpoint == endpoint, runs.c.updated_at > now + _CLOCKS_APART, runs.c.due_at.is_not(None))
    connection.execute(update(runs).where(future).values(due_at=None, updated_at=now))


def by_ids(connection: Connection, ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, in the order of creation."""
    query = select(*COLUMNS).where(runs.c.id.in_(ids)).order_by(runs.c.created_at, runs.c.id)
    return [run_of(row) for row in connection.execute(query)]
