from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from orchestrator.errors import AmbiguousRun, DatabaseError, NoSuchRun
from orchestrator.store import runs
from orchestrator.store.database import Database
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]
Write = Callable[[Connection, Run, str, float, dict[str, Any]], object]
NOW, LATER, MUCH_LATER = 5000.0, 5060.0, 5120.0


def add(database: Database, *recorded: Run) -> None:
    with database.write() as connection:
        for run in recorded:
            runs.add(connection, run, run.reason)


def held(make_run: MakeRun, **changes: Any) -> Run:
    """A run that "me" holds until LATER."""
    return make_run(**{"lease_owner": "me", "lease_expires_at": LATER, **changes})


def test_a_run_is_read_as_it_was_recorded(database: Database, make_run: MakeRun) -> None:
    run = make_run(
        remote_job={"id": "ftjob-1", "result_files": [], "über": 1.5}, tokens_per_epoch=2**33, creation_open=True
    )
    add(database, run)
    with database.read() as connection:
        assert runs.get(connection, run.id) == run
        [first] = runs.history(connection, run.id)
    assert (first.version, first.from_state, first.to_state, first.reason) == (1, None, "pending", "recorded")
    assert (first.at, first.owner) == (run.created_at, None)


def test_a_fine_tuning_job_belongs_to_one_run(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(job_id="ftjob-1"), make_run(job_id="ftjob-1", endpoint="other"), make_run(), make_run())
    with pytest.raises(DatabaseError):
        add(database, make_run(job_id="ftjob-1"))
    with database.read() as connection:
        found = runs.owners_of_jobs(connection, "local", ["ftjob-1", "ftjob-2"])
    assert found == {"ftjob-1": "run00001"}


# --- what a worker holds -----------------------------------------------------------------------------------


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
        assert runs.pace(connection, "me", "local")[0] == 60.0


# --- finding -----------------------------------------------------------------------------------------------


def test_a_run_is_found_by_a_unique_prefix_of_its_id_in_any_case(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(id="ab12cd34"), make_run(id="ac000000"))
    with database.read() as connection:
        for key in ("ab", "AB12", "ab12cd34"):
            assert runs.find(connection, key).id == "ab12cd34"


def test_a_name_finds_the_newest_run_of_that_name(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run(), make_run(name="stock"))
    with database.read() as connection:
        assert runs.find(connection, "drone").id == "run00002"


def test_a_prefix_that_fits_several_runs_is_refused_with_them(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run())
    with database.read() as connection, pytest.raises(AmbiguousRun) as caught:
        runs.find(connection, "run")
    assert str(caught.value).startswith('"run" fits more than one run: ')
    assert "run00001" in str(caught.value)
    assert "run00002" in str(caught.value)


@pytest.mark.parametrize("key", ["", "zzz", "%", "_", "run0000_", "dron"])
def test_a_key_that_fits_no_run_is_refused(database: Database, make_run: MakeRun, key: str) -> None:
    add(database, make_run())
    with database.read() as connection, pytest.raises(NoSuchRun, match="ftorch status"):
        runs.find(connection, key)


def test_runs_are_listed_newest_first(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run(name="stock"), make_run(finished_at=1.0))
    with database.read() as connection:

        def ids(**options: Any) -> list[str]:
            return [run.id for run in runs.newest(connection, **options)]

        assert ids() == ["run00003", "run00002", "run00001"]
        assert ids(limit=1) == ["run00003"]
        assert ids(name="drone") == ["run00003", "run00001"]
        assert ids(only_active=True) == ["run00002", "run00001"]
        assert [run.id for run in runs.by_ids(connection, ["run00003", "run00001"])] == ["run00001", "run00003"]


def test_unfinished_runs_are_found_by_endpoint(database: Database, make_run: MakeRun) -> None:
    add(
        database,
        make_run(),
        make_run(endpoint="openai", requested_action="pause"),
        make_run(state="failed", finished_at=1.0),
    )
    with database.read() as connection:
        assert runs.busy_endpoints(connection) == ["local", "openai"]
        assert runs.busy_endpoints(connection, ["run00002", "run00003"]) == ["openai"]
        assert runs.unfinished(connection, "openai", None, resting="paused", limit=9) == ["run00002"]
        assert runs.unfinished(connection, "local", ["run00003"], resting="paused", limit=9) == []


