"""Claims by name: all or none, and free again when their owner is gone or has let them run out."""

from __future__ import annotations

from orchestrator.store import locks
from orchestrator.store.database import Database


def claim(
    database: Database, *names: str, owner: str = "me", now: float = 100.0, gone: tuple[str, ...] = ()
) -> dict[str, str]:
    with database.write() as connection:
        return locks.claim(connection, names, owner, now + 30, now, gone)


def test_of_several_claims_all_are_made_or_none(database: Database) -> None:
    assert claim(database, "a", "b") == {}
    assert claim(database, "b", "c", owner="you") == {"b": "me"}
    assert claim(database, "c", owner="they") == {}, "nothing was kept of the claim that failed"


def test_a_claim_is_free_when_it_has_run_out_or_its_owner_is_gone(database: Database) -> None:
    claim(database, "a")
    assert claim(database, "a", owner="you", now=129.9) == {"a": "me"}
    assert claim(database, "a", owner="you", now=130.0) == {}
    assert claim(database, "a", owner="me", now=131.0, gone=("you",)) == {}


def test_a_kept_claim_lasts_and_one_that_ran_out_is_kept_while_nobody_took_it(database: Database) -> None:
    claim(database, "a", "b")
    with database.write() as connection:
        assert locks.keep(connection, ("a", "b"), "me", 200.0) is True
    assert claim(database, "a", owner="you", now=199.0) == {"a": "me"}
    with database.write() as connection:
        assert locks.keep(connection, ("a", "b"), "me", 300.0) is True
    assert claim(database, "a", owner="you", now=299.0) == {"a": "me"}
    assert claim(database, "a", owner="you", now=301.0) == {}
    with database.write() as connection:
        assert locks.keep(connection, ("a", "b"), "me", 400.0) is False
        assert locks.keep(connection, (), "me", 400.0) is True
    assert claim(database, "a", owner="they", now=330.0) == {"a": "you"}


def test_an_owner_takes_its_own_up_again_but_gives_none_up_where_another_has_one(database: Database) -> None:
    claim(database, "a", "b")
    assert claim(database, "a", "b", now=200.0) == {}
    claim(database, "c", owner="you", now=210.0)
    assert claim(database, "a", "c", now=215.0) == {"c": "you"}
    assert claim(database, "a", owner="they", now=216.0) == {"a": "me"}


def test_an_owner_gives_back_what_is_its_own(database: Database) -> None:
    claim(database, "a")
    claim(database, "b", owner="you")
    with database.write() as connection:
        locks.release(connection, "me")
        assert locks.owners(connection) == ["you"]
