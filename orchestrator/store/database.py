"""The only access to the database: opening it, short transactions, and clear messages for disk errors."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from orchestrator.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
)
from orchestrator.installation import extra_command
from orchestrator.store import intents

BUSY_SECONDS = 15.0
CHECKPOINT_SECONDS = 0.2
"""How long a durable write waits for readers of older snapshots, which prevent the main file from being brought up
to date."""
_LOCK_KEY = 0x66746F  # "fto": the PostgreSQL advisory lock in place of SQLite's single writer


class Database:
    """A SQLAlchemy engine with two kinds of transaction.

    `write()` excludes every other writer for its short life (BEGIN IMMEDIATE on SQLite, an advisory lock on
    PostgreSQL), so what it reads still holds when it commits. The driver's errors are raised as DatabaseError.
    """

    def __init__(self, url: str) -> None:
        self.engine = _create_engine(url)
        self.place = _shown(self.engine.url)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for a server or a database in memory."""
        return sqlite_file(self.engine.url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent snapshot."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.explained(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that excludes other writers and commits at the end.

        `durable` is for writes right before money is spent. It waits until the commit is on the disk itself (SQLite
        `synchronous=FULL`) and, if no reader prevents it, in the main file: then the database can lose its
        write-ahead log without losing the intent.
        """
        options = {"ftorch_write": True, "ftorch_durable": durable}
        with (
            self.explained(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(BUSY_SECONDS * 1000)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            yield connection
            if durable and self.path is not None:
                count = intents.count_one(driver_connection(connection))
        if durable and self.path is not None:
            self.checkpoint()
            intents.note(self.path, count)

    def checkpoint(self) -> bool:
        """Bring SQLite's main file up to date with all commits, and both to the disk; returns whether that was
        done. It never blocks a writer or a reader (PASSIVE), and gives up after CHECKPOINT_SECONDS if readers of
        older snapshots, or another checkpoint, prevent it."""
        give_up_at = time.monotonic() + CHECKPOINT_SECONDS
        with self.explained(), self.engine.connect() as connection:
            while True:
                row = driver_connection(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                is_busy, frames, copied = row
                if not is_busy and frames == copied:
                    return True
                if time.monotonic() >= give_up_at:
                    return False
                time.sleep(0.01)

    def intents(self) -> int:
        """The number of durable writes in SQLite's file."""
        with self.explained(), self.engine.connect() as connection:
            return intents.held(driver_connection(connection))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the driver inside are raised as DatabaseError."""
        try:
            yield
        except DBAPIError as error:
            raise explain(error.orig, self.place) from error
        except sqlite3.Error as error:
            raise explain(error, self.place) from error


# SQLite's result codes (an extended one holds its primary one in the low byte) and PostgreSQL's SQLSTATEs. A quota
# or a limit of the file size reaches SQLite as a failed write, not as SQLITE_FULL.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03"}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, "53100"}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, "25006"}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_TEXT = "Could not decode to UTF-8"
"""Python's message, without a code, for bytes that are not valid text."""


def explain(error: BaseException | None, place: str) -> DatabaseError:
    """The error a user can act on, for an error of the driver."""
    problem = " ".join(str(error).split())
    code = getattr(error, "sqlite_errorcode", 0)
    codes = {code, code & 0xFF, getattr(error, "sqlstate", None)}
    if codes & _BUSY:
        return DatabaseBusy(place=place, seconds=BUSY_SECONDS, problem=problem)
    if codes & _FULL:
        return DatabaseFull(place=place, problem=problem)
    if codes & _READ_ONLY:
        return DatabaseReadOnly(place=place, problem=problem)
    if codes & _CORRUPT or problem.startswith(_NO_TEXT):
        return _corrupt(place, problem)
    return DatabaseError(place=place, problem=problem)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a server, a database in memory, or an address that SQLite itself reads."""
    name = url.database or ":memory:"
    is_file = url.get_backend_name() == "sqlite" and name != ":memory:" and not name.startswith("file:")
    return Path(name) if is_file else None


def parse_url(url: str) -> URL:
    """The parsed URL. Raises DatabaseError if it is not one."""
    try:
        return make_url(url)
    except ArgumentError as error:
        raise _unusable_url() from error


def _corrupt(place: str, problem: str) -> DatabaseCorrupt:
    return DatabaseCorrupt(place=place, problem=problem, restore=_restore_advice(Path(place)))


def _restore_advice(path: Path) -> str:
    move = intents.move_away(path)
    kept = sorted(path.parent.glob(f"{path.name}.before-*"), key=lambda copy: copy.stat().st_mtime)
    if kept:
        return (
            "A copy was kept before the last upgrade. It lacks everything recorded since then: before submitting "
            "anything from it, record the jobs of each endpoint with ftorch runs adopt --all --endpoint NAME. "
            f"To return to the copy: {move} && cp {quote(str(kept[-1]))} {quote(str(path))}"
        )
    return (
        "Restore a copy of it. If there is none, move it away and record the jobs of each endpoint before "
        "submitting anything: ftorch runs adopt --all --endpoint NAME. Jobs on the endpoint are not affected. "
        f"To move it away: {move}"
    )


def _create_engine(given: str) -> Engine:
    url = parse_url(given)
    try:
        return _create_sqlite_engine(url) if url.get_backend_name() == "sqlite" else create_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise _unusable_url() from error
    except ModuleNotFoundError as error:
        problem = f"{error.name} is not installed; run: {extra_command('postgres')}"
        raise DatabaseError(place="FTORCH_DATABASE_URL", problem=problem) from error


def _shown(url: URL) -> str:
    """The address without its passwords; for SQLite, the file. libpq reads a password from the query too."""
    query = {name: "***" if "pass" in name.lower() else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True).removeprefix("sqlite:///")


def _unusable_url() -> DatabaseError:
    problem = "FTORCH_DATABASE_URL must look like postgresql+psycopg://user@host/name"
    return DatabaseError(place="FTORCH_DATABASE_URL", problem=problem)


def _create_sqlite_engine(url: URL) -> Engine:
    path = sqlite_file(url)
    if path is not None:
        _create_private_file(path)
    place = _shown(url)
    # Without this pool each thread has a database in memory for itself alone, even if that has a name.
    is_named = (url.database or "").startswith("file:")
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, **({"check_same_thread": False} if is_named else {})},
        poolclass=QueuePool if is_named else None,
        json_deserializer=lambda text: _loads(text, place),
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _loads(text: str, place: str) -> Any:
    """A recorded JSON value. Raises DatabaseCorrupt if its text is not JSON: ftorch writes nothing else."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise _corrupt(place, f"a recorded value is not JSON: {error}") from error


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Below SQLAlchemy, which would begin a transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _create_private_file(path: Path) -> None:
    """The directory 0700 and the file 0600, before SQLite would create it readable for others."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():  # an existing one may be read-only, and can still be read
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        problem = error.strerror or str(error)
        raise DatabaseReadOnly(place=path, problem=problem) from error


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    try:
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise  # a read-only database can still be read
    except UnicodeDecodeError as error:  # SQLite's message about its damaged schema is not valid text
        raise sqlite3.DatabaseError(f"{_NO_TEXT} its schema: {error}") from error


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if "ftorch_durable" in options:
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options['ftorch_durable'] else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("ftorch_write") else "BEGIN")
