from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.store import runs
from orchestrator.store.database import Database
from orchestrator.store.runs import RUNS, Run

MakeRun = Callable[..., Run]
NOW, LATER, MUCH_LATER = 5000.0, 5060.0, 5120.0


def add(database: Database, *recorded: Run) -> None:
    with database.write() as connection:
        for run in recorded:
            runs.add(connection, run, run.reason)


def held(make_run: MakeRun, **changes: Any) -> Run:
    """A run that "me" holds until LATER."""
    return make_run(**{"lease_owner": "me", "lease_expires_at": LATER, **changes})


def claim(database: Database, owner: str, now: float = NOW, **options: Any) -> int:
    options = {"endpoint": "local", "states": ["pending"], **options}
    with database.write() as connection:
        return RUNS.claim(connection, owner, now + 60, now, **options)


def owners(database: Database) -> dict[str, str | None]:
    with database.read() as connection:
        return {run.id: run.lease_owner for run in runs.newest(connection)}


def test_a_free_run_is_leased_once(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run())
    assert claim(database, "me") == 2
    assert claim(database, "other") == 0
    assert set(owners(database).values()) == {"me"}


def test_only_runs_of_the_wanted_endpoint_states_and_ids_are_leased(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run(endpoint="openai"), make_run(state="failed"), make_run(state="queued"))
    assert claim(database, "me", states=["pending", "queued"], ids=["run00002", "run00003", "run00004"]) == 1
    assert owners(database) == {"run00001": None, "run00002": None, "run00003": None, "run00004": "me"}
    assert claim(database, "me", ids=[]) == 0


def test_an_expired_lease_is_free(database: Database, make_run: MakeRun) -> None:
    add(database, make_run())
    claim(database, "gone", NOW)
    assert claim(database, "me", NOW + 59.9) == 0
    assert claim(database, "me", NOW + 60) == 1


def test_the_lease_of_a_dead_owner_is_free_at_once(database: Database, make_run: MakeRun) -> None:
    add(database, make_run())
    claim(database, "dead")
    assert claim(database, "me", abandoned=["other"]) == 0
    assert claim(database, "me", abandoned=["dead"]) == 1
    assert owners(database) == {"run00001": "me"}


def test_a_lease_is_renewed_while_it_is_held_and_not_after(database: Database, make_run: MakeRun) -> None:
    run = held(make_run)
    add(database, run, held(make_run, lease_owner="other"))
    with database.write() as connection:
        assert RUNS.renew(connection, "me", MUCH_LATER, NOW) == 1
        RUNS.swap(connection, run, "me", LATER + 1, {"reason": "still mine"})
        assert RUNS.renew(connection, "me", 9999.0, MUCH_LATER) == 0
        assert runs.get(connection, "run00002").lease_expires_at == LATER


def test_released_leases_are_free(database: Database, make_run: MakeRun) -> None:
    add(database, held(make_run), held(make_run, lease_owner="other"))
    with database.write() as connection:
        assert sorted(RUNS.owners(connection, "local")) == ["me", "other"]
        assert RUNS.owners(connection, "openai") == []
        RUNS.release(connection, "me")
    assert owners(database) == {"run00001": None, "run00002": "other"}


def test_who_holds_runs_sees_the_due_ones_oldest_first(database: Database, make_run: MakeRun) -> None:
    add(
        database,
        held(make_run, created_at=30.0),
        held(make_run, created_at=20.0, due_at=NOW + 5),
        held(make_run, created_at=10.0, due_at=NOW),
        held(make_run, lease_owner="other"),
        held(make_run, endpoint="openai"),
        held(make_run, state="failed"),
    )
    wanted: dict[str, Any] = {"endpoint": "local", "states": ["pending"]}
    with database.read() as connection:

        def ids(**options: Any) -> list[str]:
            return [run.id for run in RUNS.held(connection, "me", **wanted, **options)]

        assert ids() == ["run00003", "run00002", "run00001"]
        assert ids(due_before=NOW) == ["run00003", "run00001"]
        assert ids(due_before=NOW, limit=1) == ["run00003"]
        assert RUNS.next_due(connection, "me", endpoint="local", states=["pending"]) == 0
        assert RUNS.next_due(connection, "me", endpoint="local", states=["queued"]) is None


def test_who_holds_runs_finds_them_by_job_and_by_wish(database: Database, make_run: MakeRun) -> None:
    add(
        database,
        held(make_run, job_id="ftjob-1", estimated_finish=70.0),
        held(make_run, job_id="ftjob-2", requested_action="cancel", estimated_finish=60.0),
        held(make_run, job_id="ftjob-3", requested_action="cancel", finished_at=1.0, estimated_finish=50.0),
        held(make_run, job_id="ftjob-4", requested_action="cancel", lease_owner="other"),
    )
    with database.read() as connection:
        job_ids = ["ftjob-1", "ftjob-3", "ftjob-4", "ftjob-9"]
        assert {run.id for run in runs.held_by_job(connection, "me", "local", job_ids)} == {
            "run00001",
            "run00003",
        }
        assert [run.id for run in runs.held_with_request(connection, "me", "local")] == ["run00002"]
        known = runs.held_job_ids(connection, "me", endpoint="local", states=["pending"])
        assert known == {"ftjob-1", "ftjob-2", "ftjob-3"}
        assert runs.next_finish(connection, "me", "local") == 60.0
