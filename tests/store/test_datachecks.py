"""What the last check of a data file found, and the migration that made room for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from alembic import command
from alembic.config import Config

from orchestrator.store import datachecks, runs
from orchestrator.store.database import Database
from orchestrator.store.datachecks import DataCheck
from orchestrator.store.migrate import migrations_dir, open_database
from orchestrator.store.runs import Run

CHECK = DataCheck(
    sha256="a" * 64,
    purpose="training",
    method="supervised",
    examples=259,
    tokens=5_000_000_000,
    variant="no-descriptions",
    findings={"FT601": 1, "FT331": 12},
    checked_at=1000.5,
)


def test_a_check_is_found_by_the_hash_as_it_was_recorded(database: Database) -> None:
    with database.write() as connection:
        datachecks.keep(connection, CHECK)
    with database.read() as connection:
        assert datachecks.find(connection, "a" * 64, "training") == CHECK
        assert datachecks.find(connection, "b" * 64, "training") is None


def test_a_later_check_of_the_same_bytes_takes_the_place_of_the_earlier(database: Database) -> None:
    later = replace(CHECK, findings={}, checked_at=2000.0, tokens=None)
    with database.write() as connection:
        datachecks.keep(connection, CHECK)
        datachecks.keep(connection, later)
    with database.read() as connection:
        assert datachecks.find(connection, CHECK.sha256, CHECK.purpose) == later


def test_the_same_bytes_are_judged_apart_as_training_and_as_validation_data(database: Database) -> None:
    validation = replace(CHECK, purpose="validation", findings={})
    with database.write() as connection:
        datachecks.keep(connection, CHECK)
        datachecks.keep(connection, validation)
    with database.read() as connection:
        assert datachecks.find(connection, CHECK.sha256, "training") == CHECK
        assert datachecks.find(connection, CHECK.sha256, "validation") == validation


def test_a_database_of_before_gains_the_table_and_keeps_its_runs(
    database_url: str, make_run: Callable[..., Run]
) -> None:
    _make_first_schema(database_url, make_run())
    database = open_database(database_url)
    with database.write() as connection:
        datachecks.keep(connection, CHECK)
        assert runs.exists(connection, "run00001")
    database.close()


def _make_first_schema(url: str, run: Run) -> None:
    """A database as the first release left it, with one run."""
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    config.attributes["engine"] = database.engine
    command.upgrade(config, "0001")
    with database.write() as connection:
        runs.add(connection, run, run.reason)
    database.close()
