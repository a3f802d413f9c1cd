"""What the last check of a data file found."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.store import datachecks
from orchestrator.store.database import Database
from orchestrator.store.datachecks import DataCheck

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
