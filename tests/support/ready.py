"""Databases that are copied where making them would take most of a test's time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orchestrator.store import migrate
from orchestrator.store.database import Database


@contextmanager
def new_databases_are_copies(folder: Path) -> Iterator[Callable[[Database, str | None], None]]:
    """Copy every new SQLite file from one in `folder` that the migrations made; yields what really migrates."""
    template, really = folder / "template.db", migrate._migrate

    def copied(database: Database, found: str | None) -> None:
        if found is not None or database.path is None:
            really(database, found)
            return
        if not template.exists():
            _make(template, really)
        with closing(sqlite3.connect(template)) as source, closing(sqlite3.connect(database.path)) as target:
            source.backup(target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "_migrate", copied)
        yield really


def _make(template: Path, migrating: Callable[[Database, str | None], None]) -> None:
    with closing(Database(f"sqlite:///{template}.partial")) as database:
        migrating(database, None)
    Path(f"{template}.partial").rename(template)
