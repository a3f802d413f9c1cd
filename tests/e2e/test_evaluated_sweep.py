"""A sweep that ranks by evaluation: killed between the last success and the asking, and resumed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.command import ftorch
from support.project import Project, make_project

SWEEP = """
[sweep]
metric = "evaluation"
[sweep.space]
n_epochs = [1, 2]
[evaluation]
file = "cases.jsonl"
metric = "accuracy"
gate = { metric = "accuracy", min = 0.2 }
"""
ROOMS = ("garden", "garage", "kitchen", "stairs")
TRIALS = 2


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A sweep of two trials, in the current folder."""
    monkeypatch.setenv("COLUMNS", "160")
    found = make_project(home)
    rows = [json.loads(line) for line in (found.root / "jobs" / "train.jsonl").read_text().splitlines()]
    with (found.root / "jobs" / "cases.jsonl").open("w") as stream:
        for room, row in zip(ROOMS, rows, strict=False):
            row["messages"][0]["content"] = f"Switch on the light in the {room}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
            stream.write(json.dumps(row) + "\n")
    found.write_job(SWEEP, n_epochs="batch_size = 1")
    return found


def counted(project: Project, query: str) -> Any:
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db")) as connection:
        return connection.execute(query).fetchone()[0]


def test_what_a_kill_left_unasked_is_asked_by_resume_and_ranks_the_trials(project: Project) -> None:
    killed = project.process("submit", "jobs/greet.toml", FTORCH_CRASH_AT=f"after-commit-succeeded:{TRIALS}")
    assert killed.code == -9
    assert counted(project, "SELECT count(*) FROM runs WHERE state = 'succeeded'") == TRIALS
    assert counted(project, "SELECT count(*) FROM answers") == 0
    unknown = ftorch("sweep", "best", "greet")
    assert unknown.exit_code == 1
    assert "ftorch resume greet" in unknown.stderr

    resumed = ftorch("resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "evaluating sweep greet" in resumed.stderr
    assert "Gate met." in resumed.stderr
    assert counted(project, "SELECT count(*) FROM answers") == (1 + TRIALS) * len(ROOMS), "the base is asked once"
    best = ftorch("sweep", "best", "greet")
    assert best.stdout == resumed.stdout
    assert best.stdout.startswith("ft:gpt-4.1-mini-2025-04-14:local:")

    found = json.loads(ftorch("sweep", "show", "greet", "--json").stdout)
    assert (found["metric"], found["best"]["model"]) == ("accuracy", best.stdout.strip())
    first, second = (point["p_to_first"] for point in found["ranking"])
    assert first is None
    assert 0 <= second <= 1
    assert "P VS" in ftorch("sweep", "show", "greet").stdout
    assert "Nothing to resume" in ftorch("resume").stderr


def test_the_plan_tells_what_will_be_asked_before_anything_is_paid(project: Project) -> None:
    plan = ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert plan.exit_code == 0, plan.stderr
    assert "accuracy on cases.jsonl, higher is better" in plan.stderr
    assert "4 cases × 3 models = 12 questions; no charge" in plan.stderr
    (project.root / "jobs" / "cases.jsonl").write_text((project.root / "jobs" / "train.jsonl").read_text())
    refused = ftorch("submit", "jobs/greet.toml")
    assert refused.exit_code == 1
    assert "FT802: 12 of 12 example(s) also appear in" in refused.stderr
    assert not (project.root / ".ftorch").exists(), "nothing was recorded"
