"""Who works on which runs: leases are claimed, kept alive and given back, and runs are read by who holds them.

An `owner` is a process's name as a worker; a lease that has run out is anybody's.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, func, or_, select, update

from orchestrator.store.runs import COLUMNS, Run, run_of
from orchestrator.store.schema import runs


def claim(
    connection: Connection,
    owner: str,
    expires_at: float,
    now: float,
    *,
    endpoint: str,
    states: Collection[str],
    ids: Collection[str] | None = None,
    abandoned: Collection[str] = (),
) -> int:
    """Lease the free runs of these states on this endpoint; returns how many are newly leased.

    A lease is free when nobody holds it, when it has expired, or when its owner is among `abandoned` (known dead).
    """
    free = or_(
        runs.c.lease_owner.is_(None),
        runs.c.lease_expires_at <= now,
        and_(runs.c.lease_owner.in_(abandoned), runs.c.lease_owner != owner),
    )
    statement = update(runs).where(runs.c.endpoint == endpoint, runs.c.state.in_(states), free)
    if ids is not None:
        statement = statement.where(runs.c.id.in_(ids))
    return connection.execute(statement.values(lease_owner=owner, lease_expires_at=expires_at)).rowcount


def renew(connection: Connection, owner: str, expires_at: float, now: float) -> int:
    """Lengthen the leases this owner still holds; an expired one is not revived. Returns how many."""
    held = and_(runs.c.lease_owner == owner, runs.c.lease_expires_at > now)
    return connection.execute(update(runs).where(held).values(lease_expires_at=expires_at)).rowcount


def release(connection: Connection, owner: str) -> None:
    """Give back every lease of this owner."""
    statement = update(runs).where(runs.c.lease_owner == owner)
    connection.execute(statement.values(lease_owner=None, lease_expires_at=None))


def owners(connection: Connection, endpoint: str) -> list[str]:
    """Everyone who holds a lease on a run of this endpoint."""
    query = select(runs.c.lease_owner).where(runs.c.endpoint == endpoint, runs.c.lease_owner.is_not(None))
    return [owner for (owner,) in connection.execute(query.distinct()) if owner]


def held(
    connection: Connection,
    owner: str,
    *,
    endpoint: str,
    states: Collection[str],
    due_before: float | None = None,
    limit: int | None = None,
) -> list[Run]:
    """The runs of these states that `owner` holds, oldest first; with `due_before` only those that may be tried."""
    query = select(*COLUMNS).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.state.in_(states)
    )
    if due_before is not None:
        query = query.where(or_(runs.c.due_at.is_(None), runs.c.due_at <= due_before))
    query = query.order_by(runs.c.created_at, runs.c.id).limit(limit)
    return [run_of(row) for row in connection.execute(query)]


def held_with_request(connection: Connection, owner: str, endpoint: str) -> list[Run]:
    """The runs that `owner` holds and whose user wishes something of them."""
    query = select(*COLUMNS).where(
        runs.c.lease_owner == owner,
        runs.c.endpoint == endpoint,
        runs.c.requested_action.is_not(None),
        runs.c.finished_at.is_(None),
    )
    return [run_of(row) for row in connection.execute(query)]


def held_job_ids(connection: Connection, owner: str, *, endpoint: str, states: Collection[str]) -> set[str]:
    """The fine-tuning jobs of the runs of these states that `owner` holds."""
    query = select(runs.c.job_id).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.state.in_(states)
    )
    return {job_id for job_id in connection.execute(query).scalars() if job_id}


def holds_any(connection: Connection, owner: str, endpoint: str, states: Collection[str]) -> bool:
    """Whether `owner` holds a run of these states."""
    query = select(runs.c.id).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.state.in_(states)
    )
    return connection.execute(query.limit(1)).first() is not None


def held_by_job(connection: Connection, owner: str, endpoint: str, job_ids: Collection[str]) -> list[Run]:
    """The runs that `owner` holds and that drive these fine-tuning jobs."""
    query = select(*COLUMNS).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.job_id.in_(job_ids)
    )
    return [run_of(row) for row in connection.execute(query)]


def held_after_repeats(connection: Connection, owner: str, endpoint: str, states: Collection[str]) -> list[Run]:
    """The runs of these states that `owner` holds and whose create request was sent more than once."""
    query = select(*COLUMNS).where(
        runs.c.lease_owner == owner,
        runs.c.endpoint == endpoint,
        runs.c.state.in_(states),
        runs.c.creation_attempts > 1,
    )
    return [run_of(row) for row in connection.execute(query)]


def next_due(connection: Connection, owner: str, endpoint: str, states: Collection[str]) -> float | None:
    """When the first run of these states that `owner` holds may be tried: 0 for now, None for no such run."""
    query = select(func.min(func.coalesce(runs.c.due_at, 0.0))).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.state.in_(states)
    )
    return connection.execute(query).scalar()


def next_finish(connection: Connection, owner: str, endpoint: str) -> float | None:
    """The earliest estimated finish among the runs that `owner` holds."""
    query = select(func.min(runs.c.estimated_finish)).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.finished_at.is_(None)
    )
    return connection.execute(query).scalar()


def shortest_poll(connection: Connection, owner: str, endpoint: str) -> float | None:
    """The shortest `[poll] seconds` that a job file asked for, among the runs that `owner` holds."""
    query = select(func.min(runs.c.poll_seconds)).where(
        runs.c.lease_owner == owner, runs.c.endpoint == endpoint, runs.c.finished_at.is_(None)
    )
    return connection.execute(query).scalar()
