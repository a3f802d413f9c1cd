"""An endpoint's reports about a run: events, metrics, checkpoints, models. Writing one twice changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, func, or_, select

from orchestrator.store.schema import checkpoints, events, metrics, models, runs
from orchestrator.store.upserts import insert_into


@dataclass(frozen=True)
class Event:
    """A line of the endpoint's log of a job; `created_at` in seconds since the epoch."""

    run_id: str
    event_id: str
    created_at: float
    level: str
    type: str | None
    message: str
    data: Mapping[str, Any] | None


@dataclass(frozen=True)
class Metric:
    """The measurements at one training step. Losses as the endpoint gives them, accuracies in 0..1."""

    run_id: str
    step: int
    total_steps: int | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_accuracy: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A model saved at one step; `model` is its id on the endpoint."""

    run_id: str
    checkpoint_id: str
    step: int
    model: str
    metrics: Mapping[str, Any]
    created_at: float

    @property
    def answers(self) -> bool:
        """Whether the host gave it a model's name: `JOB:CHECKPOINT` is ftorch's name of one that has none."""
        return not self.model.endswith(f":{self.checkpoint_id}")


@dataclass(frozen=True)
class Model:
    """The model id of a succeeded run."""

    endpoint: str
    model: str
    run_id: str
    base_model: str
    created_at: float


def _columns(table: Table, value: type) -> list[ColumnElement[Any]]:
    return [table.c[field.name] for field in fields(value)]


def add_events(connection: Connection, found: Iterable[Event]) -> None:
    """Record events of one run, oldest first."""
    rows = [asdict(event) for event in found]
    if not rows:
        return
    last = select(func.coalesce(func.max(events.c.position), 0)).where(events.c.run_id == rows[0]["run_id"])
    first = connection.execute(last).scalar_one() + 1
    numbered = [{**row, "position": first + index} for index, row in enumerate(rows)]
    _insert_new(connection, events, numbered)


def add_checkpoints(connection: Connection, found: Iterable[Checkpoint]) -> None:
    _insert_new(connection, checkpoints, [asdict(checkpoint) for checkpoint in found])


def add_model(connection: Connection, model: Model) -> None:
    _insert_new(connection, models, [asdict(model)])


def add_metrics(connection: Connection, found: Iterable[Metric]) -> None:
    """Steps already known gain the values they lacked; a known value is kept."""
    rows = [asdict(metric) for metric in found]
    if not rows:
        return
    insert = insert_into(connection, metrics)
    keys = ("run_id", "step")
    merged = {
        column.name: func.coalesce(column, insert.excluded[column.name])
        for column in metrics.columns
        if column.name not in keys
    }
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=merged), rows)


def events_of(connection: Connection, run_id: str) -> list[Event]:
    """The run's events, oldest first."""
    found, _ = events_page(connection, run_id, below=None, limit=None)
    return found


EventPlace = tuple[float, int]
"""The position of an event among those of its run: its time, and its place among those of the same time."""


def events_page(
    connection: Connection, run_id: str, *, below: EventPlace | None, limit: int | None
) -> tuple[list[Event], EventPlace | None]:
    """At most `limit` of the run's events after the position `below`, oldest first; and the position of the last,
    None if there are no more."""
    at, position = events.c.created_at, events.c.position
    query = select(position, *_columns(events, Event)).where(events.c.run_id == run_id)
    if below is not None:
        is_later = or_(at > below[0], position > below[1])
        query = query.where(at >= below[0], is_later)  # only the first condition uses the index
    rows = connection.execute(query.order_by(at, position).limit(limit)).all()
    found = [Event(*row[1:]) for row in rows]
    return found, (found[-1].created_at, rows[-1][0]) if len(rows) == limit else None


def step_times(connection: Connection, run_id: str) -> dict[int, float]:
    """When the endpoint reported each step of the run, by its events that have one: seconds since the epoch."""
    query = select(events.c.created_at, events.c.data).where(events.c.run_id == run_id, events.c.data.is_not(None))
    found: dict[int, float] = {}
    for at, data in connection.execute(query.order_by(events.c.created_at, events.c.position)):
        step = data.get("step") if isinstance(data, dict) else None
        if isinstance(step, int):
            found.setdefault(step, at)
    return found


