"""Which runs a listing admits, and in which order, on each database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import insert

from orchestrator.store import listing as listings, records, runs
from orchestrator.store.database import Database
from orchestrator.store.listing import SORTS, Listing
from orchestrator.store.records import Metric, Model
from orchestrator.store.runs import Run
from orchestrator.store.schema import submissions, sweeps, tags

MakeRun = Callable[..., Run]
TUNED = "ft:gpt-4.1-nano:acme:drone:Ab12"
LISTED: Mapping[str, Mapping[str, Any]] = {
    "old": {"created_at": 100.0, "updated_at": 900.0, "state": "failed", "finished_at": 150.0, "cost_usd": 3.0},
    "tuned": {
        "created_at": 200.0,
        "updated_at": 800.0,
        "state": "succeeded",
        "finished_at": 700.0,
        "cost_usd": 0.5,
        "name": "stock",
        "model": "gpt-4.1-nano-2025-04-14",
        "fine_tuned_model": TUNED,
    },
    "cloud": {"created_at": 300.0, "updated_at": 300.0, "endpoint": "openai", "estimated_cost_usd": None},
    "trial": {"created_at": 400.0, "updated_at": 400.0, "name": "grid", "sweep_id": "s1", "state": "running"},
    "kept": {"created_at": 500.0, "updated_at": 500.0, "archived_at": 600.0},
    "gone": {"created_at": 600.0, "updated_at": 600.0, "deleted_at": 700.0, "archived_at": 700.0},
}
SUBMITTED = {("run", "old"): "ann", ("run", "cloud"): "bo", ("sweep", "s1"): "ann"}
TAGS = {("old", "team"): "flight", ("cloud", "team"): "ground", ("trial", "try"): "1", ("trial", "team"): "flight"}


@pytest.fixture
def recorded(database: Database, make_run: MakeRun) -> Database:
    sweep = {"id": "s1", "name": "grid", "endpoint": "local", "job_file": "", "spec": {}, "trials": 1}
    with database.write() as connection:
        connection.execute(insert(sweeps).values(created_at=1.0, **sweep))
        for run_id, columns in LISTED.items():
            runs.add(connection, make_run(id=run_id, **columns), "recorded")
        for (run_id, key), value in TAGS.items():
            connection.execute(insert(tags).values(run_id=run_id, key=key, value=value))
        for (kind, item_id), user in SUBMITTED.items():
            who = {"user": user, "host": "desk", "ftorch_version": "1", "at": 1.0}
            connection.execute(insert(submissions).values(kind=kind, item_id=item_id, **who))
        records.add_metrics(
            connection,
            [
                Metric("old", 1, train_loss=0.1, valid_loss=0.1),
                Metric("old", 2, train_loss=0.9, valid_loss=0.2, full_valid_loss=0.8),
                Metric("tuned", 1, train_loss=0.5, valid_loss=0.5),
                Metric("trial", 1, train_loss=0.7),
            ],
        )
    return database


def listed(database: Database, listing: Listing, **window: Any) -> list[str]:
    with database.read() as connection:
        found = [run.id for run in listings.page(connection, listing, **{"limit": None, **window})]
        if not window:
            assert listings.count(connection, listing) == len(found)
    return found


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (Listing(), ["trial", "cloud", "tuned", "old"]),
        (Listing(archived="shown"), ["kept", "trial", "cloud", "tuned", "old"]),
        (Listing(archived="only"), ["kept"]),
        (Listing(run_id="old"), ["old"]),
        (Listing(run_id="gone", archived="shown"), []),
        (Listing(name="drone"), ["cloud", "old"]),
        (Listing(states=["failed", "running"]), ["trial", "old"]),
        (Listing(endpoint="openai"), ["cloud"]),
        (Listing(model="GPT-4.1-nano"), ["tuned"]),
        (Listing(model=TUNED.lower()), ["tuned"]),
        (Listing(model="gpt%nano"), []),
        (Listing(model="4.1-nano"), []),
        (Listing(since=300.0), ["trial", "cloud"]),
        (Listing(user="ann"), ["trial", "old"]),
        (Listing(user="nobody"), []),
        (Listing(tags={"team": None}), ["trial", "cloud", "old"]),
        (Listing(tags={"team": "flight"}), ["trial", "old"]),
        (Listing(tags={"team": "flight", "try": None}), ["trial"]),
        (Listing(tags={"Team": None}), []),
        (Listing(text="GRID"), ["trial"]),
        (Listing(text="aB12"), ["tuned"]),
        (Listing(text="OPENAI"), ["cloud"]),
        (Listing(text="_"), []),
        (Listing(sweep_id="s1"), ["trial"]),
        (Listing(outside_sweeps=True), ["cloud", "tuned", "old"]),
        (Listing(states=["failed"], user="bo"), []),
    ],
    ids=str,
)
def test_a_listing_admits_the_runs_that_it_describes(
    recorded: Database, listing: Listing, expected: list[str]
) -> None:
    assert listed(recorded, listing) == expected


@pytest.mark.parametrize(
    ("sort", "expected", "backwards"),
    [
        ("created", ["trial", "cloud", "tuned", "old"], ["old", "tuned", "cloud", "trial"]),
        ("updated", ["old", "tuned", "trial", "cloud"], ["cloud", "trial", "tuned", "old"]),
        ("finished", ["tuned", "old", "trial", "cloud"], ["old", "tuned", "trial", "cloud"]),
        ("duration", ["cloud", "trial", "tuned", "old"], ["old", "tuned", "trial", "cloud"]),
        ("cost", ["old", "trial", "tuned", "cloud"], ["tuned", "trial", "old", "cloud"]),
        ("loss", ["tuned", "trial", "old", "cloud"], ["old", "trial", "tuned", "cloud"]),
        ("valid", ["tuned", "old", "trial", "cloud"], ["old", "tuned", "trial", "cloud"]),
        ("name", ["cloud", "old", "trial", "tuned"], ["tuned", "trial", "cloud", "old"]),
        ("state", ["old", "cloud", "trial", "tuned"], ["tuned", "trial", "cloud", "old"]),
        ("endpoint", ["trial", "tuned", "old", "cloud"], ["cloud", "trial", "tuned", "old"]),
        ("base", ["trial", "cloud", "old", "tuned"], ["tuned", "trial", "cloud", "old"]),
    ],
)
def test_each_order_has_its_opposite_and_runs_without_a_value_stay_last(
    recorded: Database, sort: str, expected: list[str], backwards: list[str]
) -> None:
    assert listed(recorded, Listing(sort=sort)) == expected
    assert listed(recorded, Listing(sort=sort, is_reversed=True)) == backwards


def test_every_order_is_tested() -> None:
    cases = test_each_order_has_its_opposite_and_runs_without_a_value_stay_last.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {case[0] for case in cases} == set(SORTS)


def test_pages_follow_each_other(recorded: Database) -> None:
    assert listed(recorded, Listing(), limit=2) == ["trial", "cloud"]
    assert listed(recorded, Listing(), limit=2, offset=2) == ["tuned", "old"]
    assert listed(recorded, Listing(), limit=2, offset=4) == []


def test_models_follow_the_order_of_their_own_creation_or_of_what_their_runs_have(recorded: Database) -> None:
    made = {"old": 3.0, "tuned": 2.0, "trial": 1.0, "kept": 4.0, "gone": 5.0}
    with recorded.write() as connection:
        for run_id, at in made.items():
            records.add_model(connection, Model("local", f"ft:{run_id}", run_id, "base", at))

    def found(listing: Listing, limit: int | None = None) -> list[tuple[str, str]]:
        with recorded.read() as connection:
            return [(model.run_id, name) for model, name in listings.models(connection, listing, limit=limit)]

    assert found(Listing()) == [("old", "drone"), ("tuned", "stock"), ("trial", "grid")]
    assert found(Listing(is_reversed=True), limit=2) == [("trial", "grid"), ("tuned", "stock")]
    assert found(Listing(sort="loss")) == [("tuned", "stock"), ("trial", "grid"), ("old", "drone")]
    assert found(Listing(tags={"team": "flight"}, sort="cost")) == [("old", "drone"), ("trial", "grid")]
    assert found(Listing(archived="only")) == [("kept", "drone")]


def test_runs_are_counted_by_state(recorded: Database) -> None:
    with recorded.read() as connection:
        counts = listings.count_by_state(connection, Listing())
        assert counts == {"failed": 1, "succeeded": 1, "pending": 1, "running": 1}
        assert "running" not in listings.count_by_state(connection, Listing(outside_sweeps=True))


def test_more_runs_than_one_statement_reads_come_in_order(
    recorded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "_AT_ONCE", 3)
    assert listed(recorded, Listing(sort="duration")) == ["cloud", "trial", "tuned", "old"]
