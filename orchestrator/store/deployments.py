"""Deployments as rows: what makes a model callable on Azure, who uses it, and what became of it.

`swap` is the only statement that moves one; it checks the lease and the version, so a process that lost either
writes nothing. `orchestrator.deployments.states.move` is its only caller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from orchestrator.errors import LostDeployment, NoSuchDeployment
from orchestrator.store.schema import deployment_moves, deployment_uses, deployments


@dataclass(frozen=True)
class Deployment:
    """One row of `deployments`; the columns are explained in `schema.py`. Times are seconds since the epoch."""

    id: str
    endpoint: str
    name: str
    model: str | None
    run_id: str | None
    sku: str
    capacity: int
    temporary: bool
    state: str
    reason: str
    version: int
    created_at: float
    updated_at: float
    made_elsewhere: bool = False
    due_at: float | None = None
    requested_action: str | None = None
    requested_at: float | None = None
    provisioned_at: float | None = None
    deployed_at: float | None = None
    last_used_at: float | None = None
    finished_at: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    lease_owner: str | None = None
    lease_expires_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the state is final: entering such a state, and nothing else, sets `finished_at`."""
        return self.finished_at is not None


@dataclass(frozen=True)
class DeploymentMove:
    """One line of a deployment's history."""

    deployment_id: str
    version: int
    from_state: str | None
    to_state: str
    reason: str
    at: float
    owner: str | None


_COLUMNS: list[ColumnElement[Any]] = [deployments.c[column.name] for column in fields(Deployment)]
_HISTORY: list[ColumnElement[Any]] = [deployment_moves.c[column.name] for column in fields(DeploymentMove)]


# --- reading -----------------------------------------------------------------------------------------------


def get(connection: Connection, deployment_id: str) -> Deployment:
    """The deployment of that id. Raises NoSuchDeployment."""
    row = connection.execute(select(*_COLUMNS).where(deployments.c.id == deployment_id)).first()
    if row is None:
        raise NoSuchDeployment(key=deployment_id)
    return Deployment(**row._mapping)


def newest(
    connection: Connection,
    *,
    endpoint: str | None = None,
    name: str | None = None,
    model: str | None = None,
    run_ids: Collection[str] | None = None,
    only_active: bool = False,
    limit: int | None = None,
) -> list[Deployment]:
    """Deployments, newest first: all, or those of an endpoint, a name, a model, or runs."""
    query = select(*_COLUMNS).order_by(deployments.c.created_at.desc(), deployments.c.id)
    wanted = {"endpoint": endpoint, "name": name, "model": model}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(deployments.c[column] == value)
    if run_ids is not None:
        query = query.where(deployments.c.run_id.in_(run_ids))
    if only_active:
        query = query.where(deployments.c.finished_at.is_(None))
    return [Deployment(**row._mapping) for row in connection.execute(query.limit(limit))]


def answering(connection: Connection, endpoint: str, model: str) -> Deployment | None:
    """The model's deployment that answers, the lasting one first; None where none is recorded."""
    active = newest(connection, endpoint=endpoint, model=model, only_active=True)
    there = [each for each in active if each.state == "deployed" and each.requested_action is None]
    return min(there, key=lambda each: each.temporary, default=None)


def sku_of(connection: Connection, endpoint: str, model: str) -> str | None:
    """How the model's newest lasting deployment is or was hosted; None where it never had one."""
    query = select(deployments.c.sku).where(
        deployments.c.endpoint == endpoint,
        deployments.c.model == model,
        deployments.c.temporary.is_(False),
        deployments.c.deployed_at.is_not(None),
    )
    return connection.execute(query.order_by(deployments.c.created_at.desc()).limit(1)).scalar()


def history(connection: Connection, deployment_id: str) -> list[DeploymentMove]:
    """Every move of the deployment, oldest first."""
    query = select(*_HISTORY).where(deployment_moves.c.deployment_id == deployment_id)
    return [DeploymentMove(*row) for row in connection.execute(query.order_by(deployment_moves.c.version))]


def lease_owners(connection: Connection, endpoint: str) -> list[str]:
    """Everyone who holds a lease on a deployment of this endpoint."""
    query = select(deployments.c.lease_owner).where(deployments.c.endpoint == endpoint)
    return [owner for (owner,) in connection.execute(query.distinct()) if owner]


