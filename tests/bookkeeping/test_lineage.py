"""From the data to what was made of a model, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.evaluation import recorded

from orchestrator.api.promotion import promote
from orchestrator.bookkeeping.lineage import MOST, Lineage, lineage_of
from orchestrator.errors import ModelNotRecorded, SeveralEndpointsOfModel
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.lineage import lineage_facts, lineage_object, print_lineage
from orchestrator.store import deployments, evaluations, records, runs
from orchestrator.store.deployments import Deployment
from orchestrator.store.evaluations import DONE, Evaluation
from orchestrator.store.records import Checkpoint
from orchestrator.store.runs import Run

Record = Callable[..., Run]
FIRST = "ft:gpt-4.1-mini-2025-04-14:an-organisation:a-long-suffix:AbCdEfGh"


@pytest.fixture
def ledger(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    monkeypatch.setenv("FTORCH_DATABASE_URL", database_url)
    monkeypatch.setenv("FTORCH_USER", "ann")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def record(ledger: Ledger, make_run: Callable[..., Run]) -> Record:
    """Records a run that has succeeded, newer than the one before, on data of its own unless told otherwise."""
    numbers = count(1)

    def record(made: str | None, saved: dict[int, str] | None = None, **changes: Any) -> Run:
        data = f"{next(numbers):064}"
        run = make_run(**{"fine_tuned_model": made, "state": "succeeded", "training_sha256": data, **changes})
        found = [Checkpoint(run.id, each, step, each, {}, 1.0) for step, each in (saved or {}).items()]
        with ledger.database.write() as connection:
            runs.add(connection, run, run.reason)
            records.add_checkpoints(connection, found)
        return run

    return record


@pytest.fixture
def family(ledger: Ledger, record: Record) -> dict[str, Run]:
    """A model, one trained from its checkpoint, and one from that; evaluated, deployed and promoted."""
    first = record(FIRST, {10: f"{FIRST}:step-10", 20: f"{FIRST}:step-20"}, training_sha256="d" * 64)
    second = record("ft:b", model=f"{FIRST}:step-10", name="careful")
    third = record("ft:c", model="ft:b", name="brave")
    record("ft:x", training_sha256="d" * 64, name="twin")
    made = Deployment(
        "depl0001", "local", "flight", "ft:b", second.id, "Standard", 10, False, "deployed", "", 1, 1.0, 1.0
    )
    judged = Evaluation(
        *("eval0001", "careful", None, second.id, "local", "local", "/cases.jsonl", "c" * 64),
        settings={"models": [{"model": "ft:b", "label": "tuned"}], "variants": ["full"], "samples": 1},
        state=DONE,
        scored_with=1,
        created_at=1.0,
    )
    with ledger.database.write() as connection:
        deployments.add(connection, made, "")
        evaluations.add(connection, judged)
        scores = [recorded("eval0001", "ft:b", case, "typed" if case < 4 else None) for case in range(1, 5)]
        evaluations.add_scores(connection, scores)
    promote(ledger, "ft:b", "candidate", reason="calm")
    return {"first": first, "second": second, "third": third}


def drawn(lineage: Lineage, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as shown:
        print_lineage(lineage, console)
    return shown.get()


def test_a_model_stands_between_what_it_comes_from_and_what_was_made_of_it(ledger: Ledger, family) -> None:
    found = lineage_of(ledger, "ft:b")
    assert found.base == "gpt-4.1-mini-2025-04-14"
    assert [(each.run.id, each.step) for each in found.ancestors] == [(family["first"].id, 10)]
    assert found.run is not None
    [model] = found.run.models
    assert model.stage is not None
    assert (model.stage.stage, [each.name for each in model.deployments]) == ("candidate", ["flight"])
    assert model.evaluations is not None
    assert [(each.evaluation.id, each.metric, each.value) for each in model.evaluations] == [
        ("eval0001", "call_accuracy", 0.75)
    ]
    assert [node.run.id for node in model.runs] == [family["third"].id]


def test_the_tree_is_read_from_the_base_down_and_cuts_no_id(ledger: Ledger, family) -> None:
    text = drawn(lineage_of(ledger, "careful"))
    first, second, third = (run.id for run in family.values())
    assert [line for line in text.splitlines() if "since" not in line] == [
        "gpt-4.1-mini-2025-04-14",
        f"└─ run {first}  drone on local  succeeded",
        "   data: jobs/drone/train.jsonl, SHA-256 dddddddddddd",
        "   checkpoint 10",
        f"   {FIRST}:step-10",
        f"   └─ run {second}  careful on local  succeeded",
        "      data: jobs/drone/train.jsonl, SHA-256 000000000000",
        "      ft:b",
        "      deployment flight: deployed",
        "      evaluation eval0001: call accuracy 75 % on cases.jsonl, a rehearsal",
        f"      └─ run {third}  brave on local  succeeded",
        "         data: jobs/drone/train.jsonl, SHA-256 000000000000",
        "         ft:c",
    ]
    assert f"{FIRST}:step-10" in drawn(lineage_of(ledger, "careful"), width=30)


def test_checkpoints_that_nothing_was_made_of_are_only_counted(ledger: Ledger, family) -> None:
    found = lineage_of(ledger, family["first"].id)
    assert found.run is not None
    assert [each.step for each in found.run.models] == [None, 10]
    assert "1 other checkpoint\n" in drawn(found)
    asked = lineage_of(ledger, f"{FIRST}:step-20")
    assert asked.run is not None
    assert [each.step for each in asked.run.models] == [None, 10, 20]


def test_show_has_a_line_for_each_relation(ledger: Ledger, family) -> None:
    first = dict(lineage_facts(lineage_of(ledger, family["first"].id)))
    assert first["continued by"] == f"run {family['second'].id} (careful, succeeded)"
    assert first["same data"].endswith("(twin, succeeded)")
    second = dict(lineage_facts(lineage_of(ledger, "careful")))
    assert second["trained from"] == f"run {family['first'].id} (drone, succeeded), checkpoint 10"
    assert second["stage"].startswith("candidate as careful since ")
    assert second["stage"].endswith(", by ann: calm")
    assert second["evaluation"] == "eval0001: call accuracy 75 % on cases.jsonl, a rehearsal"
    assert [name for name, _ in lineage_facts(lineage_of(ledger, "twin"))] == ["same data"]


def test_programs_get_the_same(ledger: Ledger, family) -> None:
    found = lineage_object(lineage_of(ledger, "ft:b"))
    assert found["ancestors"][0]["through"] == {"model": f"{FIRST}:step-10", "step": 10}
    [model] = found["run"]["models"]
    assert (model["stage"]["stage"], model["evaluations"][0]["value"]) == ("candidate", 0.75)
    assert model["runs"][0]["models"][0]["evaluations"] is None, "not looked up there"


def test_a_parent_that_is_deleted_or_not_recorded_is_said_to_be(ledger: Ledger, record: Record) -> None:
    record("ft:a", deleted_at=5000.0)
    record("ft:b", model="ft:a", name="careful")
    record("ft:c", model="ft:gpt-4:elsewhere::xyz", name="foreign")
    assert "drone on local  deleted" in drawn(lineage_of(ledger, "careful"))
    assert "ft:gpt-4:elsewhere::xyz  (tuned elsewhere: no run of it is recorded)" in drawn(
        lineage_of(ledger, "foreign")
    )
    children = lineage_of(ledger, "ft:gpt-4:elsewhere::xyz")
    assert children.model is not None
    assert [node.run.name for node in children.model.runs] == ["foreign"]
    with pytest.raises(ModelNotRecorded):
        lineage_of(ledger, "ft:nobody")


def test_a_model_that_was_trained_in_place_is_no_circle(ledger: Ledger, record: Record) -> None:
    first, second = record("mine", model="mine", name="one"), record("mine", model="mine", name="two")
    found = lineage_of(ledger, "one")
    assert found.base_note == "recorded only as the model of runs that are newer, or of another account"
    assert found.run is not None
    assert [node.run.id for node in found.run.models[0].runs] == [second.id]
    assert [each.run.id for each in lineage_of(ledger, "two").ancestors] == [first.id]


def test_no_more_runs_are_named_than_a_screen_can_hold(ledger: Ledger, record: Record) -> None:
    record("ft:a")
    for number in range(MOST + 1):
        record(f"ft:child-{number}", model="ft:a", name="child", training_sha256="e" * 64)
    found = lineage_of(ledger, "drone")
    assert found.run is not None
    assert (len(found.run.models[0].runs), found.run.more_runs) == (MOST, True)
    assert f"more than the newest {MOST} runs were trained from it" in drawn(found)
    assert dict(lineage_facts(found))["continued by"].endswith(" and more than 45 more")
    assert dict(lineage_facts(lineage_of(ledger, "ft:child-0")))["same data"].endswith(" and 45 more")


def test_a_model_id_on_two_endpoints_needs_the_endpoint(ledger: Ledger, record: Record) -> None:
    record("ft:a", endpoint="openai")
    record("ft:a", endpoint="mirror")
    with pytest.raises(SeveralEndpointsOfModel):
        lineage_of(ledger, "ft:a")
    found = lineage_of(ledger, "ft:a", "mirror")
    assert found.run is not None
    assert found.run.run.endpoint == "mirror"
