"""What the process that trains a job writes. Every write first looks whether the job is still its to write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from orchestrator.server.store.blobs import Blobs
from orchestrator.server.store.database import Database
from orchestrator.server.store.files import insert_file
from orchestrator.server.store.jobs import insert_event, move
from orchestrator.server.store.models import insert_model
from orchestrator.server.store.records import (
    WAITING_FOR_WORK,
    Checkpoint,
    Failure,
    File,
    FineTunedModel,
    Job,
    JobStatus,
    from_row,
)

KEPT_CHECKPOINTS = 3
"""As many as the official service keeps: those of the last three epochs."""

RUNNING = (JobStatus.RUNNING,)


class NoLongerRunningError(Exception):
    """The job was paused, cancelled or ended by somebody else: its trainer has to stop."""


@dataclass(frozen=True)
class Measured:
    """One row of the result file; None where nothing was measured or the number was not finite."""

    step: int
    train_loss: float | None
    train_accuracy: float | None
    valid_loss: float | None
    valid_accuracy: float | None


@dataclass(frozen=True)
class Metrics:
    """The text and the data of one metrics event."""

    message: str
    data: Mapping[str, Any]


class Progress:
    """The writing side of one job's training. Methods raise NoLongerRunningError and then have written nothing."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def files_are_valid(self, job: Job, training_tokens: int, notes: Sequence[str], now: int) -> None:
        """Queue the job; `training_tokens` are counted over one epoch, `notes` become warnings."""
        expected = (JobStatus.VALIDATING_FILES,)
        with self._database.write() as connection:
            columns = {"validated": 1, "training_tokens": training_tokens}
            _demand(move(connection, job.id, expected, JobStatus.QUEUED, **columns))
            for note in notes:
                insert_event(connection, job.id, now, note, level="warn")
            insert_event(connection, job.id, now, "Files validated, moving job to queued state")

    def begin(self, job: Job, hyperparameters: Mapping[str, float], message: str, now: int) -> None:
        """The job trains from now on, with these resolved hyperparameters."""
        expected = (JobStatus.QUEUED, JobStatus.RUNNING)
        columns = {"started_at": job.started_at or now, **hyperparameters}
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
        """Record what the last steps measured. A step trained again after a crash replaces its earlier row."""
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
            insert_model(connection, _callable(job, checkpoint.model, checkpoint.blob, checkpoint.created_at))
            insert_event(connection, job.id, checkpoint.created_at, f"Checkpoint created at step {checkpoint.step}")
            dropped = _drop_old_checkpoints(connection, job.id)
        for blob in dropped:
            self._blobs.delete(blob)

    def last_checkpoint(self, job: Job) -> Checkpoint | None:
        """Where training can go on from."""
        row = self._database.one("SELECT * FROM checkpoints WHERE job = ? ORDER BY step DESC LIMIT 1", (job.id,))
        return from_row(Checkpoint, row) if row else None

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
    values = (*astuple(checkpoint)[:5], json.dumps(dict(checkpoint.metrics)), checkpoint.blob)
    sql = "INSERT INTO checkpoints (id, job, created_at, step, model, metrics, blob) VALUES (?,?,?,?,?,?,?)"
    connection.execute(sql, values)


def _callable(job: Job, name: str, blob: str, now: int) -> FineTunedModel:
    return FineTunedModel(name, now, job.id, job.base, job.trainer, blob)


def _drop_old_checkpoints(connection: sqlite3.Connection, job_id: str) -> list[str]:
    sql = "SELECT * FROM checkpoints WHERE job = ? ORDER BY step DESC LIMIT -1 OFFSET ?"
    old = connection.execute(sql, (job_id, KEPT_CHECKPOINTS)).fetchall()
    for row in old:
        connection.execute("DELETE FROM checkpoints WHERE id = ?", (row["id"],))
        connection.execute("DELETE FROM models WHERE name = ?", (row["model"],))
    return [row["blob"] for row in old]
