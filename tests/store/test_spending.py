"""What training cost, as the database adds it up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from orchestrator.store import runs, spending, sweeps
from orchestrator.store.database import Database
from orchestrator.store.records import Checkpoint, Model, add_checkpoints, add_model
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs as table, submissions, tags
from orchestrator.store.spending import Limited, Source, Sum, Trained
from orchestrator.store.sweeps import RecordedSweep

MakeRun = Callable[..., Run]
JUNE = datetime(2026, 6, 15, tzinfo=UTC).timestamp()
MAY_ENDS = datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@pytest.fixture
def record(database: Database, make_run: MakeRun) -> Callable[..., Run]:
    """Records a succeeded run that cost 3 dollars, changed as asked for."""

    def record(**changes: Any) -> Run:
        done = {"state": "succeeded", "finished_at": JUNE, "cost_usd": 3.0, "created_at": JUNE}
        run = make_run(**{**done, "endpoint": "openai", **changes})
        run = make_run(**{**run.__dict__, "job_id": changes.get("job_id", f"ftjob-{run.id}")})
        with database.write() as connection:
            runs.add(connection, run, "recorded")
        return run

    return record


def trained(database: Database, by: str, since: float | None = None, tag: str | None = None) -> list[Trained]:
    with database.read() as connection:
        return sorted(spending.trainings(connection, by, since, tag), key=lambda each: each.key or "")


def test_a_cost_is_the_recorded_one_else_the_estimate_else_unknown(database: Database, record) -> None:
    record()
    record(state="running", finished_at=None, cost_usd=None, estimated_cost_usd=1.5)
    record(cost_usd=None, estimated_cost_usd=None)
    [found] = trained(database, "kind")
    assert found == Trained(None, Sum(4.5, 3, 1.5, 1, 1))
    assert not found.used.is_unknown


@pytest.mark.parametrize(
    "run",
    [
        {"state": "pending", "finished_at": None, "job_id": None},
        {"state": "failed", "job_id": None},
        {"state": "cancelled", "job_id": None},
    ],
    ids=lambda run: run["state"],
)
def test_a_run_that_never_got_a_job_costs_nothing(database: Database, record, run: dict[str, Any]) -> None:
    record(**run)
    assert trained(database, "kind") == []


@pytest.mark.parametrize(
    "run",
    [
        {"state": "unknown", "finished_at": None, "job_id": None},
        {"state": "cancelled", "cost_usd": None, "estimated_cost_usd": 3.0},
        {"state": "succeeded", "archived_at": JUNE},
        {"state": "succeeded", "deleted_at": JUNE},
    ],
    ids=["create unconfirmed", "cancelled on the endpoint", "archived", "deleted"],
)
def test_what_may_have_been_paid_counts(database: Database, record, run: dict[str, Any]) -> None:
    record(**run)
    [found] = trained(database, "kind")
    assert found.used.usd == 3.0


def test_a_month_is_that_of_the_create_request_in_utc(database: Database, record) -> None:
    record(created_at=MAY_ENDS, creation_started_at=MAY_ENDS + 2)
    record(created_at=MAY_ENDS)
    assert [(each.key, each.used.items) for each in trained(database, "month")] == [("2026-05", 1), ("2026-06", 1)]
    assert [each.key for each in trained(database, "month", since=MAY_ENDS + 1)] == ["2026-06"]


def test_runs_are_added_up_by_endpoint_and_model_and_each_is_named(database: Database, record) -> None:
    first = record()
    record(endpoint="azure", model="gpt-4.1")
    assert [each.key for each in trained(database, "endpoint")] == ["azure", "openai"]
    assert [each.key for each in trained(database, "model")] == ["gpt-4.1", first.model]
    assert trained(database, "run")[0] == Trained(first.id, Sum(3.0, 1), "drone")


def test_a_run_counts_for_each_of_its_tags_and_one_without_for_none(database: Database, record) -> None:
    first, second, _ = record(), record(), record()
    values = [
        {"run_id": first.id, "key": "team", "value": "flight"},
        {"run_id": first.id, "key": "stage", "value": "a"},
        {"run_id": second.id, "key": "team", "value": "flight"},
    ]
    with database.write() as connection:
        connection.execute(insert(tags), values)
    assert [(each.key, each.used.items) for each in trained(database, "tag", tag="team")] == [
        (None, 1),
        ("flight", 2),
    ]
    assert [(each.key, each.used.items) for each in trained(database, "tag")] == [
        (None, 1),
        ("stage=a", 1),
        ("team=flight", 2),
    ]
    with database.read() as connection:
        assert spending.labels(connection, "tag", [first.id, second.id], "stage") == {first.id: [("a", "")]}


def test_a_trial_was_submitted_by_who_submitted_its_sweep(database: Database, record) -> None:
    with database.write() as connection:
        sweeps.add(connection, RecordedSweep("sweep001", "s", "openai", "j.toml", {}, 2, None, 1.0))
    first, trial = record(), record(sweep_id="sweep001")
    record()
    others = {"host": "h", "ftorch_version": "1", "at": 1.0}
    values = [
        {"kind": "run", "item_id": first.id, "user": "ada", **others},
        {"kind": "sweep", "item_id": "sweep001", "user": "ben", **others},
    ]
    with database.write() as connection:
        connection.execute(insert(submissions), values)
    assert [(each.key, each.used.items) for each in trained(database, "user")] == [
        (None, 1),
        ("ada", 1),
        ("ben", 1),
    ]
    with database.read() as connection:
        assert spending.labels(connection, "user", [trial.id]) == {trial.id: [("ben", "")]}
        assert spending.users_of(connection, "sweep", ["sweep001", "sweep002"]) == {"sweep001": "ben"}


def test_a_limit_is_that_of_the_newest_run_of_the_name(database: Database, record) -> None:
    record(name="drone", max_cost_usd=5.0, created_at=JUNE)
    record(name="drone", max_cost_usd=20.0, created_at=JUNE + 1)
    record(name="stock", max_cost_usd=None)
    record(name="old", max_cost_usd=1.0, created_at=MAY_ENDS)
    with database.read() as connection:
        found = spending.of_limited(connection, since=JUNE)
        assert found == [Limited("drone", "openai", 20.0, Sum(6.0, 2))]
        assert {each.name for each in spending.of_limited(connection)} == {"drone", "old"}


def test_models_and_checkpoints_lead_to_their_run_deleted_ones_too(database: Database, record) -> None:
    run, gone = record(), record(fine_tuned_model="ft:gone", deleted_at=JUNE)
    with database.write() as connection:
        add_model(connection, Model("openai", "ft:drone", run.id, run.model, 1.0))
        add_checkpoints(connection, [Checkpoint(run.id, "c1", 10, "ft:drone:step-10", {}, 1.0)])
        connection.execute(update(table).where(table.c.id == run.id).values(fine_tuned_model="ft:drone"))
    names = {("openai", each) for each in ("ft:drone", "ft:drone:step-10", "ft:gone", "gpt-4.1")}
    with database.read() as connection:
        found = spending.sources(connection, {*names, ("azure", "ft:drone")})
    assert found == {
        ("openai", "ft:drone"): Source(run.id, run.model),
        ("openai", "ft:drone:step-10"): Source(run.id, run.model),
        ("openai", "ft:gone"): Source(gone.id, gone.model),
    }
