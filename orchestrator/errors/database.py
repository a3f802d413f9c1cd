"""The database."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError


class DatabaseError(FtorchError):
    """The database {place} can't be used: {problem}."""


class DatabaseTooNew(DatabaseError):
    """The database {place} was written by a newer ftorch (its schema is {found}, this program knows {known}).
    Upgrade ftorch, or set FTORCH_HOME to another directory."""


class DatabaseBusy(DatabaseError):
    """The database {place} was locked by another program for {seconds:.0f} s. Nothing was lost: try again."""


class DatabaseFull(DatabaseError):
    """There is no room left to write the database {place}. Free some disk space, then run: ftorch resume"""


class DatabaseReadOnly(DatabaseError):
    """The database {place} can't be written ({problem}).
    Make its directory writable, or set FTORCH_HOME to another one."""


class DatabaseCorrupt(DatabaseError):
    """The file {place} is damaged or no database ({problem}). {restore}"""
