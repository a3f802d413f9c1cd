"""Batches and the answers to their lines.

As with jobs, a status is changed by compare-and-swap. An answer is stored under its batch and line, so that no line
is answered twice, whichever process works on it; when the batch has finished, its answers are in the output files.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from orchestrator.server.store.blobs import insert_file
from orchestrator.server.store.database import Database
from orchestrator.server.store.records import File

PAGE_LINES = 500


class BatchStatus(StrEnum):
    """The life of a batch: the first four in this order, or one of the others."""

    VALIDATING = "validating"
    """Created; its lines have not been checked yet."""
    IN_PROGRESS = "in_progress"
    """Its lines are being answered."""
    FINALIZING = "finalizing"
    """Every line is answered; the files are being written."""
    COMPLETED = "completed"
    """Finished: the files exist."""
    FAILED = "failed"
    """Finished: a line is wrong, and nothing was answered."""
    CANCELLING = "cancelling"
    """Ending on request; the answers so far are being written."""
    CANCELLED = "cancelled"
    """Ended on request, with the answers so far."""
    EXPIRED = "expired"
    """Ended by its completion window, with the answers so far."""


UNFINISHED = (
    BatchStatus.VALIDATING,
    BatchStatus.IN_PROGRESS,
    BatchStatus.FINALIZING,
    BatchStatus.CANCELLING,
)


@dataclass(frozen=True)
class BatchProblem:
    """Why a batch failed, in the terms of the API; lines count from 1."""

    code: str
    message: str
    param: str | None
    line: int | None


@dataclass(frozen=True)
class Batch:
    """One batch. Times are Unix seconds; tokens are those of the answers so far."""

    id: str
    created_at: int
    expires_at: int
    endpoint: str
    completion_window: str
    input_file: str
    output_lifetime: int | None
    """Seconds that its output files are kept, None for ever."""
    metadata: Mapping[str, str] | None
    status: BatchStatus = BatchStatus.VALIDATING
    model: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    output_file: str | None = None
    error_file: str | None = None
    errors: Sequence[BatchProblem] = ()

    @property
    def answered(self) -> int:
        """The number of lines with an answer or an error."""
        return self.completed + self.failed


@dataclass(frozen=True)
class LineAnswer:
    """The answer to one line: `text` is the line of the output file, or of the error file if `is_error`."""

    line: int
    text: str
    is_error: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Batches:
    """The batches of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Batch) -> None:
        """Record a new batch."""
        values = {field.name: getattr(batch, field.name) for field in fields(Batch)}
        values["metadata"] = None if batch.metadata is None else json.dumps(dict(batch.metadata))
        values["errors"] = None
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._database.write() as connection:
            connection.execute(f"INSERT INTO batches ({columns}) VALUES ({marks})", values)

    def get(self, batch_id: str) -> Batch | None:
        """The batch, or None."""
        row = self._database.one("SELECT * FROM batches WHERE id = ?", (batch_id,))
        return _batch(row) if row else None

    def page(self, *, after: str | None, limit: int) -> Sequence[Batch]:
        """Up to `limit` batches created before the batch `after`, newest first."""
        sql = """SELECT * FROM batches WHERE (:after IS NULL OR seq < (SELECT seq FROM batches WHERE id = :after))
            ORDER BY seq DESC LIMIT :limit"""
        return [_batch(row) for row in self._database.all(sql, {"after": after, "limit": limit})]

    def unfinished(self) -> Sequence[str]:
        """The ids of the batches to work on, oldest first."""
        marks = ", ".join("?" for _ in UNFINISHED)
        sql = f"SELECT id FROM batches WHERE status IN ({marks}) ORDER BY seq"
        return [row["id"] for row in self._database.all(sql, UNFINISHED)]

    def begin(self, batch: Batch, model: str, total: int, now: int) -> bool:
        """Record that its lines are valid and are being answered; False if it was cancelled meanwhile."""
        expected = (BatchStatus.VALIDATING,)
        columns = {"model": model, "total": total, "in_progress_at": now}
        return self._moved(batch, expected, BatchStatus.IN_PROGRESS, **columns)

    def fail(self, batch: Batch, problems: Sequence[BatchProblem], now: int) -> bool:
        """End it with the errors of its file."""
        errors = json.dumps([vars(problem) for problem in problems])
        expected = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS)
        return self._moved(batch, expected, BatchStatus.FAILED, failed_at=now, errors=errors)

    def cancel(self, batch: Batch, now: int) -> bool:
        """Request its end; False if it is too late."""
        expected = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS)
        return self._moved(batch, expected, BatchStatus.CANCELLING, cancelling_at=now)

    def finalize(self, batch: Batch, now: int) -> bool:
        """Everything is answered; the files come next."""
        return self._moved(batch, (BatchStatus.IN_PROGRESS,), BatchStatus.FINALIZING, finalizing_at=now)

    def _moved(self, batch: Batch, expected: Collection[BatchStatus], to: BatchStatus, **columns: Any) -> bool:
        with self._database.write() as connection:
            return _move(connection, batch, expected, to, columns)

    def add_answers(self, batch: Batch, found: Sequence[LineAnswer]) -> bool:
        """Record answers; False, recording nothing, if the batch is no longer in progress."""
        failed = sum(answer.is_error for answer in found)
        counts = {
            "completed": len(found) - failed,
            "failed": failed,
            "prompt_tokens": sum(answer.prompt_tokens for answer in found),
            "completion_tokens": sum(answer.completion_tokens for answer in found),
        }
        added = ", ".join(f"{name} = {name} + :{name}" for name in counts)
        where = {"id": batch.id, "status": BatchStatus.IN_PROGRESS}
        with self._database.write() as connection:
            sql = f"UPDATE batches SET {added} WHERE id = :id AND status = :status"
            if connection.execute(sql, counts | where).rowcount != 1:
                return False
            rows = [(batch.id, answer.line, answer.is_error, answer.text) for answer in found]
            connection.executemany("INSERT INTO batch_answers VALUES (?, ?, ?, ?)", rows)
        return True

    def last_line(self, batch: Batch) -> int:
        """The last answered line, 0 for none: they are answered in order."""
        row = self._database.one("SELECT max(line) AS line FROM batch_answers WHERE batch = ?", (batch.id,))
        return int(row["line"] or 0) if row else 0

    def answers(self, batch: Batch, *, errors: bool) -> Iterator[str]:
        """The lines of the output file, or of the error file, in the order of the input."""
        sql = """SELECT line, text FROM batch_answers WHERE batch = ? AND is_error = ? AND line > ?
            ORDER BY line LIMIT ?"""
        last = 0
        while rows := self._database.all(sql, (batch.id, errors, last, PAGE_LINES)):
            yield from (row["text"] for row in rows)
            last = rows[-1]["line"]

    def end(self, batch: Batch, status: BatchStatus, output: File | None, errors: File | None, now: int) -> bool:
        """Set it to `status` with these files, which have the answers from now on."""
        columns = {
            f"{status}_at": now,
            "output_file": output.id if output else None,
            "error_file": errors.id if errors else None,
        }
        with self._database.write() as connection:
            if not _move(connection, batch, (batch.status,), status, columns):
                return False
            for file in (output, errors):
                if file is not None:
                    insert_file(connection, file)
            connection.execute("DELETE FROM batch_answers WHERE batch = ?", (batch.id,))
        return True


