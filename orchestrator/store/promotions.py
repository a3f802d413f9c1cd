"""Stages of models as rows: each change adds one, and the last one of a model says its stage."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from orchestrator.store.schema import promotions


@dataclass(frozen=True)
class Promotion:
    """One row of `promotions`; `at` in seconds since the epoch."""

    endpoint: str
    model: str
    name: str
    """The registered name: that of the model's run or sweep, unless the user gave another."""
    stage: str
    """candidate, production or retired."""
    user: str
    reason: str
    at: float
    evaluation_id: str | None = None
    """The evaluation that met the gate, if there is a gate."""

    @property
    def is_production(self) -> bool:
        return self.stage == "production"


_COLUMNS = [promotions.c[field.name] for field in fields(Promotion)]
_NEWEST = promotions.c.number.desc()


def stage_of(connection: Connection, endpoint: str, model: str) -> Promotion | None:
    """The model's last change of stage; None if it never had a stage."""
    its = (promotions.c.endpoint == endpoint, promotions.c.model == model)
    return next(iter(_read(connection, select(*_COLUMNS).where(*its).order_by(_NEWEST).limit(1))), None)


def history_of(connection: Connection, endpoint: str, model: str) -> list[Promotion]:
    """All changes of the model's stage, oldest first."""
    its = (promotions.c.endpoint == endpoint, promotions.c.model == model)
    return _read(connection, select(*_COLUMNS).where(*its).order_by(promotions.c.number))


def standing(
    connection: Connection,
    *,
    stage: str | None = None,
    name: str | None = None,
    endpoint: str | None = None,
    models: Collection[str] | None = None,
) -> list[Promotion]:
    """Each model's last change of stage, the newest first: of all models, or of those that have this stage, this
    name, this endpoint or one of these ids now."""
    last = select(func.max(promotions.c.number)).group_by(promotions.c.endpoint, promotions.c.model)
    query = select(*_COLUMNS).where(promotions.c.number.in_(last)).order_by(_NEWEST)
    for column, value in {"stage": stage, "name": name, "endpoint": endpoint}.items():
        if value is not None:
            query = query.where(promotions.c[column] == value)
    if models is not None:
        query = query.where(promotions.c.model.in_(models))
    return _read(connection, query)


def add(connection: Connection, promotion: Promotion) -> None:
    """Record a change of stage, in a `write()` transaction."""
    values = {field.name: getattr(promotion, field.name) for field in fields(promotion)}
    connection.execute(insert(promotions).values(values))


def _read(connection: Connection, query: Select[Any]) -> list[Promotion]:
    return [Promotion(**row._mapping) for row in connection.execute(query)]
