"""Fine-tuning jobs and their events: what the API reads and requests.

Only this file changes the status of a job, always by compare-and-swap: a request that comes late changes
nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from orchestrator.server import ids
from orchestrator.server.store.blobs import insert_file
from orchestrator.server.store.database import Database
from orchestrator.server.store.models import insert_model
from orchestrator.server.store.records import (
    ACTIVE,
    WAITING_FOR_WORK,
    Checkpoint,
    Event,
    Failure,
    File,
    FineTunedModel,
    Job,
    JobStatus,
    Level,
    from_row,
)
from orchestrator.server.store.weights import Weights

METADATA_FILTER = """ AND EXISTS (SELECT 1 FROM json_each(jobs.metadata) AS pair
    WHERE pair.key = ? AND pair.value = ?)"""


@dataclass(frozen=True)
class JobRoom:
    """The most jobs that an endpoint accepts."""

    waiting: int
    """Created and not training yet."""
    jobs: int
    """All that were not deleted, including ended ones."""


@dataclass(frozen=True)
class BaseModel:
    """A base model that jobs named."""

    name: str
    since: int
    """When the first of these jobs was created, in Unix seconds."""
    folder: str | None
    """Where the last of these jobs found its weights; None if a trainer with its own base model stood in."""


class NoJobRoomError(Exception):
    """There is no room for more jobs."""

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

        Raises NoJobRoomError, and records nothing, if there is no room for another job.
        """
        values = asdict(job)
        values["metadata"] = json.dumps(job.metadata) if job.metadata is not None else None
        values["options"] = json.dumps(dict(job.options))
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
        """Up to `limit` jobs created before the job `after`, newest first; `metadata` pairs must all match."""
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

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are in each status, without deleted ones."""
        rows = self._database.all(
            "SELECT status, count(*) AS number FROM jobs WHERE deleted_at IS NULL GROUP BY status"
        )
        return {row["status"]: row["number"] for row in rows}

    def waiting_for_work(self) -> Sequence[tuple[str, JobStatus]]:
        """Id and status of the jobs that need a worker process or have one, oldest first."""
        marks = ", ".join("?" for _ in WAITING_FOR_WORK)
        sql = f"SELECT id, status FROM jobs WHERE status IN ({marks}) ORDER BY seq"
        return [(row["id"], JobStatus(row["status"])) for row in self._database.all(sql, WAITING_FOR_WORK)]

    def base_models(self) -> Sequence[BaseModel]:
        """The base models named by jobs, by name."""
        sql = """SELECT base AS name, min(created_at) AS since,
            (SELECT base_folder FROM jobs AS last WHERE last.base = jobs.base ORDER BY seq DESC LIMIT 1) AS folder
            FROM jobs GROUP BY base ORDER BY base"""
        return [from_row(BaseModel, row) for row in self._database.all(sql)]

    def base_model(self, name: str) -> BaseModel | None:
        """The base model of this name; None if no job named it."""
        return next((base for base in self.base_models() if base.name == name), None)

    def cancel(self, job_id: str, now: int) -> bool:
        """End an unfinished job; False if it has ended already."""
        with self._database.write() as connection:
            if not move(connection, job_id, ACTIVE, JobStatus.CANCELLED, finished_at=now):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job cancelled")
        return True

    def pause(self, job_id: str, now: int) -> bool:
        """Stop an unfinished job; False if it has ended or is paused."""
        with self._database.write() as connection:
            if not move(connection, job_id, WAITING_FOR_WORK, JobStatus.PAUSED, estimated_finish=None):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job paused")
        return True

    def resume(self, job_id: str, now: int) -> bool:
        """Continue a paused job; False if it is not paused."""
        with self._database.write() as connection:
            sql = "SELECT validated FROM jobs WHERE id = ?"
            row = connection.execute(sql, (job_id,)).fetchone()
            target = JobStatus.QUEUED if row["validated"] else JobStatus.VALIDATING_FILES
            if not move(connection, job_id, (JobStatus.PAUSED,), target):
                return False
            insert_event(connection, job_id, now, "Fine-tuning job resumed; moving it to queued state")
        return True

    def delete(self, job_id: str, now: int) -> bool:
        """Remove an ended job from every list; its model stays. False if it has not ended."""
        marks = ", ".join("?" for _ in ACTIVE)
        with self._database.write() as connection:
            sql = f"UPDATE jobs SET deleted_at = ? WHERE id = ? AND status NOT IN ({marks})"
            return connection.execute(sql, (now, job_id, *ACTIVE)).rowcount == 1

    def events(self, job_id: str, *, after: str | None, limit: int, newest_first: bool) -> Sequence[Event]:
        """Up to `limit` events after the event `after`, in the given order."""
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
    """Compare and swap the status inside the caller's transaction; False if it was none of `expected`."""
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
    """Add an event inside the caller's transaction."""
    connection.execute(
        "INSERT INTO events (id, job, created_at, level, kind, message, data) VALUES (?,?,?,?,?,?,?)",
        (ids.event_id(), job_id, now, level, kind, message, json.dumps(dict(data or {}))),
    )


