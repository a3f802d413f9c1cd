"""One model in production for a name, whoever promotes, and however many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from orchestrator.api.promotion import in_stage, promote
from orchestrator.bookkeeping.stages import Promoted
from orchestrator.errors import (
    ModelDeleted,
    ModelNotRecorded,
    ModelUnnamed,
    NoModelYet,
    NoneInStage,
    RegisteredNameUnusable,
    SeveralEndpointsOfModel,
    SeveralInStage,
    SeveralModels,
    UnknownEndpoint,
)
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import promotions, runs
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.promotions import Promotion
from orchestrator.store.runs import Run

MakeRun = Callable[..., Run]


@pytest.fixture
def ledger(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    monkeypatch.setenv("FTORCH_DATABASE_URL", database_url)
    monkeypatch.setenv("FTORCH_USER", "ann")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def record(ledger: Ledger, make_run: MakeRun) -> MakeRun:
    """Records a run that has succeeded with this model."""

    def record(model: str | None, **changes: object) -> Run:
        run = make_run(fine_tuned_model=model, state="succeeded", job_file="", **changes)
        with ledger.database.write() as connection:
            runs.add(connection, run, run.reason)
        return run

    return record


def standing(ledger: Ledger) -> list[str]:
    with ledger.database.read() as connection:
        return [f"{each.name}: {each.model} {each.stage}" for each in promotions.standing(connection)]


def test_the_former_production_model_of_the_name_is_retired(ledger: Ledger, record: MakeRun) -> None:
    record("ft:a")
    record("ft:b")
    record("ft:c", name="stock")
    promote(ledger, "stock", "production")
    promote(ledger, "ft:a", "production", reason="first")
    done = promote(ledger, "drone", "production")
    assert done.replaced is not None
    assert (done.promotion.model, done.replaced.model, done.promotion.user) == ("ft:b", "ft:a", "ann")
    assert done.way_back == "ftorch models promote ft:a production"
    assert standing(ledger) == ["drone: ft:b production", "drone: ft:a retired", "stock: ft:c production"]
    promote(ledger, "ft:a", "production")
    assert in_stage(ledger, "production", name="drone").model == "ft:a"


def test_promoting_to_the_present_stage_records_nothing(ledger: Ledger, record: MakeRun) -> None:
    record("ft:a")
    promote(ledger, "ft:a", "production", reason="first")
    done = promote(ledger, "ft:a", "production", reason="second")
    assert (done.is_new, done.promotion.reason) == (False, "first")
    with ledger.database.read() as connection:
        assert len(promotions.history_of(connection, "local", "ft:a")) == 1


def test_a_name_that_loses_its_production_model_is_reported(ledger: Ledger, record: MakeRun) -> None:
    record("ft:a")
    promote(ledger, "ft:a", "production")
    moved = promote(ledger, "ft:a", "production", name="other")
    assert (moved.left, moved.replaced) == ("drone", None)
    assert promote(ledger, "ft:a", "retired", name="other").left == "other"
    assert promote(ledger, "ft:a", "candidate").left is None


def test_of_many_who_promote_at_once_one_model_stays_in_production(
    ledger: Ledger, record: MakeRun, database_url: str
) -> None:
    models = [f"ft:{number}" for number in range(8)]
    for model in models:
        record(model)
    start = Barrier(len(models))

    def promote_it(model: str) -> Promoted:
        database: Database = open_database(database_url)
        try:
            start.wait()
            return promote(Ledger(ledger.workspace, database), model, "production")
        finally:
            database.close()

    with ThreadPoolExecutor(len(models)) as pool:
        done = list(pool.map(promote_it, models))
    assert sum(each.replaced is None for each in done) == 1
    stages = [each.split()[-1] for each in standing(ledger)]
    assert sorted(stages) == ["production", *["retired"] * 7]


def test_a_stage_finds_its_model_and_asks_for_the_name_among_several(ledger: Ledger, record: MakeRun) -> None:
    with pytest.raises(NoneInStage, match="No model is in production"):
        in_stage(ledger, "production")
    record("ft:a")
    record("ft:b", name="stock", endpoint="openai")
    record("ft:c")
    promote(ledger, "ft:a", "production")
    assert in_stage(ledger, "production").model == "ft:a"
    promote(ledger, "stock", "production")
    with pytest.raises(SeveralInStage, match="in production: drone, stock"):
        in_stage(ledger, "production")
    assert in_stage(ledger, "production", endpoint="openai").model == "ft:b"
    with pytest.raises(NoneInStage, match="No model of drone on openai is in production"):
        in_stage(ledger, "production", name="drone", endpoint="openai")
    promote(ledger, "ft:a", "candidate")
    promote(ledger, "ft:c", "candidate")
    assert in_stage(ledger, "candidate", name="drone").model == "ft:c", "the one promoted last"


def test_a_model_that_no_run_made_needs_a_name_and_its_endpoint(ledger: Ledger) -> None:
    with pytest.raises(ModelNotRecorded, match='"gpt-4'):
        promote(ledger, "gpt-4.1-mini", "production")
    with pytest.raises(ModelUnnamed, match="--name NAME --endpoint NAME"):
        promote(ledger, "ft:gpt:a::b", "production", name="bot")
    with pytest.raises(UnknownEndpoint):
        promote(ledger, "ft:gpt:a::b", "production", name="bot", endpoint="nowhere")
    with pytest.raises(RegisteredNameUnusable):
        promote(ledger, "ft:gpt:a::b", "production", name="a bot", endpoint="openai")
    promote(ledger, "ft:gpt:a::b", "production", name="bot", endpoint="openai")
    done = promote(ledger, "gpt-4.1-mini", "production", name="bot", endpoint="openai")
    assert done.way_back == "ftorch models promote ft:gpt:a::b production --name bot --endpoint openai"


def test_only_one_model_with_a_known_past_is_promoted(ledger: Ledger, record: MakeRun) -> None:
    with ledger.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO sweeps (id, name, endpoint, job_file, spec, trials, created_at) "
            "VALUES ('sweep001', 'grid', 'local', '', '{}', 2, 1.0)"
        )
    record("ft:a", name="grid", sweep_id="sweep001")
    record("ft:b", name="grid", sweep_id="sweep001")
    with pytest.raises(SeveralModels, match="sweep best grid"):
        promote(ledger, "grid", "production")
    unfinished = record(None, name="later")
    with pytest.raises(NoModelYet):
        promote(ledger, unfinished.id, "production")
    record("ft:c", endpoint="openai")
    record("ft:c", endpoint="mirror")
    with pytest.raises(SeveralEndpointsOfModel, match="mirror, openai"):
        promote(ledger, "ft:c", "production")
    assert promote(ledger, "ft:c", "production", endpoint="mirror").promotion.endpoint == "mirror"
    record("ft:d", deleted_at=5000.0)
    with pytest.raises(ModelDeleted):
        promote(ledger, "ft:d", "production")
    assert promote(ledger, "ft:d", "retired").promotion.stage == "retired"


def test_a_promotion_keeps_who_when_and_why(ledger: Ledger, record: MakeRun) -> None:
    record("ft:a")
    found: Promotion = promote(ledger, "ft:a", "candidate", reason="looks good").promotion
    assert (found.user, found.reason, found.evaluation_id) == ("ann", "looks good", None)
    assert found.at > 1_700_000_000