def users(connection: Connection, deployment_id: str, now: float) -> list[str]:
    """The processes that said they use the deployment, and whose word has not run out."""
    query = select(deployment_uses.c.owner).where(
        deployment_uses.c.deployment_id == deployment_id, deployment_uses.c.expires_at > now
    )
    return list(connection.execute(query).scalars())


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, deployment: Deployment) -> None:
    """Record a new deployment and the first line of its history."""
    values = {column.name: getattr(deployment, column.name) for column in fields(Deployment)}
    connection.execute(insert(deployments).values(values))
    first = DeploymentMove(
        deployment.id, deployment.version, None, deployment.state, deployment.reason, deployment.created_at, None
    )
    add_move(connection, first)


def add_move(connection: Connection, moved: DeploymentMove) -> None:
    values = {column.name: getattr(moved, column.name) for column in fields(DeploymentMove)}
    connection.execute(insert(deployment_moves).values(values))


def claim(
    connection: Connection,
    ids: Collection[str],
    owner: str,
    expires_at: float,
    now: float,
    abandoned: Collection[str] = (),
) -> list[Deployment]:
    """Lease those of these deployments that are free and not over; returns all of them that `owner` holds then."""
    free = or_(
        deployments.c.lease_owner.is_(None),
        deployments.c.lease_owner == owner,
        deployments.c.lease_expires_at <= now,
        deployments.c.lease_owner.in_(abandoned),
    )
    active = and_(deployments.c.id.in_(ids), deployments.c.finished_at.is_(None))
    statement = update(deployments).where(active, free)
    connection.execute(statement.values(lease_owner=owner, lease_expires_at=expires_at))
    held = select(*_COLUMNS).where(active, deployments.c.lease_owner == owner).order_by(deployments.c.created_at)
    return [Deployment(**row._mapping) for row in connection.execute(held)]


def renew(connection: Connection, owner: str, expires_at: float, now: float) -> None:
    """Lengthen the leases this owner still holds; an expired one is not revived."""
    held = and_(deployments.c.lease_owner == owner, deployments.c.lease_expires_at > now)
    connection.execute(update(deployments).where(held).values(lease_expires_at=expires_at))


def release(connection: Connection, owner: str) -> None:
    """Give back every lease of this owner."""
    statement = update(deployments).where(deployments.c.lease_owner == owner)
    connection.execute(statement.values(lease_owner=None, lease_expires_at=None))


def swap(
    connection: Connection, deployment: Deployment, owner: str, now: float, changes: Mapping[str, Any]
) -> Deployment:
    """Write `changes` if the deployment is still as it was read and still leased by `owner`; returns it as it is
    now. Raises LostDeployment otherwise, having written nothing."""
    _write(connection, deployment, owner, now, {**changes, "version": deployment.version + 1})
    return get(connection, deployment.id)


def note(
    connection: Connection, deployment: Deployment, owner: str, now: float, changes: Mapping[str, Any]
) -> Deployment:
    """Write what is no move under the same checks as `swap`, without a new version. Raises LostDeployment."""
    _write(connection, deployment, owner, now, changes)
    return get(connection, deployment.id)


def _write(
    connection: Connection, deployment: Deployment, owner: str, now: float, changes: Mapping[str, Any]
) -> None:
    as_read = and_(
        deployments.c.id == deployment.id,
        deployments.c.version == deployment.version,
        deployments.c.lease_owner == owner,
        deployments.c.lease_expires_at > now,
    )
    written = connection.execute(update(deployments).where(as_read).values({**changes, "updated_at": now}))
    if written.rowcount != 1:
        raise LostDeployment(name=deployment.name)


def request_action(connection: Connection, deployment_id: str, requested_action: str) -> bool:
    """Record what is wished of a deployment that is not over; False when it is over. Needs no lease."""
    active = and_(deployments.c.id == deployment_id, deployments.c.finished_at.is_(None))
    return (
        connection.execute(
            update(deployments).where(active).values(requested_action=requested_action, due_at=None)
        ).rowcount
        == 1
    )


def use(connection: Connection, deployment_id: str, owner: str, expires_at: float) -> None:
    """Say that this process uses the deployment until then."""
    stop_using(connection, deployment_id, owner)
    values = {"deployment_id": deployment_id, "owner": owner, "expires_at": expires_at}
    connection.execute(insert(deployment_uses).values(values))


def used(connection: Connection, deployment_id: str, at: float) -> None:
    """Record that a request of ours was sent to the deployment."""
    statement = update(deployments).where(deployments.c.id == deployment_id)
    connection.execute(statement.values(last_used_at=at))


def stop_using(connection: Connection, deployment_id: str, owner: str) -> None:
    """Take back this process's word."""
    ours = and_(deployment_uses.c.deployment_id == deployment_id, deployment_uses.c.owner == owner)
    connection.execute(delete(deployment_uses).where(ours))