def _move(
    connection: sqlite3.Connection,
    batch: Batch,
    expected: Collection[BatchStatus],
    to: BatchStatus,
    columns: Mapping[str, Any],
) -> bool:
    changes = ", ".join(f"{name} = ?" for name in ("status", *columns))
    marks = ", ".join("?" for _ in expected)
    sql = f"UPDATE batches SET {changes} WHERE id = ? AND status IN ({marks})"
    return connection.execute(sql, (to, *columns.values(), batch.id, *expected)).rowcount == 1


def _batch(row: sqlite3.Row) -> Batch:
    values = {field.name: row[field.name] for field in fields(Batch)}
    values["status"] = BatchStatus(values["status"])
    values["metadata"] = None if values["metadata"] is None else json.loads(values["metadata"])
    values["errors"] = tuple(BatchProblem(**problem) for problem in json.loads(values["errors"] or "[]"))
    return Batch(**values)


# --- Answers kept by Idempotency-Key: the same key gets the same bytes ----------------------------------------

KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class KeptAnswer:
    """`request` is the SHA-256 of the request, `answer` the JSON text that was returned."""

    request: str
    answer: str


class Answers:
    """The answers by key, for a week."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> KeptAnswer | None:
        """The answer of this key, if there is one."""
        row = self._database.one("SELECT request, answer FROM answers WHERE key = ?", (key,))
        return KeptAnswer(row["request"], row["answer"]) if row else None

    def keep(self, key: str, given: KeptAnswer, now: int) -> KeptAnswer:
        """Record an answer and return it; if the key was answered meanwhile, return that answer."""
        with self._database.write() as connection:
            values = (key, now, given.request, given.answer)
            connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", values)
        return self.get(key) or given

    def purge(self, now: float) -> None:
        """Delete answers that are older than a week."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM answers WHERE created_at < ?", (now - KEPT_SECONDS,))
