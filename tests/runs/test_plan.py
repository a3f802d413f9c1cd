"""What submitting checks first, what stops it, and what is recorded of the check."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import find_workspace
from orchestrator.errors import InvalidData
from orchestrator.jobfile import load_job_file
from orchestrator.ledger import Ledger
from orchestrator.runs.plan import CheckedFile, Plan, plan_job
from orchestrator.runs.submission import record_run
from orchestrator.store.database import Database

JOB = """
name = "drone"
model = "gpt-4.1-mini-2025-04-14"
[data]
training_file = "train.jsonl"
validation_file = "valid.jsonl"
"""
PLACES = [f"{colour} {thing}" for colour in ("red", "blue", "old") for thing in ("barn", "bridge", "tower", "mill")]
FLY = {"type": "function", "function": {"name": "fly", "description": "Fly to a place.", "parameters": {}}}
BARE = {"type": "function", "function": {"name": "fly", "parameters": {}}}
Make = Callable[..., Plan]


def row(place: str, tool: dict[str, Any]) -> str:
    call = {"id": "call_1", "type": "function", "function": {"name": "fly", "arguments": "{}"}}
    messages = [{"role": "user", "content": f"Go to the {place}"}, {"role": "assistant", "tool_calls": [call]}]
    return json.dumps({"messages": messages, "tools": [tool]}) + "\n"


@pytest.fixture
def plan(home: Path) -> Make:
    """Plans a job with twelve training examples, and one validation example unless others are given."""

    def plan(training: list[str] | None = None, validation: list[str] | None = None) -> Plan:
        rows = training or [row(place, FLY) for place in PLACES]
        (home / "train.jsonl").write_text("".join(rows))
        (home / "valid.jsonl").write_text("".join(validation or [row("new dam", FLY)]))
        (home / "drone.toml").write_text(JOB)
        return plan_job(load_job_file(Path("drone.toml")), find_workspace(home))

    return plan


def submit(plan: Plan, database: Database, now: float = 1000.0) -> str:
    return record_run(plan, database, now=now, rng=random.Random(5)).run.id


# --- what stops a submission ---------------------------------------------------------------------------------


def test_errors_stop_it_with_place_code_fix_and_the_command_that_shows_all(plan: Make) -> None:
    bad = row("shed", FLY).replace('"user"', '"pilot"')
    with pytest.raises(InvalidData) as caught:
        plan([row(place, FLY) for place in PLACES] + [bad] * 8)
    first, *_, more, last = str(caught.value).splitlines()
    assert first.startswith("train.jsonl:13: FT204")
    assert '"pilot"' in first
    assert more == "train.jsonl: 3 more"
    assert "Nothing was uploaded" in last
    assert "ftorch data check drone.toml" in last


def test_validation_data_with_other_definitions_is_refused(plan: Make) -> None:
    with pytest.raises(InvalidData, match=r"valid\.jsonl: FT801: .*variant"):
        plan(validation=[row("new dam", BARE)])


def test_what_the_endpoint_does_not_train_is_refused_before_the_upload(home: Path) -> None:
    (home / "maths.jsonl").write_text(
        "".join(
            json.dumps({"messages": [{"role": "user", "content": f"{n} + 1?"}], "answer": n + 1}) + "\n"
            for n in range(10)
        )
    )
    (home / "maths.toml").write_text(
        JOB.replace("train.jsonl", "maths.jsonl").replace("valid.jsonl", "maths.jsonl")
        + '[method]\ntype = "reinforcement"\n[method.grader]\ntype = "string_check"\n'
    )
    with pytest.raises(InvalidData, match="FT701: local endpoints do not train with the method reinforcement"):
        plan_job(load_job_file(Path("maths.toml")), find_workspace(home))


# --- what is recorded ----------------------------------------------------------------------------------------


def test_the_check_of_each_file_is_recorded_and_belongs_to_the_run(
    plan: Make, database: Database, home: Path
) -> None:
    planned = plan(validation=[row("new dam", FLY), row("far shore", FLY), row(PLACES[0], FLY)])
    assert isinstance(planned.training, CheckedFile)
    details = Ledger(find_workspace(home), database).details(submit(planned, database))
    training, validation = details.data_checks["training"], details.data_checks["validation"]
    assert (training.sha256, training.examples) == (planned.training.file.sha256, 12)
    assert training.tokens == planned.training.report.tokens
    assert (training.variant, training.method, training.checked_at) == ("full", "supervised", 1000.0)
    assert training.findings == planned.training.report.counts
    assert training.findings["FT601"] == 1
    assert validation.findings["FT606"] == 1, "a case of the training file"


def test_submitting_again_records_the_newer_check(plan: Make, database: Database, home: Path) -> None:
    first = submit(plan(), database, now=1000.0)
    again = submit(plan(), database, now=2000.0)
    assert first == again
    details = Ledger(find_workspace(home), database).details(first)
    assert details.data_checks["training"].checked_at == 2000.0


def test_another_validation_file_leaves_the_check_of_the_earlier_one_as_it_was(
    plan: Make, database: Database, home: Path
) -> None:
    run = submit(plan(), database)
    submit(plan(validation=[row("far shore", FLY), row("new dam", FLY), row(PLACES[0], FLY)]), database)
    details = Ledger(find_workspace(home), database).details(run)
    assert "FT606" not in details.data_checks["validation"].findings
