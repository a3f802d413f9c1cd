"""One SQLite file that several processes write at the same time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.errors import EndpointStoreNewer, EndpointStoreUnusable

Values = Sequence[Any] | Mapping[str, Any]

BUSY_SECONDS = 20.0


class Database:
    """A connection shared by the threads of one process.

    Every write is one BEGIN IMMEDIATE transaction, so what it reads before writing still holds when it writes.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or create it with mode 0600.

        Raises EndpointStoreUnusable if it cannot be read or written, EndpointStoreNewer if a newer program made
        it.
        """
        self._lock = threading.RLock()
        try:
            self._connection = _open(path)
            weakref.finalize(self, self._connection.close)
            self._create_tables(path)
        except (OSError, sqlite3.Error) as error:
            raise EndpointStoreUnusable(path=path, reason=error) from error

    def all(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        """Every row of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, values: Values = ()) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back if the block raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _create_tables(self, path: Path) -> None:
        if self._version(path) == VERSION:
            return
        with self.write() as connection:
            for step in STEPS[self._version(path) :]:
                for statement in step.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self, path: Path) -> int:
        found = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if found > VERSION:
            raise EndpointStoreNewer(path=path, found=found, known=VERSION)
        return found


def _open(path: Path) -> sqlite3.Connection:
    _create_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(path: Path) -> None:
    """Create the file for its owner only. An existing one is not opened: closing it would drop the locks of every
    connection of this process to it (https://www.sqlite.org/howtocorrupt.html, section 2.2)."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite's busy timeout does not cover this switch, so it is repeated here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


# --- The tables of the endpoint's store -----------------------------------------------------------------------


FIRST_TABLES = """
CREATE TABLE files (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    filename    TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    purpose     TEXT NOT NULL,
    blob        TEXT NOT NULL
);
CREATE TABLE uploads (
    id             TEXT PRIMARY KEY,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    filename       TEXT NOT NULL,
    bytes          INTEGER NOT NULL,
    purpose        TEXT NOT NULL,
    file_lifetime  INTEGER,
    status         TEXT NOT NULL,
    file           TEXT
);
CREATE TABLE parts (
    id          TEXT PRIMARY KEY,
    upload      TEXT NOT NULL REFERENCES uploads (id),
    created_at  INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    blob        TEXT NOT NULL
);
CREATE TABLE jobs (
    seq                       INTEGER PRIMARY KEY AUTOINCREMENT,
    id                        TEXT NOT NULL UNIQUE,
    created_at                INTEGER NOT NULL,
    started_at                INTEGER,
    finished_at               INTEGER,
    estimated_finish          INTEGER,
    status                    TEXT NOT NULL,
    validated                 INTEGER NOT NULL DEFAULT 0,
    trainer                   TEXT NOT NULL,
    model                     TEXT NOT NULL,
    base                      TEXT NOT NULL,
    model_token               TEXT NOT NULL,
    suffix                    TEXT,
    seed                      INTEGER NOT NULL,
    training_file             TEXT NOT NULL,
    validation_file           TEXT,
    method                    TEXT NOT NULL,
    n_epochs                  NOT NULL,
    batch_size                NOT NULL,
    learning_rate_multiplier  NOT NULL,
    beta,
    metadata                  TEXT,
    training_tokens           INTEGER,
    trained_tokens            INTEGER,
    fine_tuned_model          TEXT,
    result_file               TEXT,
    error                     TEXT
);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    job         TEXT NOT NULL REFERENCES jobs (id),
    created_at  INTEGER NOT NULL,
    level       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    message     TEXT NOT NULL,
    data        TEXT NOT NULL
);
CREATE INDEX events_by_job ON events (job, seq);
CREATE TABLE steps (
    job             TEXT NOT NULL REFERENCES jobs (id),
    step            INTEGER NOT NULL,
    train_loss      REAL,
    train_accuracy  REAL,
    valid_loss      REAL,
    valid_accuracy  REAL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    job         TEXT NOT NULL REFERENCES jobs (id),
    created_at  INTEGER NOT NULL,
    step        INTEGER NOT NULL,
    model       TEXT NOT NULL,
    metrics     TEXT NOT NULL,
    blob        TEXT NOT NULL,
    UNIQUE (job, step)
);
CREATE TABLE models (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    job         TEXT NOT NULL REFERENCES jobs (id),
    base        TEXT NOT NULL,
    trainer     TEXT NOT NULL,
    blob        TEXT NOT NULL
);
"""
ANSWERS = """
CREATE TABLE answers (
    key         TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    request     TEXT NOT NULL,
    answer      TEXT NOT NULL
);
CREATE INDEX answers_by_age ON answers (created_at);
"""
BATCHES = """
CREATE TABLE batches (
    seq                INTEGER PRIMARY KEY AUTOINCREMENT,
    id                 TEXT NOT NULL UNIQUE,
    created_at         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    endpoint           TEXT NOT NULL,
    completion_window  TEXT NOT NULL,
    input_file         TEXT NOT NULL,
    output_lifetime    INTEGER,
    metadata           TEXT,
    status             TEXT NOT NULL,
    model              TEXT,
    total              INTEGER NOT NULL,
    completed          INTEGER NOT NULL,
    failed             INTEGER NOT NULL,
    prompt_tokens      INTEGER NOT NULL,
    completion_tokens  INTEGER NOT NULL,
    in_progress_at     INTEGER,
    finalizing_at      INTEGER,
    completed_at       INTEGER,
    failed_at          INTEGER,
    expired_at         INTEGER,
    cancelling_at      INTEGER,
    cancelled_at       INTEGER,
    output_file        TEXT,
    error_file         TEXT,
    errors             TEXT
);
CREATE INDEX batches_by_status ON batches (status);
CREATE TABLE batch_answers (
    batch     TEXT NOT NULL REFERENCES batches (id),
    line      INTEGER NOT NULL,
    is_error  INTEGER NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (batch, line)
) WITHOUT ROWID;
"""

DIALECTS = """
ALTER TABLE files ADD COLUMN problem TEXT;
ALTER TABLE jobs ADD COLUMN dialect TEXT NOT NULL DEFAULT 'openai';
ALTER TABLE jobs ADD COLUMN training_type TEXT;
ALTER TABLE jobs ADD COLUMN deleted_at INTEGER;
ALTER TABLE jobs ADD COLUMN model_name TEXT NOT NULL DEFAULT '';
UPDATE jobs SET model_name = 'ft:' || base || ':local:' || coalesce(suffix, '') || ':' || model_token;
ALTER TABLE jobs DROP COLUMN model_token;
CREATE TABLE deployments (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    created_at     REAL NOT NULL,
    changed_at     REAL NOT NULL,
    deleted_at     REAL,
    last_used_at   REAL,
    sku            TEXT NOT NULL,
    capacity       INTEGER NOT NULL,
    model_format   TEXT NOT NULL,
    model          TEXT NOT NULL,
    model_version  TEXT NOT NULL,
    model_source   TEXT
);
CREATE UNIQUE INDEX deployments_by_name ON deployments (name) WHERE deleted_at IS NULL;
"""

OPEN_WEIGHTS = """
ALTER TABLE jobs ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN base_folder TEXT;
ALTER TABLE models ADD COLUMN base_folder TEXT;
ALTER TABLE models RENAME COLUMN blob TO weights;
ALTER TABLE checkpoints RENAME COLUMN blob TO weights;
"""

STEPS = (FIRST_TABLES, ANSWERS, BATCHES, DIALECTS, OPEN_WEIGHTS)
VERSION = len(STEPS)
"""How many of the steps a store has had, kept in SQLite's `user_version`; a store with more of them was made by a
newer program."""
