"""Batches as rows: many questions that an endpoint answers later, in one file and one request.

A question is in at most one unfinished batch: `batched_questions` has its key. `BATCHES` claims, moves and updates
them; `orchestrator.evaluation.batching.states` has the legal moves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from orchestrator.store.evaluations import Asked
from orchestrator.store.leased import Condition, Leased
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
    due_at: float | None = None
    requested_action: str | None = None
    finished_at: float | None = None
    lease_owner: str | None = None
    lease_expires_at: float | None = None
    creation_token: str | None = None
    creation_started_at: float | None = None
    creation_attempts: int = 0
    creation_open: bool = False
    account: str | None = None
    input_file_id: str | None = None
    remote_id: str | None = None
    remote_status: str | None = None
    remote_batch: Mapping[str, Any] | None = None
    completed: int = 0
    failed: int = 0

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


BATCHES = Leased("batch", batches, batch_transitions, Batch)

get, by_ids, history, request_action = BATCHES.get, BATCHES.by_ids, BATCHES.history, BATCHES.request_action
_OPEN = batches.c.finished_at.is_(None)


# --- reading -----------------------------------------------------------------------------------------------


def find(connection: Connection, prefix: str) -> Batch | None:
    """The one batch whose id, in this database or on its endpoint, starts like this; None for none or several."""
    begins = or_(
        batches.c.id.startswith(prefix, autoescape=True), batches.c.remote_id.startswith(prefix, autoescape=True)
    )
    found = BATCHES.select(connection, begins, limit=2)
    return found[0] if len(found) == 1 else None


def unfinished(
    connection: Connection, endpoint: str | None = None, ids: Collection[str] | None = None
) -> list[Batch]:
    """The unfinished batches, oldest first: of all endpoints or one, all or those of these ids."""
    where: list[Condition] = [_OPEN]
    where += [] if endpoint is None else [batches.c.endpoint == endpoint]
    where += [] if ids is None else [batches.c.id.in_(ids)]
    return BATCHES.select(connection, *where)


def under_way(connection: Connection, endpoint: str, asked: Collection[Asked]) -> dict[Asked, str]:
    """Which of these questions are in an unfinished batch, and in which."""
    table = batched_questions.c
    query = select(table.model, table.request_sha256, table.sample, table.batch_id).where(
        table.endpoint == endpoint,
        table.model.in_({model for model, _, _ in asked}),
        table.request_sha256.in_({sha256 for _, sha256, _ in asked}),
    )
    found = {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}
    return {key: found[key] for key in asked if key in found}


def questions_of(connection: Connection, batch_id: str) -> list[Asked]:
    """The questions of an unfinished batch."""
    table = batched_questions.c
    query = select(table.model, table.request_sha256, table.sample).where(table.batch_id == batch_id)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def owners_of_remotes(connection: Connection, endpoint: str, remote_ids: Collection[str]) -> dict[str, str]:
    """Which recorded batch follows each of these batches of the endpoint."""
    query = select(batches.c.remote_id, batches.c.id).where(
        batches.c.endpoint == endpoint, batches.c.remote_id.in_(remote_ids)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def last_remotes(connection: Connection, endpoint: str, account: str | None, *, limit: int) -> list[str]:
    """The endpoint's ids of the batches recorded last, newest first: those with the mark of this account, or
    without any."""
    query = (
        select(batches.c.remote_id)
        .where(
            batches.c.endpoint == endpoint,
            batches.c.remote_id.is_not(None),
            batches.c.account.is_(None) if account is None else batches.c.account == account,
        )
        .order_by(batches.c.created_at.desc(), batches.c.id)
        .limit(limit)
    )
    return [row[0] for row in connection.execute(query)]


# --- writing: in a `write()` transaction -------------------------------------------------------------------


def add(connection: Connection, batch: Batch, asked: Sequence[Asked]) -> None:
    """Record a batch and its questions; none of them may be in another unfinished batch."""
    BATCHES.add(connection, batch)
    key = {"endpoint": batch.endpoint, "batch_id": batch.id}
    rows = [{**key, "model": model, "request_sha256": sha256, "sample": n} for model, sha256, n in asked]
    connection.execute(insert(batched_questions), rows)


def hasten(connection: Connection, ids: Collection[str], *, but_in: str) -> None:
    """End the waits of these batches, except those in that state. It needs no lease."""
    BATCHES.hasten(connection, batches.c.id.in_(ids), batches.c.state != but_in)


def let_go(connection: Connection, batch_id: str) -> int:
    """Free the questions of a finished batch, so that unanswered ones may be asked again; returns how many."""
    statement = delete(batched_questions).where(batched_questions.c.batch_id == batch_id)
    return connection.execute(statement).rowcount
