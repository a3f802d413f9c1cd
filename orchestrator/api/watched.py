"""The ledger of a process that stays: opened again when its project changes, with a mark of what is recorded."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from orchestrator.config import Workspace, user_config_path
from orchestrator.errors import DatabaseError
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store.changes import ChangeMark
from orchestrator.store.database import Database, parse_url, sqlite_file
from orchestrator.store.readonly import DatabaseCopy

_Files = tuple[tuple[int, ...] | None, ...]


class WatchedLedger:
    """The ledger around `start` (default: the current directory), for any number of threads."""

    def __init__(self, start: Path | None = None) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._mark: ChangeMark | None = None
        self._ledger: Ledger | None = None
        self._files: _Files = ()

    def current(self) -> Ledger:
        """Opened again if ftorch.toml has changed, or the database is another one. Raises what `open_ledger`
        raises."""
        with self._lock:
            if self._ledger is None or self._files != _files_of(self._ledger):
                self._close()
                self._ledger = self._opened.enter_context(open_ledger(self._start))
                self._files = _files_of(self._ledger)
            return self._ledger

    def mark(self) -> Hashable:
        """Equal marks mean that the same is recorded and configured. Raises what `current` raises."""
        ledger = self.current()
        with self._lock:
            if self._mark is None:
                self._mark = ChangeMark(ledger.database)
            try:
                return self._mark.read(), self._files
            except DatabaseError:  # a connection to a server can break; the next one is a new one
                self._forget_mark()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._forget_mark()
        self._opened.close()  # connections that a thread is using stay open until it returns them
        self._ledger = None

    def _forget_mark(self) -> None:
        if self._mark is not None:
            with suppress(DatabaseError):
                self._mark.close()
            self._mark = None


def _files_of(ledger: Ledger) -> _Files:
    """What tells one state of the project's files from another. A database is the same as long as it is the same
    file, unless only a copy of it can be read."""
    workspace, database = ledger.workspace, ledger.database
    whole = [_stamp(path) for path in (workspace.project_file, user_config_path(), *_copied(workspace, database))]
    path = sqlite_file(parse_url(workspace.database_url))
    stamp = _stamp(path) if path else None
    return (*whole, stamp[:2] if stamp else None)


def _copied(workspace: Workspace, database: Database) -> Iterable[Path]:
    if not isinstance(database, DatabaseCopy):
        return ()
    path = sqlite_file(parse_url(workspace.database_url))
    return (path, Path(f"{path}-wal")) if path else ()


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Device, number, size and time of change; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
