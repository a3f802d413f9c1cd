"""Fine-tuning jobs and their events: what the API reads and asks for.

The status of a job is changed here and in `progress` only, always by comparing first: a request that comes late
changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.server import ids
from orchestrator.server.store.database import Database
from orchestrator.server.store.records import (
    ACTIVE,
    WAITING_FOR_WORK,
    Checkpoint,
    Event,
    Job,
    JobStatus,
    Level,
    from_row,
)

METADATA_FILTER = """ AND EXISTS (SELECT 1 FROM json_each(jobs.metadata) AS pair
    WHERE pair.key = ? AND pair.value = ?)"""


@dataclass(frozen=True)
class JobRoom:
    """How many jobs an endpoint takes."""

    waiting: int
    """Created and not training yet."""
    jobs: int
    """All that were not deleted, ended ones too."""


class NoJobRoomError(Exception):
    """There are as many jobs as there is room for."""

    def __init__(self, waiting: int, jobs: int) -> None:
        super().__init__(f"{waiting} waiting, {jobs} in all")
        self.waiting = waiting
        self.jobs = jobs


class Jobs:
    """The fine-tuning jobs of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job, messages: Sequence[str], room: JobRoom | None = None) -> None:
        """Record a new job together with its first events.

        Raises NoJobRoomError, and records nothing, where there are as many jobs already as there is room for.
        """
        values = asdict(job)
        values["metadata"] = json.dumps(job.metadata) if job.metadata is not None else None
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self._database.write() as connection:
            if room is not None:
                _demand_room(connection, room)
            connection.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", values)
            for message in messages:
                insert_event(connection, job.id, job.created_at, message)

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        row = self._database.one("SELECT * FROM jobs WHERE id = ? AND deleted_at IS NULL", (job_id,))
        return from_row(Job, row) if row else None

    def page(
        self,
        *,
        after: str | None,
        limit: int,
        metadata: Mapping[str, str] | None = None,
        without_metadata: bool = False,
    ) -> Sequence[Job]:
        """Up to `limit` jobs created before the job `after`, newest first; `metadata` pairs must all be there."""
        sql = """SELECT * FROM jobs WHERE deleted_at IS NULL
            AND (? IS NULL OR seq < (SELECT seq FROM jobs WHERE id = ?))"""
        values: list[Any] = [after, after]
        for pair in (metadata or {}).items():
            sql += METADATA_FILTER
            values.extend(pair)
        if without_metadata:
            sql += " AND metadata IS NULL"
        rows = self._database.all(f"{sql} ORDER BY seq DESC LIMIT ?", (*values, limit))
        return [from_row(Job, row) for row in rows]

    def waiting_for_work(self) -> Sequence[tuple[str, JobStatus]]:
        """Id and status of the jobs that a worker process must take up or is at work on, oldest first."""
        marks = ", ".join("?" for _ in WAITING_FOR_WORK)
        sql = f"SELECT id, status FROM jobs WHERE status IN ({marks}) ORDER BY seq"
        return [(row["id"], JobStatus(row["status"])) for row in self._database.all(sql, WAITING_FOR_WORK)]

    def base_models(self) -> Sequence[tuple[str, int]]:
        """The base models that jobs stood in for, with the time of the first job."""
        sql = "SELECT base, min(created_at) AS since FROM jobs GROUP BY base ORDER BY base"
        return [(row["base"], row["since"]) for row in self._database.all(sql)]

    def cancel(self, job_id: str, now: int) -> bool:
        """End an unfinished job; False when it has ended already."""
        with self._database.write() as connection:
            if not move(connection, job_id, ACTIVE, JobStatus.CANCELLED, finished_at=now):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job cancelled")
        return True

    def pause(self, job_id: str, now: int) -> bool:
        """Stop a job where it is; False when it has ended or is paused."""
        with self._database.write() as connection:
            if not move(connection, job_id, WAITING_FOR_WORK, JobStatus.PAUSED, estimated_finish=None):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job paused")
        return True

    def resume(self, job_id: str, now: int) -> bool:
        """Let a paused job go on; False when it is not paused."""
        with self._database.write() as connection:
            sql = "SELECT validated FROM jobs WHERE id = ?"
            row = connection.execute(sql, (job_id,)).fetchone()
            target = JobStatus.QUEUED if row["validated"] else JobStatus.VALIDATING_FILES
            if not move(connection, job_id, (JobStatus.PAUSED,), target):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job resumed; moving it to queued state")
        return True

    def delete(self, job_id: str, now: int) -> bool:
        """Take an ended job out of every list; its model stays. False when it has not ended."""
        marks = ", ".join("?" for _ in ACTIVE)
        with self._database.write() as connection:
            sql = f"UPDATE jobs SET deleted_at = ? WHERE id = ? AND status NOT IN ({marks})"
            return connection.execute(sql, (now, job_id, *ACTIVE)).rowcount == 1

    def events(self, job_id: str, *, after: str | None, limit: int, newest_first: bool) -> Sequence[Event]:
        """Up to `limit` events that follow the event `after` in the order asked for."""
        rows = self._page("events", job_id, after, limit, newest_first)
        return [from_row(Event, row) for row in rows]

    def checkpoints(self, job_id: str, *, after: str | None, limit: int) -> Sequence[Checkpoint]:
        """Up to `limit` checkpoints older than the checkpoint `after`, newest first."""
        rows = self._page("checkpoints", job_id, after, limit, newest_first=True)
        return [from_row(Checkpoint, row) for row in rows]

    def has(self, table: str, object_id: str, job_id: str) -> bool:
        """Whether the event or checkpoint belongs to the job."""
        sql = f"SELECT 1 FROM {table} WHERE id = ? AND job = ?"
        return self._database.one(sql, (object_id, job_id)) is not None

    def _page(
        self, table: str, job_id: str, after: str | None, limit: int, newest_first: bool
    ) -> Sequence[sqlite3.Row]:
        side, order = ("<", "DESC") if newest_first else (">", "ASC")
        sql = f"""SELECT * FROM {table} WHERE job = :job
            AND (:after IS NULL OR seq {side} (SELECT seq FROM {table} WHERE id = :after))
            ORDER BY seq {order} LIMIT :limit"""
        return self._database.all(sql, {"job": job_id, "after": after, "limit": limit})


