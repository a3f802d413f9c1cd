"""Which run made a model, and which runs were trained from it or on the same data."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from orchestrator.store.deployments import DEPLOYMENTS, Deployment
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import checkpoints, deployments, runs

_NEWEST = (runs.c.created_at.desc(), runs.c.id)


def makers(connection: Connection, model: str) -> list[Run]:
    """The runs, on any endpoint, whose model or checkpoint has this id, newest first. Hosts that train in place
    give several runs the same one."""
    saved = select(checkpoints.c.run_id).where(checkpoints.c.model == model)
    return _newest(connection, or_(runs.c.fine_tuned_model == model, runs.c.id.in_(saved)), None)


def trained_from(connection: Connection, models: Collection[str], *, limit: int) -> list[Run]:
    """At most `limit` runs, on any endpoint, whose base model is one of these, newest first."""
    return _newest(connection, runs.c.model.in_(models), limit)


def trained_on(connection: Connection, sha256: str, *, limit: int) -> list[Run]:
    """At most `limit` runs whose training file has this SHA-256, newest first."""
    return _newest(connection, runs.c.training_sha256 == sha256, limit)


def step_of(connection: Connection, run_id: str, model: str) -> int | None:
    """The step of the run's checkpoint with this model id; None if no checkpoint has it."""
    query = select(checkpoints.c.step).where(checkpoints.c.run_id == run_id, checkpoints.c.model == model)
    return connection.execute(query.limit(1)).scalar()


def local_bases(connection: Connection) -> list[Run]:
    """The newest run of each base model that the local endpoint was asked to train."""
    last = select(func.max(runs.c.created_at)).where(runs.c.endpoint_type == "local").group_by(runs.c.model)
    return _newest(connection, and_(runs.c.endpoint_type == "local", runs.c.created_at.in_(last)), None)


def deployed(connection: Connection, endpoint: str, models: Collection[str]) -> list[Deployment]:
    """The deployments of these models on the endpoint, newest first, those that have ended too."""
    its = (deployments.c.endpoint == endpoint, deployments.c.model.in_(models))
    query = select(*DEPLOYMENTS.columns).where(*its).order_by(deployments.c.created_at.desc(), deployments.c.id)
    return [DEPLOYMENTS.item(row) for row in connection.execute(query)]


def _newest(connection: Connection, condition: ColumnElement[bool], limit: int | None) -> list[Run]:
    query = select(*RUNS.columns).where(condition).order_by(*_NEWEST).limit(limit)
    return [RUNS.item(row) for row in connection.execute(query)]
