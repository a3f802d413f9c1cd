"""When models end, as their endpoints said last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, delete, select

from orchestrator.store.schema import model_endings
from orchestrator.store.upserts import insert_into

_AT_ONCE = 500
"""Models in one statement: a limit of every database."""


def recorded(connection: Connection) -> dict[tuple[str, str], date]:
    """The day (UTC) on which each model ends, by endpoint and model."""
    query = select(model_endings.c.endpoint, model_endings.c.model, model_endings.c.ends_at)
    return {
        (row.endpoint, row.model): datetime.fromtimestamp(row.ends_at, UTC).date()
        for row in connection.execute(query)
    }


def record(connection: Connection, endpoint: str, said: Mapping[str, date | None], seen_at: float) -> None:
    """Record what an endpoint says of these models, in a `write()` transaction; None takes an earlier day back."""
    without = [model for model, ends in said.items() if ends is None]
    for start in range(0, len(without), _AT_ONCE):
        some = without[start : start + _AT_ONCE]
        its = (model_endings.c.endpoint == endpoint) & model_endings.c.model.in_(some)
        connection.execute(delete(model_endings).where(its))
    for model, ends in said.items():
        if ends is not None:
            values = {"ends_at": datetime.combine(ends, time(), UTC).timestamp(), "seen_at": seen_at}
            row = insert_into(connection, model_endings).values(endpoint=endpoint, model=model, **values)
            connection.execute(row.on_conflict_do_update(index_elements=["endpoint", "model"], set_=values))
