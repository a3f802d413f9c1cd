"""Runs as rows: values to read, and the few statements that write them.

`RUNS` claims, moves and updates them; `orchestrator.runs.states` has the legal moves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, bindparam, case, func, or_, select, update

from orchestrator.errors import AmbiguousRun, NoSuchRun
from orchestrator.store import leased
from orchestrator.store.leased import Leased, Narrowed
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
    create_not_before: float | None = None
    account: str | None = None
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
    archived_at: float | None = None
    deleted_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the state is final: only entering a final state sets `finished_at`."""
        return self.finished_at is not None

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The requested hyperparameters: numbers or "auto"."""
        found: Mapping[str, Any] = self.method["hyperparameters"]
        return found

    @property
    def base_folder(self) -> str | None:
        """The folder of its open-weights base model when it was submitted; None for any other run."""
        found: str | None = (self.method.get("base") or {}).get("folder")
        return found

    @property
    def resolved_hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters reported by the endpoint; empty before it has reported any."""
        return resolved_hyperparameters(self.remote_job or {})


def resolved_hyperparameters(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hyperparameters that a job object reports: inside its method, or at the top level."""
    method = job.get("method") or {}
    inner = (method.get(method.get("type")) or {}).get("hyperparameters") if method.get("type") else None
    return inner or job.get("hyperparameters") or {}


RUNS = Leased("run", runs, transitions, Run, NoSuchRun)
Transition = leased.Transition

get, by_ids, history, request_action = RUNS.get, RUNS.by_ids, RUNS.history, RUNS.request_action
add = RUNS.add

# The statements of each worker cycle are built once: building takes longer than SQLite takes to execute them.
_OWNERS_OF_JOBS = select(runs.c.job_id, runs.c.id).where(
    runs.c.endpoint == bindparam("endpoint"), runs.c.job_id.in_(bindparam("job_ids", expanding=True))
)
_UNFINISHED = Narrowed(
    select(runs.c.id)
    .where(runs.c.endpoint == bindparam("endpoint"), runs.c.finished_at.is_(None))
    .limit(bindparam("at_most", type_=Integer)),
    resting=or_(runs.c.state != bindparam("resting"), runs.c.requested_action.is_not(None)),
    among=runs.c.id.in_(bindparam("among", expanding=True)),
)

# --- reading -----------------------------------------------------------------------------------------------


def exists(connection: Connection, run_id: str) -> bool:
    return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None


def find(connection: Connection, key: str) -> Run:
    """The newest run of that name, else the one whose id starts with `key`, which may be deleted. Raises NoSuchRun
    and AmbiguousRun."""
    named = newest(connection, name=key, limit=1)
    if named:
        return named[0]
    whole = select(*RUNS.columns).where(runs.c.id == key.lower())
    if row := connection.execute(whole).first():
        return RUNS.item(row)
    beginning = select(*RUNS.columns).where(runs.c.id.startswith(key.lower(), autoescape=True)).limit(6)
    found = connection.execute(beginning).all() if key else []  # reads every id: there may be very many
    if len(found) > 1:
        raise AmbiguousRun(key=key, candidates=", ".join(row.id for row in found))
    if not found:
        raise NoSuchRun(key=key)
    return RUNS.item(found[0])


def newest(
    connection: Connection,
    *,
    name: str | None = None,
    limit: int | None = None,
    only_active: bool = False,
    outside_sweeps: bool = False,
) -> list[Run]:
    """Runs, newest first, without deleted ones."""
    query = select(*RUNS.columns).order_by(runs.c.created_at.desc(), runs.c.id).where(runs.c.deleted_at.is_(None))
    if name is not None:
        query = query.where(runs.c.name == name)
    if only_active:
        query = query.where(runs.c.finished_at.is_(None))
    if outside_sweeps:
        query = query.where(runs.c.sweep_id.is_(None))
    return [RUNS.item(row) for row in connection.execute(query.limit(limit))]


def of_sweeps(connection: Connection, sweep_ids: Collection[str]) -> list[Run]:
    """Every run of these sweeps, those that were replaced by another try too, in order of creation."""
    query = select(*RUNS.columns).where(runs.c.sweep_id.in_(sweep_ids))
    return [RUNS.item(row) for row in connection.execute(query.order_by(runs.c.created_at, runs.c.id))]


@dataclass(frozen=True)
class RunSummary:
    """A run as listed: the columns that need no JSON to be read, named as in `Run`."""

    id: str
    name: str
    sweep_id: str | None
    endpoint: str
    model: str
    state: str
    reason: str
    remote_status: str | None
    job_id: str | None
    fine_tuned_model: str | None
    estimated_cost_usd: float | None
    cost_usd: float | None
    created_at: float
    updated_at: float
    finished_at: float | None


_SUMMARY = [runs.c[field.name] for field in fields(RunSummary)]


def summaries(connection: Connection, ids: Collection[str]) -> list[RunSummary]:
    """The runs of these ids, in any order."""
    query = select(*_SUMMARY).where(runs.c.id.in_(ids))
    return [RunSummary(*row) for row in connection.execute(query)]


def same(connection: Connection, fingerprint: str, *, except_states: Collection[str]) -> Run | None:
    """The newest run with this fingerprint whose state is not among `except_states`. A deleted one is not the same:
    it can't be followed."""
    query = (
        select(*RUNS.columns)
        .where(runs.c.fingerprint == fingerprint, runs.c.state.not_in(except_states), runs.c.deleted_at.is_(None))
        .order_by(runs.c.created_at.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return RUNS.item(row) if row else None


def owners_of_jobs(connection: Connection, endpoint: str, job_ids: Collection[str]) -> dict[str, str]:
    """Which of these fine-tuning jobs already belong to a run: job id -> run id."""
    rows = connection.execute(_OWNERS_OF_JOBS, {"endpoint": endpoint, "job_ids": list(job_ids)})
    return {row.job_id: row.id for row in rows}


def recorded_jobs(connection: Connection, job_ids: Collection[str], tokens: Collection[str]) -> set[str]:
    """Those of these fine-tuning jobs, and of these tokens of create requests, that are recorded on any
    endpoint."""
    known = or_(runs.c.job_id.in_(job_ids), runs.c.creation_token.in_(tokens))
    found = connection.execute(select(runs.c.job_id, runs.c.creation_token).where(known))
    return {value for row in found for value in row if value}


def last_jobs(connection: Connection, endpoint: str, *, except_run: str, limit: int) -> list[str]:
    """The ids of the newest fine-tuning jobs of runs on this endpoint."""
    query = (
        select(runs.c.job_id)
        .where(runs.c.endpoint == endpoint, runs.c.job_id.is_not(None), runs.c.id != except_run)
        .order_by(runs.c.created_at.desc())
        .limit(limit)
    )
    return [str(job_id) for job_id in connection.execute(query).scalars()]


def without_job(connection: Connection, endpoint: str) -> list[Run]:
    """The runs on this endpoint that requested a job and have none recorded."""
    query = select(*RUNS.columns).where(
        runs.c.endpoint == endpoint, runs.c.job_id.is_(None), runs.c.creation_started_at.is_not(None)
    )
    return [RUNS.item(row) for row in connection.execute(query)]


def by_token(connection: Connection, token: str) -> Run | None:
    """The run whose create request carries this token."""
    row = connection.execute(select(*RUNS.columns).where(runs.c.creation_token == token)).first()
    return RUNS.item(row) if row else None


def needed_files(connection: Connection, endpoint: str) -> set[str]:
    """The endpoint's ids of the files of unfinished runs there."""
    query = select(runs.c.training_file_id, runs.c.validation_file_id).where(
        runs.c.endpoint == endpoint, runs.c.finished_at.is_(None)
    )
    return {file_id for row in connection.execute(query) for file_id in row if file_id}


def unfinished(
    connection: Connection, endpoint: str, ids: Collection[str] | None, *, resting: str | None, limit: int
) -> list[str]:
    """At most `limit` ids of unfinished runs on this endpoint, not in the state `resting` (None: no such state) and
    without a requested action; of `ids` only, or of all."""
    values = {"endpoint": endpoint, "at_most": limit}
    among = None if ids is None else list(ids)
    return list(_UNFINISHED.execute(connection, values, resting=resting, among=among).scalars())


@dataclass(frozen=True)
class Load:
    """The unfinished runs on an endpoint, and who works on them."""

    unfinished: int
    own: int
    """Those that the worker holds that asks."""
    others: int
    """How many other workers hold some."""


def load_of(connection: Connection, owner: str, endpoint: str, now: float) -> Load:
    """The load of an endpoint as the worker `owner` sees it."""
    is_own = runs.c.lease_owner == owner
    other = case((and_(runs.c.lease_owner != owner, runs.c.lease_expires_at > now), runs.c.lease_owner))
    query = select(func.count(), func.count(case((is_own, 1))), func.count(other.distinct())).where(
        runs.c.endpoint == endpoint, runs.c.finished_at.is_(None)
    )
    return Load(*connection.execute(query).one())


def unfinished_by_state(connection: Connection) -> dict[tuple[str, str], int]:
    """How many unfinished runs there are, by endpoint and state."""
    query = (
        select(runs.c.endpoint, runs.c.state, func.count())
        .where(runs.c.finished_at.is_(None))
        .group_by(runs.c.endpoint, runs.c.state)
    )
    return {(endpoint, state): number for endpoint, state, number in connection.execute(query)}


def held_by_owner(connection: Connection, now: float) -> dict[str, int]:
    """How many runs each worker holds a lease on that has not expired."""
    query = (
        select(runs.c.lease_owner, func.count())
        .where(runs.c.lease_owner.is_not(None), runs.c.lease_expires_at > now)
        .group_by(runs.c.lease_owner)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def busy_endpoints(connection: Connection, ids: Collection[str] | None = None) -> list[str]:
    """The endpoints that have unfinished runs; of `ids` only, or of all."""
    query = select(runs.c.endpoint).where(runs.c.finished_at.is_(None)).distinct()
    if ids is not None:
        query = query.where(runs.c.id.in_(ids))
    return sorted(connection.execute(query).scalars())


def bases_without_job(connection: Connection, endpoint: str) -> dict[str, Mapping[str, str]]:
    """The open-weights base models of runs that have no job yet: by model, the folder and the mark."""
    query = select(runs.c.model, runs.c.method).where(
        runs.c.endpoint == endpoint, runs.c.finished_at.is_(None), runs.c.job_id.is_(None)
    )
    return {model: method["base"] for model, method in connection.execute(query) if "base" in method}


# --- reading what a worker holds ---------------------------------------------------------------------------


_HERE = and_(runs.c.lease_owner == bindparam("owner"), runs.c.endpoint == bindparam("endpoint"))
_IN_STATES = runs.c.state.in_(bindparam("states", expanding=True))
_HELD_RUNS = select(*RUNS.columns).where(_HERE)
_HELD_WITH_REQUEST = _HELD_RUNS.where(runs.c.requested_action.is_not(None), runs.c.finished_at.is_(None))
_HELD_BY_JOB = _HELD_RUNS.where(runs.c.job_id.in_(bindparam("job_ids", expanding=True)))
_HELD_AFTER_REPEATS = _HELD_RUNS.where(_IN_STATES, runs.c.creation_attempts > 1)
_HELD_JOB_IDS = select(runs.c.job_id).where(_HERE, _IN_STATES, runs.c.job_id.is_not(None))
_HELD_ID = select(runs.c.id).where(_HERE, _IN_STATES).limit(1)
_PACE = select(func.min(runs.c.estimated_finish), func.min(runs.c.poll_seconds)).where(
    _HERE, runs.c.finished_at.is_(None)
)


def held_with_request(connection: Connection, owner: str, endpoint: str) -> list[Run]:
    """The runs that `owner` holds and that have a requested action."""
    return _items(connection, _HELD_WITH_REQUEST, owner, endpoint)


def held_job_ids(connection: Connection, owner: str, *, endpoint: str, states: Collection[str]) -> set[str]:
    """The fine-tuning jobs of the runs in these states that `owner` holds."""
    values = {"owner": owner, "endpoint": endpoint, "states": list(states)}
    return set(connection.execute(_HELD_JOB_IDS, values).scalars())


def holds_any(connection: Connection, owner: str, endpoint: str, states: Collection[str]) -> bool:
    """Whether `owner` holds a run in one of these states."""
    values = {"owner": owner, "endpoint": endpoint, "states": list(states)}
    return connection.execute(_HELD_ID, values).first() is not None


def held_pending(
    connection: Connection,
    owner: str,
    endpoint: str,
    full: Collection[str],
    *,
    is_of_full: bool = False,
    due_before: float | None = None,
    limit: int | None = None,
) -> list[Run]:
    """The pending runs that `owner` holds, oldest first: those outside the sweeps `full`, or of these."""
    its = _held_pending(owner, endpoint, full, is_of_full=is_of_full)
    due = () if due_before is None else (or_(runs.c.due_at.is_(None), runs.c.due_at <= due_before),)
    return RUNS.select(connection, *its, *due, limit=limit)


def next_pending(connection: Connection, owner: str, endpoint: str, full: Collection[str]) -> float | None:
    """When the first of these outside the sweeps `full` is due: 0 for now, None if there is none."""
    query = select(func.min(func.coalesce(runs.c.due_at, 0.0)))
    due: float | None = connection.execute(query.where(*_held_pending(owner, endpoint, full))).scalar()
    return due


def _held_pending(
    owner: str, endpoint: str, full: Collection[str], *, is_of_full: bool = False
) -> list[ColumnElement[bool]]:
    of_full = runs.c.sweep_id.in_(full)
    its = [runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.state == "pending"]
    return [*its, of_full if is_of_full else or_(runs.c.sweep_id.is_(None), ~of_full)]


def held_by_job(connection: Connection, owner: str, endpoint: str, job_ids: Collection[str]) -> list[Run]:
    """The runs that `owner` holds and that drive these fine-tuning jobs."""
    return _items(connection, _HELD_BY_JOB, owner, endpoint, job_ids=list(job_ids))


def held_after_repeats(connection: Connection, owner: str, endpoint: str, states: Collection[str]) -> list[Run]:
    """The runs in these states that `owner` holds and whose create request was sent more than once."""
    return _items(connection, _HELD_AFTER_REPEATS, owner, endpoint, states=list(states))


def pace(connection: Connection, owner: str, endpoint: str) -> tuple[float | None, float | None]:
    """Of the runs that `owner` holds: the earliest estimated finish, and the shortest `[poll] seconds` of a job
    file; None if no run has one."""
    row = connection.execute(_PACE, {"owner": owner, "endpoint": endpoint}).one()
    return row[0], row[1]


def _items(connection: Connection, query: Select[Any], owner: str, endpoint: str, **values: Any) -> list[Run]:
    rows = connection.execute(query, {"owner": owner, "endpoint": endpoint, **values})
    return [RUNS.item(row) for row in rows]


# --- writing -----------------------------------------------------------------------------------------------


def withdraw(connection: Connection, run_id: str, requested_action: str) -> None:
    """Withdraw this request if it is not carried out yet; any other stays. Needs no lease."""
    connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.requested_action == requested_action)
        .values(requested_action=None)
    )


def set_limits(connection: Connection, run_id: str, max_cost_usd: float | None, poll_seconds: float | None) -> None:
    """Set the limits of a job file that was edited and submitted again. Needs no lease."""
    statement = update(runs).where(runs.c.id == run_id, runs.c.finished_at.is_(None))
    limits = {"max_cost_usd": max_cost_usd, "poll_seconds": poll_seconds, "due_at": None}
    connection.execute(statement.values(limits))


def set_estimate(connection: Connection, run_id: str, estimated_cost_usd: float | None) -> None:
    """Set the estimate of a new plan, if there is no job yet. Needs no lease."""
    statement = update(runs).where(runs.c.id == run_id, runs.c.job_id.is_(None))
    connection.execute(statement.values(estimated_cost_usd=estimated_cost_usd))


def hasten(connection: Connection, ids: Collection[str]) -> None:
    """Make waiting runs due at once. It needs no lease: trying early is always safe."""
    RUNS.hasten(connection, runs.c.id.in_(ids))