def last_events(connection: Connection, run_id: str, limit: int) -> tuple[list[Event], int]:
    """The run's last events, oldest first, and how many it has in total."""
    query = select(*_columns(events, Event)).where(events.c.run_id == run_id)
    newest = query.order_by(events.c.created_at.desc(), events.c.position.desc()).limit(limit)
    total = select(func.count()).select_from(events).where(events.c.run_id == run_id)
    found = [Event(**row._mapping) for row in connection.execute(newest)]
    return found[::-1], connection.execute(total).scalar_one()


def last_complaint(connection: Connection, run_id: str) -> str | None:
    """The message of the run's last event that is an error or a warning; without one, of its last event."""
    is_complaint = case(
        (func.lower(events.c.level).in_(("error", "warn", "warning", "critical", "fatal")), 1), else_=0
    )
    latest = (
        select(events.c.message)
        .where(events.c.run_id == run_id)
        .order_by(is_complaint.desc(), events.c.created_at.desc(), events.c.position.desc())
    )
    message: str | None = connection.execute(latest.limit(1)).scalar()
    return message


def known_event_ids(connection: Connection, run_id: str) -> set[str]:
    query = select(events.c.event_id).where(events.c.run_id == run_id)
    return set(connection.execute(query).scalars())


def metrics_of(connection: Connection, run_id: str) -> list[Metric]:
    """The run's metrics by step."""
    query = select(*_columns(metrics, Metric)).where(metrics.c.run_id == run_id).order_by(metrics.c.step)
    return [Metric(**row._mapping) for row in connection.execute(query)]


def last_metrics(connection: Connection, run_ids: Sequence[str]) -> dict[str, Metric]:
    """The last measured step of each of these runs that has one."""
    last = (
        select(metrics.c.run_id, func.max(metrics.c.step).label("step"))
        .where(metrics.c.run_id.in_(run_ids))
        .group_by(metrics.c.run_id)
        .subquery()
    )
    query = select(*_columns(metrics, Metric)).join(
        last, (metrics.c.run_id == last.c.run_id) & (metrics.c.step == last.c.step)
    )
    return {row.run_id: Metric(**row._mapping) for row in connection.execute(query)}


def checkpoints_of(connection: Connection, run_id: str) -> list[Checkpoint]:
    """The run's checkpoints by step."""
    query = select(*_columns(checkpoints, Checkpoint)).where(checkpoints.c.run_id == run_id)
    return [Checkpoint(**row._mapping) for row in connection.execute(query.order_by(checkpoints.c.step))]


def models_newest(
    connection: Connection,
    limit: int | None = None,
    *,
    model: str | None = None,
    run_ids: Collection[str] | None = None,
) -> list[Model]:
    """The model ids recorded, newest first: every one, those equal to `model`, or those of these runs."""
    query = select(*_columns(models, Model)).order_by(models.c.created_at.desc(), models.c.model).limit(limit)
    if model is not None:
        query = query.where(models.c.model == model)
    if run_ids is not None:
        query = query.where(models.c.run_id.in_(run_ids))
    return [Model(**row._mapping) for row in connection.execute(query)]


def run_of_model(connection: Connection, endpoint: str, model: str) -> str | None:
    """The id of the run that made this model or checkpoint on the endpoint; None if none is recorded."""
    yielded = select(models.c.run_id).where(models.c.endpoint == endpoint, models.c.model == model)
    saved = (
        select(checkpoints.c.run_id)
        .join(runs, runs.c.id == checkpoints.c.run_id)
        .where(runs.c.endpoint == endpoint, checkpoints.c.model == model)
    )
    return connection.execute(yielded).scalar() or connection.execute(saved.limit(1)).scalar()


def checkpoint_id(connection: Connection, endpoint: str, model: str) -> str | None:
    """The id of the checkpoint that this model on the endpoint is; None if it is a run's final model, whose name
    its last checkpoint may share, or is not recorded."""
    query = (
        select(checkpoints.c.checkpoint_id)
        .join(runs, runs.c.id == checkpoints.c.run_id)
        .where(runs.c.endpoint == endpoint, checkpoints.c.model == model)
        .where(func.coalesce(runs.c.fine_tuned_model, "") != model)
    )
    return connection.execute(query.limit(1)).scalar()


def _insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(), rows)
