"""The accounts that runs and batches are paid from, by their marks (see endpoints/accounts.py).

Items of one account share a mark, of whatever kind they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, select, update

from orchestrator.store.batches import BATCHES
from orchestrator.store.leased import Leased
from orchestrator.store.runs import RUNS
from orchestrator.store.schema import batches, runs

_RECENT = 200
_MOST_IN_A_STATEMENT = 500
"""Values that every database allows in a statement."""


@dataclass(frozen=True)
class Paid:
    """Items of one kind that an account pays for."""

    rows: Leased[Any]
    remote_id: Column[Any]
    """What the endpoint calls that which was paid for."""

    def unfinished(self, connection: Connection, endpoint: str) -> dict[str, list[str]]:
        """The ids of the unfinished items on this endpoint, by the mark of their account, if they have one."""
        table = self.rows.table.c
        query = select(table.account, table.id).where(
            table.endpoint == endpoint, table.finished_at.is_(None), table.account.is_not(None)
        )
        found: dict[str, list[str]] = {}
        for row in connection.execute(query):
            found.setdefault(row.account, []).append(row.id)
        return found

    def newest_of(self, connection: Connection, endpoint: str, mark: str, *, limit: int) -> list[str]:
        """The endpoint's ids of what the account of this mark paid for last."""
        table = self.rows.table.c
        query = (
            select(self.remote_id)
            .where(table.endpoint == endpoint, table.account == mark, self.remote_id.is_not(None))
            .order_by(table.created_at.desc())
            .limit(limit)
        )
        return [str(remote_id) for remote_id in connection.execute(query).scalars()]

    def marks_of(self, connection: Connection, endpoint: str, remote_ids: Collection[str]) -> set[str]:
        """The marks of the accounts that these are recorded for."""
        table = self.rows.table.c
        query = select(table.account).where(table.endpoint == endpoint, self.remote_id.in_(remote_ids)).distinct()
        return {mark for mark in connection.execute(query).scalars() if mark}

    def put_on_hold(
        self, connection: Connection, ids: Collection[str], reason: str, now: float, abandoned: Collection[str] = ()
    ) -> None:
        """Record why these are left alone for now, if nobody but the workers in `abandoned` works on them. Needs no
        lease: it moves nothing."""
        table, nobodys = self.rows.table, self.rows.free(now, abandoned)
        connection.execute(update(table).where(table.c.id.in_(ids), nobodys).values(reason=reason))

    def forget(self, connection: Connection, ids: Collection[str]) -> None:
        """Record the user's word that these belong to the account of the current key."""
        table = self.rows.table
        connection.execute(update(table).where(table.c.id.in_(ids)).values(account=None))


PAID_RUNS = Paid(RUNS, runs.c.job_id)
PAID_BATCHES = Paid(BATCHES, batches.c.remote_id)
_ALL = (PAID_RUNS, PAID_BATCHES)


def marks_on(connection: Connection, host: str) -> list[str]:
    """The marks of the host's accounts that its newest items were recorded with, newest first."""
    found: list[Any] = []
    for paid in _ALL:
        table = paid.rows.table.c
        query = (
            select(table.account, table.created_at)
            .where(table.account.startswith(f"{host} ", autoescape=True))
            .order_by(table.created_at.desc())
            .limit(_RECENT)
        )
        found += connection.execute(query)
    return list(dict.fromkeys(row.account for row in sorted(found, key=lambda row: -row.created_at)))


def merge(connection: Connection, marks: Collection[str], mark: str) -> None:
    """Give all items of these marks one mark: they belong to the same account. Needs no lease."""
    old = sorted(marks)
    for start in range(0, len(old), _MOST_IN_A_STATEMENT):
        for paid in _ALL:
            table = paid.rows.table
            named = table.c.account.in_(old[start : start + _MOST_IN_A_STATEMENT])
            connection.execute(update(table).where(named).values(account=mark))
