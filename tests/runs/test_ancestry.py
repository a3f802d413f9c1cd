"""Which run a run continues: by the id of its base model, the endpoint or account, and the time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from orchestrator.runs.ancestry import ancestors, known_as, maker_of, parent_of
from orchestrator.store import records
from orchestrator.store.database import Database
from orchestrator.store.records import Checkpoint
from orchestrator.store.runs import Run

Record = Callable[..., Run]


@pytest.fixture
def record(db: Database, make_run: Callable[..., Run]) -> Record:
    """Records a run, newer than the one before; `saved` are the ids of its checkpoints by step."""
    times = count(1000)

    def record(*, saved: dict[int, str] | None = None, **changes: Any) -> Run:
        here = {"endpoint": "local", "endpoint_type": "local", "created_at": float(next(times))}
        run = make_run(**{**here, **changes})
        with db.write() as connection:
            found = [Checkpoint(run.id, model, step, model, {}, 1.0) for step, model in (saved or {}).items()]
            records.add_checkpoints(connection, found)
        return run

    return record


@pytest.fixture
def read(db: Database) -> Callable[[Callable[[Connection], Any]], Any]:
    def read(query: Callable[[Connection], Any]) -> Any:
        with db.read() as connection:
            return query(connection)

    return read


def test_runs_are_followed_back_through_models_and_checkpoints(record: Record, read) -> None:
    first = record(fine_tuned_model="ft:a", saved={10: "ft:a:step-10", 20: "ft:a"})
    second = record(model="ft:a:step-10", fine_tuned_model="ft:b")
    third = record(model="ft:b")
    found = read(lambda connection: ancestors(connection, third))
    assert [(each.run.id, each.model, each.step) for each in found] == [
        (second.id, "ft:b", None),
        (first.id, "ft:a:step-10", 10),
    ]
    assert read(lambda connection: maker_of(connection, "local", "ft:a")).step is None, "not its last checkpoint"


def test_a_model_of_the_same_name_elsewhere_is_no_parent_unless_the_account_is_the_same(
    record: Record, read
) -> None:
    record(endpoint="openai", endpoint_type="openai", account="api.openai.com 1", fine_tuned_model="ft:a")
    there = {"endpoint": "mirror", "endpoint_type": "compatible", "model": "ft:a"}
    made = [record(**there, account=account) for account in (None, "api.openai.com 2", "api.openai.com 1")]
    found = [read(lambda connection, run=run: parent_of(connection, run)) for run in made]
    assert [each and each.model for each in found] == [None, None, "ft:a"]
    record(endpoint="openai", endpoint_type="openai", fine_tuned_model="ft:unknown")
    child = record(**{**there, "model": "ft:unknown"})
    assert read(lambda connection: parent_of(connection, child)) is None, "no account is known"


def test_where_a_host_trains_in_place_the_newest_older_run_counts_and_no_circle_arises(
    record: Record, read
) -> None:
    made = [record(model="mine", fine_tuned_model="mine") for _ in range(3)]
    found = read(lambda connection: ancestors(connection, made[2]))
    assert [each.run.id for each in found] == [made[1].id, made[0].id]
    assert read(lambda connection: parent_of(connection, made[0])) is None


def test_a_run_of_which_only_the_tombstone_is_left_is_still_a_parent(record: Record, read) -> None:
    parent = record(fine_tuned_model="ft:a", deleted_at=5000.0)
    child = record(model="ft:a")
    found = read(lambda connection: parent_of(connection, child))
    assert found is not None
    assert found.run == parent


def test_a_folder_that_a_model_was_exported_to_leads_back_to_it(record: Record, read, tmp_path: Path) -> None:
    card = "# greet\n\n`smol`, fine-tuned, with ftorch 0.1.0.\n\n| | |\n|---|---|\n| model id | `ft:a` |\n"
    (tmp_path / "README.md").write_text(card)
    original = record(model="smol", method=trained_in("/smol"), fine_tuned_model="ft:a")
    merged = record(model="merged", method=trained_in(str(tmp_path)))
    found = read(lambda connection: parent_of(connection, merged))
    assert found is not None
    assert (found.run.id, found.model) == (original.id, "ft:a")
    assert read(lambda connection: known_as(connection, original, ["ft:a"])) == {"ft:a", "merged"}


def trained_in(folder: str) -> dict[str, Any]:
    return {"type": "supervised", "hyperparameters": {}, "base": {"folder": folder, "mark": folder}}