def _demand_room(connection: sqlite3.Connection, room: JobRoom) -> None:
    sql = """SELECT count(*) AS jobs, count(*) FILTER (WHERE status IN (?, ?)) AS waiting
        FROM jobs WHERE deleted_at IS NULL"""
    found = connection.execute(sql, (JobStatus.VALIDATING_FILES, JobStatus.QUEUED)).fetchone()
    if found["waiting"] >= room.waiting or found["jobs"] >= room.jobs:
        raise NoJobRoomError(found["waiting"], found["jobs"])


def move(
    connection: sqlite3.Connection,
    job_id: str,
    expected: Collection[JobStatus],
    target: JobStatus,
    **columns: Any,
) -> bool:
    """Compare and swap the status inside a transaction of the caller's; False when it was none of `expected`."""
    changes = ", ".join(f"{name} = ?" for name in ("status", *columns))
    marks = ", ".join("?" for _ in expected)
    sql = f"UPDATE jobs SET {changes} WHERE id = ? AND status IN ({marks})"
    return connection.execute(sql, (target, *columns.values(), job_id, *expected)).rowcount == 1


def insert_event(
    connection: sqlite3.Connection,
    job_id: str,
    now: int,
    message: str,
    *,
    level: Level = "info",
    kind: str = "message",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Add an event inside a transaction of the caller's."""
    connection.execute(
        "INSERT INTO events (id, job, created_at, level, kind, message, data) VALUES (?,?,?,?,?,?,?)",
        (ids.event_id(), job_id, now, level, kind, message, json.dumps(dict(data or {}))),
    )
