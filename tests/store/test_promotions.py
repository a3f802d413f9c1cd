"""Stages of models as rows: the last one of a model counts."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.store import promotions as store
from orchestrator.store.database import Database
from orchestrator.store.promotions import Promotion


def promotion(model: str, stage: str, **changes: Any) -> Promotion:
    values: dict[str, Any] = {"endpoint": "local", "name": "drone", "user": "ann", "reason": "", "at": 1000.0}
    return Promotion(model=model, stage=stage, **{**values, **changes})


@pytest.fixture
def recorded(database: Database) -> Database:
    with database.write() as connection:
        for each in (
            promotion("ft:a", "candidate"),
            promotion("ft:b", "production"),
            promotion("ft:a", "production", reason="better", evaluation_id="eval0001"),
            promotion("ft:b", "retired"),
            promotion("ft:a", "candidate", endpoint="openai", name="stock"),
        ):
            store.add(connection, each)
    return database


def test_the_last_row_of_a_model_on_its_endpoint_is_its_stage(recorded: Database) -> None:
    with recorded.read() as connection:
        found = store.stage_of(connection, "local", "ft:a")
        assert found == promotion("ft:a", "production", reason="better", evaluation_id="eval0001")
        assert store.stage_of(connection, "openai", "ft:b") is None


def test_the_history_of_a_model_is_kept_in_order(recorded: Database) -> None:
    with recorded.read() as connection:
        assert [each.stage for each in store.history_of(connection, "local", "ft:a")] == ["candidate", "production"]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, ["ft:a candidate", "ft:b retired", "ft:a production"]),
        ({"stage": "production"}, ["ft:a production"]),
        ({"stage": "candidate"}, ["ft:a candidate"]),
        ({"name": "drone"}, ["ft:b retired", "ft:a production"]),
        ({"endpoint": "openai"}, ["ft:a candidate"]),
        ({"models": ["ft:b", "ft:c"]}, ["ft:b retired"]),
        ({"models": []}, []),
    ],
)
def test_models_are_listed_by_their_present_stage_the_newest_first(
    recorded: Database, narrowed: dict[str, Any], expected: list[str]
) -> None:
    with recorded.read() as connection:
        found = store.standing(connection, **narrowed)
    assert [f"{each.model} {each.stage}" for each in found] == expected