# --- Written by a training process ----------------------------------------------------------------------------
#
# Every write first checks whether the job still belongs to the process.


KEPT_CHECKPOINTS = 3
"""As many as the official service keeps: those of the last three epochs."""

RUNNING = (JobStatus.RUNNING,)


class NoLongerRunningError(Exception):
    """The job was paused, cancelled or ended by somebody else: its trainer has to stop."""


@dataclass(frozen=True)
class Measured:
    """One row of the result file; None if nothing was measured or the number was not finite."""

    step: int
    train_loss: float | None
    train_accuracy: float | None
    valid_loss: float | None
    valid_accuracy: float | None


@dataclass(frozen=True)
class FileNotes:
    """What a check of the files tells their owner."""

    warnings: Sequence[str] = ()
    facts: Sequence[str] = ()


@dataclass(frozen=True)
class Metrics:
    """The text and the data of one metrics event."""

    message: str
    data: Mapping[str, Any]


class Progress:
    """The writing side of one job's training. Methods raise NoLongerRunningError, without writing anything."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self._database = database
        self._weights = weights

    def files_are_valid(self, job: Job, training_tokens: int, found: FileNotes, now: int) -> None:
        """Queue the job; `training_tokens` are counted over one epoch."""
        expected = (JobStatus.VALIDATING_FILES,)
        with self._database.write() as connection:
            columns = {"validated": 1, "training_tokens": training_tokens}
            _demand(move(connection, job.id, expected, JobStatus.QUEUED, **columns))
            for warning in found.warnings:
                insert_event(connection, job.id, now, warning, level="warn")
            for fact in found.facts:
                insert_event(connection, job.id, now, fact)
            insert_event(connection, job.id, now, "Files validated, moving job to queued state")

    def begin(self, job: Job, hyperparameters: Mapping[str, Any], message: str, now: int) -> None:
        """Record that the job is training, with these resolved hyperparameters; `options` are those that only its
        trainer has."""
        expected = (JobStatus.QUEUED, JobStatus.RUNNING)
        numbers = {**hyperparameters, "options": json.dumps(hyperparameters.get("options", {}))}
        columns = {"started_at": job.started_at or now, **numbers}
        with self._database.write() as connection:
            _demand(move(connection, job.id, expected, JobStatus.RUNNING, **columns))
            insert_event(connection, job.id, now, message)

    def add_steps(
        self,
        job: Job,
        steps: Sequence[Measured],
        metrics: Sequence[Metrics],
        estimated_finish: int | None,
        now: int,
    ) -> None:
        """Record the last steps. A step trained again after a crash replaces its earlier row."""
        with self._database.write() as connection:
            _demand(move(connection, job.id, RUNNING, JobStatus.RUNNING, estimated_finish=estimated_finish))
            rows = [(job.id, *astuple(step)) for step in steps]
            connection.executemany("INSERT OR REPLACE INTO steps VALUES (?,?,?,?,?,?)", rows)
            for event in metrics:
                insert_event(connection, job.id, now, event.message, kind="metrics", data=event.data)

    def add_checkpoint(self, job: Job, checkpoint: Checkpoint) -> None:
        """Record a checkpoint whose weights are already written, and drop those that are too old."""
        with self._database.write() as connection:
            _demand(_still(connection, job.id, RUNNING))
            _insert_checkpoint(connection, checkpoint)
            insert_model(connection, _callable(job, checkpoint.model, checkpoint.weights, checkpoint.created_at))
            insert_event(connection, job.id, checkpoint.created_at, f"Checkpoint created at step {checkpoint.step}")
            dropped = _drop_old_checkpoints(connection, job.id)
        for weights in dropped:
            self._weights.delete(weights)

    def last_checkpoint(self, job: Job) -> int:
        """The step of the last checkpoint recorded, 0 before the first."""
        row = self._database.one("SELECT max(step) AS step FROM checkpoints WHERE job = ?", (job.id,))
        return int(row["step"] or 0) if row else 0

    def note(self, job: Job, message: str, now: int) -> None:
        """Add an event."""
        with self._database.write() as connection:
            _demand(_still(connection, job.id, RUNNING))
            insert_event(connection, job.id, now, message)

    def demand_running(self, job: Job) -> None:
        """Raise NoLongerRunningError if the job is not running."""
        row = self._database.one("SELECT status FROM jobs WHERE id = ?", (job.id,))
        _demand(row is not None and row["status"] in RUNNING)

    def steps(self, job: Job) -> Sequence[Measured]:
        """Every step recorded so far, in order."""
        rows = self._database.all("SELECT * FROM steps WHERE job = ? ORDER BY step", (job.id,))
        return [from_row(Measured, row) for row in rows]

    def last_step(self, job: Job) -> int:
        """The number of the last step recorded, 0 before the first."""
        row = self._database.one("SELECT max(step) AS step FROM steps WHERE job = ?", (job.id,))
        return int(row["step"] or 0) if row else 0

    def succeed(self, job: Job, weights: str, result_file: File, trained_tokens: int, now: int) -> None:
        """Make the written weights and the result file the outcome of the job."""
        with self._database.write() as connection:
            columns = {
                "finished_at": now,
                "estimated_finish": None,
                "fine_tuned_model": job.model_name,
                "result_file": result_file.id,
                "trained_tokens": trained_tokens,
            }
            _demand(move(connection, job.id, RUNNING, JobStatus.SUCCEEDED, **columns))
            insert_file(connection, result_file)
            insert_model(connection, _callable(job, job.model_name, weights, now))
            insert_event(connection, job.id, now, f"New fine-tuned model created: {job.model_name}")
            insert_event(connection, job.id, now, "The job has successfully completed")

    def fail(self, job: Job, failure: Failure, now: int) -> None:
        """End the job with an error."""
        columns = {"finished_at": now, "estimated_finish": None, "error": json.dumps(asdict(failure))}
        with self._database.write() as connection:
            _demand(move(connection, job.id, WAITING_FOR_WORK, JobStatus.FAILED, **columns))
            message = f"The job failed: {failure.message}"
            insert_event(connection, job.id, now, message, level="error", data={"error_code": failure.code})


def _demand(moved: bool) -> None:
    if not moved:
        raise NoLongerRunningError


def _still(connection: sqlite3.Connection, job_id: str, expected: Collection[JobStatus]) -> bool:
    row = connection.execute("SELECT status FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return row["status"] in expected


def _insert_checkpoint(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    values = (*astuple(checkpoint)[:5], json.dumps(dict(checkpoint.metrics)), checkpoint.weights)
    sql = "INSERT INTO checkpoints (id, job, created_at, step, model, metrics, weights) VALUES (?,?,?,?,?,?,?)"
    connection.execute(sql, values)


def _callable(job: Job, name: str, weights: str, now: int) -> FineTunedModel:
    return FineTunedModel(name, now, job.id, job.base, job.trainer, weights, job.base_folder)


def _drop_old_checkpoints(connection: sqlite3.Connection, job_id: str) -> list[str]:
    sql = "SELECT * FROM checkpoints WHERE job = ? ORDER BY step DESC LIMIT -1 OFFSET ?"
    old = connection.execute(sql, (job_id, KEPT_CHECKPOINTS)).fetchall()
    for row in old:
        connection.execute("DELETE FROM checkpoints WHERE id = ?", (row["id"],))
        connection.execute("DELETE FROM models WHERE name = ?", (row["model"],))
    return [row["weights"] for row in old]
