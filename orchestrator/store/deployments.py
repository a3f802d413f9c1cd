"""Deployments as rows: what makes a model callable on Azure, who uses it, and its history.

`DEPLOYMENTS` claims, moves and updates them; `orchestrator.deployments.states` has the legal moves.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select, update

from orchestrator.errors import NoSuchDeployment
from orchestrator.store.leased import Leased
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
        """Whether the state is final: only entering a final state sets `finished_at`."""
        return self.finished_at is not None


DEPLOYMENTS = Leased("deployment", deployments, deployment_moves, Deployment, NoSuchDeployment)

get, by_ids, history, add = DEPLOYMENTS.get, DEPLOYMENTS.by_ids, DEPLOYMENTS.history, DEPLOYMENTS.add
request_action = DEPLOYMENTS.request_action


# --- reading -----------------------------------------------------------------------------------------------


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
    query = select(*DEPLOYMENTS.columns).order_by(deployments.c.created_at.desc(), deployments.c.id)
    wanted = {"endpoint": endpoint, "name": name, "model": model}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(deployments.c[column] == value)
    if run_ids is not None:
        query = query.where(deployments.c.run_id.in_(run_ids))
    if only_active:
        query = query.where(deployments.c.finished_at.is_(None))
    return [DEPLOYMENTS.item(row) for row in connection.execute(query.limit(limit))]


def failed(connection: Connection) -> list[Deployment]:
    """The newest deployment of each name and endpoint if it has failed, newest first."""
    found: dict[tuple[str, str], Deployment] = {}
    for each in newest(connection):
        found.setdefault((each.endpoint, each.name), each)
    return [each for each in found.values() if each.state == "failed"]


def answering(connection: Connection, endpoint: str, model: str) -> Deployment | None:
    """The model's deployment that answers, permanent ones first; None if none is recorded."""
    active = newest(connection, endpoint=endpoint, model=model, only_active=True)
    there = [each for each in active if each.state == "deployed" and each.requested_action is None]
    return min(there, key=lambda each: each.temporary, default=None)


def sku_of(connection: Connection, endpoint: str, model: str, *, temporary: bool = False) -> str | None:
    """How the model's newest permanent deployment is or was hosted, or with `temporary` the newest of all; None if
    it never had one."""
    query = select(deployments.c.sku).where(
        deployments.c.endpoint == endpoint,
        deployments.c.model == model,
        deployments.c.deployed_at.is_not(None),
    )
    if not temporary:
        query = query.where(deployments.c.temporary.is_(False))
    return connection.execute(query.order_by(deployments.c.created_at.desc()).limit(1)).scalar()


def users(connection: Connection, deployment_id: str, now: float) -> list[str]:
    """The processes that use the deployment and whose claims have not expired."""
    query = select(deployment_uses.c.owner).where(
        deployment_uses.c.deployment_id == deployment_id, deployment_uses.c.expires_at > now
    )
    return list(connection.execute(query).scalars())


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def use(connection: Connection, deployment_id: str, owner: str, expires_at: float) -> None:
    """Record that this process uses the deployment until then."""
    stop_using(connection, deployment_id, owner)
    values = {"deployment_id": deployment_id, "owner": owner, "expires_at": expires_at}
    connection.execute(insert(deployment_uses).values(values))


def used(connection: Connection, deployment_id: str, at: float) -> None:
    """Record that a request of ours was sent to the deployment."""
    statement = update(deployments).where(deployments.c.id == deployment_id)
    connection.execute(statement.values(last_used_at=at))


def stop_using(connection: Connection, deployment_id: str, owner: str) -> None:
    """End this process's use."""
    ours = and_(deployment_uses.c.deployment_id == deployment_id, deployment_uses.c.owner == owner)
    connection.execute(delete(deployment_uses).where(ours))
