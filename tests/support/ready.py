"""Databases that are copied where making them would take most of a test's time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from orchestrator.store import database as databases, migrate
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
        patch.setattr(databases, "create_engine", _engines_that_compile_once())
        yield really


def _engines_that_compile_once() -> Callable[..., Any]:
    """`create_engine`, whose engines share the SQL text of each statement. Every command that a test runs opens an
    engine of its own, and compiling takes half of the time that the database takes."""
    return partial(create_engine, execution_options={"compiled_cache": _SharedTexts()})


class _SharedTexts(dict[Any, Any]):
    """SQLAlchemy's cache of compiled statements, whose keys begin with the engine's own dialect object."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)


def _make(template: Path, migrating: Callable[[Database, str | None], None]) -> None:
    with closing(Database(f"sqlite:///{template}.partial")) as database:
        migrating(database, None)
    Path(f"{template}.partial").rename(template)
