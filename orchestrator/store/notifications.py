"""Notifications as rows, one for each event and target: written before it is sent, so that none is sent twice.

A row of the kind `target` says since when a target is notified of one kind of event: what ended before is not sent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, exists, literal, or_, select, update

from orchestrator.store.batches import BATCHES, Batch
from orchestrator.store.evaluations import DONE, Evaluation
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.schema import batches, evaluations, notifications, runs
from orchestrator.store.upserts import insert_into

SENDING = "sending"
"""Written before it is sent."""
SENT = "sent"
FAILED = "failed"
UNCLEAR = "unclear"
"""Its process ended while it was being sent: it is not sent again."""
_TARGET = "target"
_AT_ONCE = 100


@dataclass(frozen=True)
class Notification:
    """One row of `notifications`; `at` in seconds since the epoch."""

    kind: str
    item_id: str
    event: str
    target: str
    state: str
    at: float
    problem: str | None = None


_COLUMNS = [notifications.c[field.name] for field in fields(Notification)]


# --- reading -----------------------------------------------------------------------------------------------


def ended_runs(connection: Connection, target: str, since: float) -> list[Run]:
    """The runs outside sweeps that have ended since then and of which the target knows nothing, oldest first."""
    ended = (runs.c.finished_at >= since, runs.c.sweep_id.is_(None), runs.c.deleted_at.is_(None))
    query = select(*RUNS.columns).where(*ended, ~_is_known("run", runs, target, runs.c.state))
    return [RUNS.item(row) for row in connection.execute(query.order_by(runs.c.finished_at).limit(_AT_ONCE))]


def sweeps_with_ended_runs(connection: Connection, since: float) -> list[str]:
    """The sweeps of which a run has ended since then."""
    query = select(runs.c.sweep_id).where(runs.c.finished_at >= since, runs.c.sweep_id.is_not(None)).distinct()
    return [str(sweep_id) for sweep_id in connection.execute(query).scalars()]


def ended_evaluations(connection: Connection, target: str, since: float) -> list[Evaluation]:
    """The evaluations that were done since then and of which the target knows nothing, oldest first."""
    columns = [evaluations.c[field.name] for field in fields(Evaluation)]
    ended = (evaluations.c.finished_at >= since, evaluations.c.state == DONE)
    query = select(*columns).where(*ended, ~_is_known("evaluation", evaluations, target, evaluations.c.state))
    rows = connection.execute(query.order_by(evaluations.c.finished_at).limit(_AT_ONCE))
    return [Evaluation(**row._mapping) for row in rows]


def ended_batches(connection: Connection, target: str, since: float) -> list[Batch]:
    """The same for batches of questions."""
    unknown = ~_is_known("batch", batches, target, batches.c.state)
    return BATCHES.select(connection, batches.c.finished_at >= since, unknown, limit=_AT_ONCE)


def waiting_runs(connection: Connection, reasons: Collection[str], states: Collection[str]) -> list[Run]:
    """The unfinished runs in one of these states, or with a reason that begins like one of these."""
    begins = [runs.c.reason.startswith(reason, autoescape=True) for reason in reasons]
    waits = or_(runs.c.state.in_(states), *begins)
    return RUNS.select(connection, runs.c.finished_at.is_(None), runs.c.deleted_at.is_(None), waits)


def batches_in(connection: Connection, state: str) -> list[Batch]:
    """The unfinished batches in this state."""
    return BATCHES.select(connection, batches.c.finished_at.is_(None), batches.c.state == state)


def is_known(connection: Connection, kind: str, item_id: str, event: str, target: str) -> bool:
    """Whether the target was notified of the event, or is being notified."""
    key = {"kind": kind, "item_id": item_id, "event": event, "target": target}
    query = select(notifications.c.kind).where(*(notifications.c[name] == value for name, value in key.items()))
    return connection.execute(query).first() is not None


def _is_known(kind: str, table: Table, target: str, event: ColumnElement[Any]) -> ColumnElement[bool]:
    row = notifications.c
    of_item = row.item_id == table.c.id
    return exists().where(row.kind == kind, of_item, row.event == event, row.target == target)


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def set_up(connection: Connection, target: str, kinds: Collection[str], now: float) -> dict[str, float]:
    """Since when the target is notified of each of these kinds of event; now, for those that are new."""
    for kind in kinds:
        claim(connection, Notification(_TARGET, "", kind, target, SENT, now))
    row = notifications.c
    query = select(row.event, row.at).where(row.kind == _TARGET, row.target == target, row.event.in_(kinds))
    return {row.event: row.at for row in connection.execute(query)}


def claim(connection: Connection, notification: Notification) -> bool:
    """Record a notification before it is sent; False if another process has recorded it."""
    statement = insert_into(connection, notifications).values(asdict(notification)).on_conflict_do_nothing()
    return connection.execute(statement.returning(literal(1))).first() is not None


def settle(connection: Connection, notification: Notification) -> None:
    """Record how the sending ended."""
    key = (notifications.c[name] == getattr(notification, name) for name in ("kind", "item_id", "event", "target"))
    values = {"state": notification.state, "problem": notification.problem, "at": notification.at}
    connection.execute(update(notifications).where(*key).values(values))


def take_unclear(connection: Connection, target: str, before: float) -> list[Notification]:
    """Mark the notifications whose sending began before then and never ended; returns them."""
    begun = (
        notifications.c.target == target,
        notifications.c.state == SENDING,
        notifications.c.at < before,
    )
    rows = connection.execute(select(*_COLUMNS).where(*begun)).all()
    connection.execute(update(notifications).where(*begun).values(state=UNCLEAR))
    return [Notification(**row._mapping) for row in rows]
