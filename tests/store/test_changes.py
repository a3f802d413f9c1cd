"""The mark of what is recorded differs after every commit, whoever made it, and after nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import insert

from orchestrator.store.changes import ChangeMark
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.schema import claims


@pytest.fixture
def mark(database: Database) -> Iterator[ChangeMark]:
    with closing(ChangeMark(database)) as made:
        yield made


def write(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(claims).values(name=name, owner="test", expires_at=1.0))


def test_it_is_the_same_as_long_as_nothing_is_written(database: Database, mark: ChangeMark) -> None:
    first = mark.read()
    with database.read() as connection:
        connection.execute(claims.select()).all()
    assert mark.read() == first


def test_a_commit_of_this_process_changes_it(database: Database, mark: ChangeMark) -> None:
    seen = [mark.read()]
    for name in ("a", "b"):
        write(database, name)
        seen.append(mark.read())
    assert len(set(seen)) == 3


def test_a_commit_of_another_connection_changes_it(database_url: str, database: Database, mark: ChangeMark) -> None:
    first = mark.read()
    with closing(open_database(database_url)) as other:
        write(other, "a")
    assert mark.read() != first


def test_it_keeps_no_transaction_open(database: Database, mark: ChangeMark) -> None:
    """Which would keep SQLite from folding its log into the main file, and PostgreSQL from tidying up."""
    mark.read()
    write(database, "a")
    if database.is_sqlite:
        assert database.checkpoint()
    else:
        with database.read() as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            states = f"SELECT state FROM pg_stat_activity WHERE {others}"
            assert "idle in transaction" not in connection.exec_driver_sql(states).scalars().all()