def test_a_run_that_rests_is_left_until_somebody_wishes_something(database: Database, make_run: MakeRun) -> None:
    add(
        database,
        make_run(state="paused"),
        make_run(state="paused", requested_action="unpause"),
        make_run(),
        make_run(),
    )
    with database.read() as connection:
        left = runs.unfinished(connection, "local", None, resting="paused", limit=9)
        assert sorted(left) == ["run00002", "run00003", "run00004"]
        assert len(runs.unfinished(connection, "local", None, resting="paused", limit=2)) == 2


def test_the_same_submission_is_found_again_unless_it_ended_badly(database: Database, make_run: MakeRun) -> None:
    add(database, make_run(), make_run(state="failed"), make_run(fingerprint="0" * 64))
    with database.read() as connection:
        found = runs.same(connection, "f" * 64, except_states=["failed", "cancelled"])
        assert found is not None
        assert found.id == "run00001"
        assert runs.same(connection, "1" * 64, except_states=[]) is None
        assert (runs.exists(connection, "run00001"), runs.exists(connection, "run0000")) == (True, False)
        with pytest.raises(NoSuchRun):
            runs.get(connection, "run0000")


def test_a_wish_is_recorded_without_a_lease_while_the_run_is_not_over(
    database: Database, make_run: MakeRun
) -> None:
    add(database, held(make_run, due_at=NOW), make_run(finished_at=1.0))
    with database.write() as connection:
        assert runs.request_action(connection, "run00001", "cancel") is True
        assert runs.request_action(connection, "run00002", "cancel") is False
    with database.read() as connection:
        requested = runs.get(connection, "run00001")
        assert (requested.requested_action, requested.due_at, requested.version) == ("cancel", None, 1)
        assert runs.get(connection, "run00002").requested_action is None


# --- what a run knows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "resolved"),
    [
        (None, {}),
        ({"hyperparameters": {"n_epochs": 4}}, {"n_epochs": 4}),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}}, {"beta": 0.1}),
        (
            {"method": {"type": "supervised", "supervised": None}, "hyperparameters": {"n_epochs": 4}},
            {"n_epochs": 4},
        ),
        ({"method": None, "hyperparameters": None}, {}),
    ],
)
def test_resolved_hyperparameters_are_what_the_endpoint_says(
    make_run: MakeRun, job: dict[str, Any] | None, resolved: dict[str, Any]
) -> None:
    run = make_run(remote_job=job)
    assert run.resolved_hyperparameters == resolved
    assert run.hyperparameters == {"n_epochs": 3, "batch_size": "auto"}


def test_a_run_is_over_when_it_has_finished(make_run: MakeRun) -> None:
    assert make_run(finished_at=1.0).is_over
    assert not make_run().is_over


def test_hastening_makes_waiting_runs_due_and_changes_nothing_else(database, make_run):
    waiting = make_run(due_at=5_000_000_000.0, state="creating", creation_open=True, creation_attempted_at=1.0)
    with database.write() as connection:
        runs.add(connection, waiting, "waits")
        runs.hasten(connection, [waiting.id])
    with database.read() as connection:
        assert runs.get(connection, waiting.id) == replace(waiting, due_at=None)


def test_a_run_is_found_by_its_token_and_its_files_are_needed_while_it_is_active(database, make_run):
    run = make_run(creation_token="token-1", training_file_id="file-1", validation_file_id="file-2")
    over = make_run(training_file_id="file-3", state="failed", finished_at=1.0)
    with database.write() as connection:
        for each in (run, over):
            runs.add(connection, each, "added")
    with database.read() as connection:
        assert runs.by_token(connection, "token-1") == run
        assert runs.by_token(connection, "token-2") is None
        assert runs.needed_files(connection, run.endpoint) == {"file-1", "file-2"}
