"""One SQLite file that several processes write at once."""

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
from orchestrator.server.store.schema import STEPS, VERSION

Values = Sequence[Any] | Mapping[str, Any]

BUSY_SECONDS = 20.0


class Database:
    """A connection shared by the threads of one process.

    Every write is one BEGIN IMMEDIATE transaction, so what it reads before writing still holds when it writes.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or create it with mode 0600.

        Raises EndpointStoreUnusable where it cannot be read or written, EndpointStoreNewer where a newer
        program made it.
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
        """One transaction: committed at the end, taken back when the block raises."""
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
    """Create the file for its owner only. One that exists is left unopened: closing it here would drop the locks of
    every connection this process has to it (https://www.sqlite.org/howtocorrupt.html, section 2.2)."""
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
