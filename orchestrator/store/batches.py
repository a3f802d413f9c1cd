"""Batches as rows: many questions that an endpoint answers later, in one file and one request.

A question is in one batch at most that is not over: `batched_questions` has its key. `orchestrator.evaluation.
batching.states.move` is the only caller of `swap` that changes a state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, or_, select, update

from orchestrator.errors import LostRun
from orchestrator.store.evaluations import Asked
from orchestrator.store.schema import batch_transitions, batched_questions, batches


@dataclass(frozen=True)
class Batch:
    """One row of `batches`; times are seconds since the epoch."""

    id: str
    endpoint: str
    model: str
    input_path: str
    input_sha256: str
    questions: int
    state: str
    reason: str
    version: int
    created_at: float
    updated_at: float
    requested_action: str | None = None
    finished_at: float | None = None
    lease_owner: str | None = None
    lease_expires_at: float | None = None
    creation_token: str | None = None
    creation_started_at: float | None = None
    creation_attempts: int = 0
    creation_open: bool = False
    input_file_id: str | None = None
    remote_id: str | None = None
    remote_status: str | None = None
    remote_batch: Mapping[str, Any] | None = None
    completed: int = 0
    failed: int = 0

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True)
class BatchTransition:
    """One move of a batch, as `batch_transitions` keeps it."""

    batch_id: str
    version: int
    from_state: str | None
    to_state: str
    reason: str
    at: float
    owner: str | None


def _columns(table: Table, value: type) -> list[ColumnElement[Any]]:
    return [table.c[field.name] for field in fields(value)]


_BATCH = _columns(batches, Batch)
_OPEN = batches.c.finished_at.is_(None)


# --- reading -----------------------------------------------------------------------------------------------


def get(connection: Connection, batch_id: str) -> Batch:
    """The batch of this id, which must be there."""
    row = connection.execute(select(*_BATCH).where(batches.c.id == batch_id)).one()
    return Batch(**row._mapping)


def find(connection: Connection, prefix: str) -> Batch | None:
    """The one batch whose id, here or on its endpoint, begins so; None for none or several."""
    begins = or_(
        batches.c.id.startswith(prefix, autoescape=True), batches.c.remote_id.startswith(prefix, autoescape=True)
    )
    rows = connection.execute(select(*_BATCH).where(begins).limit(2)).all()
    return Batch(**rows[0]._mapping) if len(rows) == 1 else None


def unfinished(
    connection: Connection, endpoint: str | None = None, ids: Collection[str] | None = None
) -> list[Batch]:
    """The batches that are not over, oldest first: of all endpoints or one, all or those of these ids."""
    query = select(*_BATCH).where(_OPEN)
    if endpoint is not None:
        query = query.where(batches.c.endpoint == endpoint)
    if ids is not None:
        query = query.where(batches.c.id.in_(ids))
    return [Batch(**row._mapping) for row in connection.execute(query.order_by(batches.c.created_at, batches.c.id))]


def by_ids(connection: Connection, ids: Collection[str]) -> list[Batch]:
    """These batches, oldest first."""
    query = select(*_BATCH).where(batches.c.id.in_(ids)).order_by(batches.c.created_at, batches.c.id)
    return [Batch(**row._mapping) for row in connection.execute(query)]


def history(connection: Connection, batch_id: str) -> list[BatchTransition]:
    """All moves of a batch, in their order."""
    columns = _columns(batch_transitions, BatchTransition)
    query = select(*columns).where(batch_transitions.c.batch_id == batch_id)
    rows = connection.execute(query.order_by(batch_transitions.c.version))
    return [BatchTransition(**row._mapping) for row in rows]


def under_way(connection: Connection, endpoint: str, asked: Collection[Asked]) -> dict[Asked, str]:
    """Which of these questions are in a batch that is not over, and in which."""
    table = batched_questions.c
    query = select(table.model, table.request_sha256, table.sample, table.batch_id).where(
        table.endpoint == endpoint,
        table.model.in_({model for model, _, _ in asked}),
        table.request_sha256.in_({sha256 for _, sha256, _ in asked}),
    )
    found = {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}
    return {key: found[key] for key in asked if key in found}


def questions_of(connection: Connection, batch_id: str) -> list[Asked]:
    """The questions of a batch that is not over."""
    table = batched_questions.c
    query = select(table.model, table.request_sha256, table.sample).where(table.batch_id == batch_id)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def owners(connection: Connection, endpoint: str) -> list[str]:
    """Everyone who holds a lease on a batch of this endpoint."""
    query = select(batches.c.lease_owner).where(batches.c.endpoint == endpoint, _OPEN)
    return [owner for (owner,) in connection.execute(query.distinct()) if owner]


def owners_of_remotes(connection: Connection, endpoint: str, remote_ids: Collection[str]) -> dict[str, str]:
    """Which recorded batch follows each of these batches of the endpoint."""
    query = select(batches.c.remote_id, batches.c.id).where(
        batches.c.endpoint == endpoint, batches.c.remote_id.in_(remote_ids)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, batch: Batch, asked: Sequence[Asked]) -> None:
    """Record a batch and its questions, of which none may be in another that is not over."""
    connection.execute(insert(batches), [asdict(batch)])
    add_transition(
        connection,
        BatchTransition(batch.id, batch.version, None, batch.state, batch.reason, batch.created_at, None),
    )
    key = {"endpoint": batch.endpoint, "batch_id": batch.id}
    rows = [{**key, "model": model, "request_sha256": sha256, "sample": n} for model, sha256, n in asked]
    connection.execute(insert(batched_questions), rows)


def add_transition(connection: Connection, transition: BatchTransition) -> None:
    connection.execute(insert(batch_transitions), [asdict(transition)])


def claim(
    connection: Connection,
    owner: str,
    expires_at: float,
    now: float,
    *,
    ids: Collection[str],
    abandoned: Collection[str] = (),
) -> None:
    """Lease those of these batches that are not over and that nobody holds."""
    free = or_(
        batches.c.lease_owner.is_(None),
        batches.c.lease_expires_at <= now,
        and_(batches.c.lease_owner.in_(abandoned), batches.c.lease_owner != owner),
    )
    statement = update(batches).where(batches.c.id.in_(ids), _OPEN, free)
    connection.execute(statement.values(lease_owner=owner, lease_expires_at=expires_at))


def renew(connection: Connection, owner: str, expires_at: float, now: float) -> None:
    """Lengthen the leases this owner still holds; an expired one is not revived."""
    held = and_(batches.c.lease_owner == owner, batches.c.lease_expires_at > now)
    connection.execute(update(batches).where(held).values(lease_expires_at=expires_at))


def release(connection: Connection, owner: str) -> None:
    """Give back every lease of this owner."""
    statement = update(batches).where(batches.c.lease_owner == owner)
    connection.execute(statement.values(lease_owner=None, lease_expires_at=None))


def swap(connection: Connection, batch: Batch, owner: str, now: float, changes: Mapping[str, Any]) -> Batch:
    """Write `changes` with a new version, if `batch` is still as it was read and `owner` holds it; returns it as it
    is now. Raises LostRun otherwise, having written nothing."""
    note(connection, batch, owner, now, {**changes, "version": batch.version + 1})
    return get(connection, batch.id)


def note(connection: Connection, batch: Batch, owner: str, now: float, changes: Mapping[str, Any]) -> None:
    """Write what is no move under the same checks as `swap`, without a new version. Raises LostRun."""
    as_read = and_(
        batches.c.id == batch.id,
        batches.c.version == batch.version,
        batches.c.lease_owner == owner,
        batches.c.lease_expires_at > now,
    )
    statement = update(batches).where(as_read).values(**changes, updated_at=now)
    if connection.execute(statement).rowcount != 1:
        raise LostRun(run=f"(batch {batch.id})")


def request_action(connection: Connection, batch_id: str, requested: str) -> None:
    """Record what the user wants of a batch that is not over. Needs no lease."""
    connection.execute(update(batches).where(batches.c.id == batch_id, _OPEN).values(requested_action=requested))


def let_go(connection: Connection, batch_id: str) -> int:
    """Free the questions of a batch that is over, so that what has no answer may be asked again; how many."""
    statement = delete(batched_questions).where(batched_questions.c.batch_id == batch_id)
    return connection.execute(statement).rowcount
