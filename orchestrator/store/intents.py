"""A count of the recorded intents next to a SQLite database, to detect lost records.

An intent is written right before money is spent. The database counts its intents itself, in the same transaction
(SQLite's `user_version`). The file next to it repeats the count after the commit, so it is never ahead of a
database that lost nothing: a database with fewer is an older one. The file is not synced: after a power failure
it may be behind, and then detects less.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from shlex import quote

from orchestrator.errors import DatabaseLost

_DIGITS = 10


def file_beside(path: Path) -> Path:
    """The path of the count for the database at `path`."""
    return path.with_name(f"{path.name}.intents")


def noted(path: Path) -> int:
    """How many intents the database at `path` must hold; 0 if that is not noted, or can't be read."""
    try:
        return int(file_beside(path).read_bytes()[:_DIGITS])
    except (OSError, ValueError):
        return 0


def note(path: Path, count: int) -> None:
    """Note the database's number of intents next to it; if that can't be written, the last count stays."""
    try:
        handle = os.open(file_beside(path), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, b"%0*d\n" % (_DIGITS, count), 0)
        finally:
            os.close(handle)
    except OSError:
        return


def held(connection: sqlite3.Connection) -> int:
    """The database's own count of its intents."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def count_one(connection: sqlite3.Connection) -> int:
    """Add one to the count in the open transaction; returns the new count."""
    count = held(connection) + 1
    connection.execute(f"PRAGMA user_version = {count}")
    return count


def check_file(path: Path) -> None:
    """Raises DatabaseLost if intents are noted and the database is gone or empty.

    Call it before SQLite opens the file: opening deletes the write-ahead log of an empty one.
    """
    expected = noted(path)
    if expected and not path.exists():
        raise _lost(path, "is gone", expected)
    if expected and path.is_file() and path.stat().st_size == 0:
        raise _lost(path, "is empty", expected)


def check_count(path: Path, expected: int, found: int) -> None:
    """Raises DatabaseLost if the database holds fewer intents than were noted before it was read."""
    if found < expected:
        finding = (
            f"is older than ftorch left it, with {found} of its intents: its write-ahead log ({path.name}-wal) was "
            "lost, or an older copy was put in its place"
        )
        raise _lost(path, finding, expected)


def move_away(path: Path) -> str:
    """The shell command that moves the database away, with its companion files."""
    folder = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S')}"
    belonging = (path, Path(f"{path}-wal"), Path(f"{path}-shm"), file_beside(path))
    files = " ".join(quote(str(file)) for file in belonging if file.exists())
    return f"mkdir -p {quote(folder)} && mv {files} {quote(folder)}"


def _lost(path: Path, finding: str, expected: int) -> DatabaseLost:
    return DatabaseLost(place=path, finding=finding, count=expected, accept=f"rm {quote(str(file_beside(path)))}")
