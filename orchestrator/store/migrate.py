"""Migrate a database to this program's schema: automatically at start, under a lock, after keeping a copy."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from shlex import quote

from sqlalchemy.exc import DBAPIError

from orchestrator.errors import DatabaseReadOnly, DatabaseTooNew, DatabaseUnreleased
from orchestrator.store import intents
from orchestrator.store.database import Database, explain, parse_url, sqlite_file
from orchestrator.store.readonly import DatabaseCopy
from orchestrator.store.schema import REVISION, metadata

_LOCK_KEY = 0x66746D  # "ftm": the PostgreSQL advisory lock for migrations
_EMPTY = count()
"""Numbers of the databases in memory."""
_UNRELEASED = {f"000{number}" for number in range(1, 8)}
"""Revisions from before the first release. No script migrates them to a released one."""


def open_database(url: str, *, create: bool = True) -> Database:
    """Open the database and migrate it if it is older than this program.

    One small query checks whether there is anything to do; only then is Alembic loaded. Without `create`, a missing
    SQLite file reads as an empty database and is not made, and one in a folder that can't be written is read as a
    copy. Raises DatabaseTooNew if a newer ftorch wrote it, DatabaseUnreleased if one from before the first release
    did, DatabaseLost if it lacks recorded intents, and the other DatabaseErrors if it can't be used.
    """
    path = sqlite_file(parse_url(url))
    if path is not None:
        intents.check_file(path)
    if not create and path is not None and not path.exists():
        return _in_memory()
    try:
        return _current(Database(url))
    except DatabaseReadOnly:
        if create or path is None or not path.is_file():
            raise
        copy = _copy_to_read(path)
        if copy is None:
            raise
        return copy


def _in_memory() -> Database:
    """An empty database for a folder that has none yet. It has a name, so that all threads share it."""
    database = Database(f"sqlite:///file:ftorch-{next(_EMPTY)}?mode=memory&cache=shared&uri=true")
    metadata.create_all(database.engine)
    return database


def _current(database: Database) -> Database:
    """The database at this program's schema; closed if that can't be reached."""
    path = database.path
    try:
        expected = intents.noted(path) if path else 0  # before the database is read: another process may add some
        found = _revision(database)
        if path and expected:
            intents.check_count(path, expected, database.intents())
        if found in _UNRELEASED:
            raise DatabaseUnreleased(place=database.place, found=found, start=_how_to_start_anew(database.path))
        if found != REVISION:
            _migrate_alone(database)
    except BaseException:
        database.close()
        raise
    return database


def _copy_to_read(path: Path) -> Database | None:
    """A copy of a database that can't be opened in its folder; None if it can't be copied either."""
    expected = intents.noted(path)
    try:
        copy = DatabaseCopy(path)
    except OSError:
        return None
    try:
        _current(copy)
        intents.check_count(path, expected, copy.intents())
        copy.refuse_writing()
    except BaseException:
        copy.close()
        raise
    return copy


def migrations_dir() -> Path:
    """The Alembic scripts: inside an installed package, or at the top of the checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def _how_to_start_anew(path: Path | None) -> str:
    if path is None:
        return "set FTORCH_DATABASE_URL to an empty one"
    kept = path.with_name(f"{path.name}.unreleased")
    moves = [(path, kept), (intents.file_beside(path), intents.file_beside(kept))]
    return " && ".join(f"mv -i {quote(str(old))} {quote(str(new))}" for old, new in moves if old.exists())


def _revision(database: Database) -> str | None:
    """The schema's revision; None for an empty database."""
    try:
        with database.engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    except DBAPIError as error:
        if _is_missing_table(error):
            return None
        raise explain(error.orig, database.place) from error
    return str(row[0]) if row else None


def _is_missing_table(error: DBAPIError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "42P01"


def _migrate_alone(database: Database) -> None:
    with _migration_lock(database):
        found = _revision(database)  # another process may have just done it
        if found != REVISION:
            _migrate(database, found)


def _migrate(database: Database, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.attributes["engine"] = database.engine
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseTooNew(place=database.place, found=found, known=REVISION)
    if found is not None and database.path:
        _keep_copy(database.path, found)
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        raise explain(error.orig, database.place) from error


def _keep_copy(path: Path, revision: str) -> Path:
    """A copy next to the database, complete or absent: written under another name, then renamed."""
    copy = path.with_name(f"{path.name}.before-{revision}-{time.strftime('%Y%m%dT%H%M%S')}")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(_open_private(partial))
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        partial.unlink()
        raise explain(error, str(path)) from error
    return partial.rename(copy)


@contextmanager
def _migration_lock(database: Database) -> Iterator[None]:
    """One migration at a time; the lock ends with the process that holds it."""
    if database.path is not None:
        handle = _open_private(database.path.with_name(f"{database.path.name}.lock"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    elif database.is_sqlite:
        yield  # in memory: no other process sees it
    else:
        with database.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            yield


def _open_private(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DatabaseReadOnly(place=path.parent, problem=error.strerror or str(error)) from error
