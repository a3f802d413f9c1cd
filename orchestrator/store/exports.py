"""What trackers have: a row for each run and sweep, written before the tracker is asked to create it.

A row of the kind `target` says since when a tracker gets what changes. `destination` is a tracker's address and
experiment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from orchestrator.store.evaluations import DONE
from orchestrator.store.schema import evaluations, exports, runs
from orchestrator.store.upserts import insert_into

RUN, SWEEP = "run", "sweep"
_TARGET = "target"


@dataclass(frozen=True)
class Export:
    """One row of `exports`; `updated_at` is when its item was last read to be sent, in seconds since the epoch."""

    destination: str
    kind: str
    item_id: str
    updated_at: float
    remote_id: str | None = None
    """The tracker's id of it; None while it is unknown whether the tracker has it."""
    sent: Mapping[str, Any] = field(default_factory=dict)
    """{"mark": of the contents as last sent in full, "tags": names of the user's tags sent}."""
    problem: str | None = None
    """Why the last attempt failed."""


_COLUMNS = [exports.c[each.name] for each in fields(Export)]


# --- reading -----------------------------------------------------------------------------------------------


def find(connection: Connection, destination: str, kind: str, item_id: str) -> Export | None:
    row = connection.execute(select(*_COLUMNS).where(*_key(destination, kind, item_id))).first()
    return Export(**row._mapping) if row else None


def marks(connection: Connection, destination: str) -> dict[tuple[str, str], str]:
    """The marks of everything that the destination has in full, by kind and id."""
    query = select(*_COLUMNS).where(exports.c.destination == destination, exports.c.problem.is_(None))
    found = (Export(**row._mapping) for row in connection.execute(query))
    return {(each.kind, each.item_id): each.sent["mark"] for each in found if each.sent.get("mark")}


def problems(connection: Connection, destination: str) -> int:
    """How many items the destination lacks because the last attempt failed."""
    query = select(exports.c.item_id).where(exports.c.destination == destination, exports.c.problem.is_not(None))
    return len(connection.execute(query).all())


def changing(connection: Connection, destination: str, since: float) -> list[str]:
    """The runs that are unfinished, or that ended since then and were last sent before that, oldest first."""
    ours = and_(*_key(destination, RUN, None), exports.c.item_id == runs.c.id)
    is_unsent = or_(
        exports.c.updated_at.is_(None), exports.c.updated_at <= runs.c.updated_at, exports.c.problem.is_not(None)
    )
    ended = and_(runs.c.finished_at >= since, is_unsent)
    query = select(runs.c.id).outerjoin(exports, ours).where(runs.c.deleted_at.is_(None))
    query = query.where(or_(runs.c.finished_at.is_(None), ended)).order_by(runs.c.created_at, runs.c.id)
    return list(connection.execute(query).scalars())


def evaluated_since(connection: Connection, since: float) -> list[tuple[str, str]]:
    """The endpoint and id of each model that an evaluation done since then has asked."""
    query = select(evaluations.c.endpoint, evaluations.c.settings).where(
        evaluations.c.finished_at >= since, evaluations.c.state == DONE
    )
    rows = connection.execute(query).all()
    return [(endpoint, entry["model"]) for endpoint, settings in rows for entry in settings.get("models", ())]


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def write(connection: Connection, export: Export) -> None:
    """Write the row, new or in place of the one of the same item."""
    insert = insert_into(connection, exports).values(asdict(export))
    changes = {name: insert.excluded[name] for name in ("updated_at", "remote_id", "sent", "problem")}
    keys = ("destination", "kind", "item_id")
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes))


def set_up(connection: Connection, destination: str, now: float) -> float:
    """Since when the destination gets what changes; now, if it is new."""
    first = asdict(Export(destination, _TARGET, "", now))
    connection.execute(insert_into(connection, exports).values(first).on_conflict_do_nothing())
    query = select(exports.c.updated_at).where(*_key(destination, _TARGET, ""))
    return float(connection.execute(query).scalar_one())


def _key(destination: str, kind: str, item_id: str | None) -> Sequence[Any]:
    key = [exports.c.destination == destination, exports.c.kind == kind]
    return key if item_id is None else [*key, exports.c.item_id == item_id]
