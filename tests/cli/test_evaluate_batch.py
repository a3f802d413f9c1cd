"""`ftorch evaluate --batch`, left with Ctrl-C, killed, and taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import Project, make_project

from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.ledger import open_ledger
from orchestrator.store.schema import batches

CASES = 60
COMMAND = ("evaluate", "jobs/greet.toml", "--batch", "--json")
TABLE = '[evaluation]\nfile = "cases.jsonl"\nmodels = ["base"]\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = make_project(tmp_path)
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    with (project.root / "jobs" / "cases.jsonl").open("w") as stream:
        for number in range(CASES):
            row["messages"][0]["content"] = f"Switch on the light in room {number}"
            stream.write(json.dumps(row) + "\n")
    project.write_job(TABLE)
    monkeypatch.setenv("HOME", str(project.root / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    return project


def test_a_batch_is_cancelled_by_its_id(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    with open_ledger(project.root, create=True) as ledger:
        plan = plan_evaluation(ledger, ["jobs/greet.toml"], EvaluationOptions(in_batches=True))
        [batch_id] = record_batches(ledger, plan)
    cancelled = ftorch("cancel", batch_id)
    assert cancelled.exit_code == 0, cancelled.stderr
    assert f"batch {batch_id} is cancelled: cancelled before it was sent" in cancelled.stderr
    assert "Nothing to resume" in ftorch("resume").stderr
    plan_now = ftorch("evaluate", "jobs/greet.toml", "--batch", "--dry-run").stderr
    assert f"{CASES} to be asked in a batch" in plan_now
    assert ftorch("cancel", "no-such-id").exit_code == 2


def test_resume_does_not_say_that_a_batch_without_answers_has_some(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with open_ledger(project.root, create=True) as ledger:
        plan = plan_evaluation(ledger, ["jobs/greet.toml"], EvaluationOptions(in_batches=True))
        [batch_id] = record_batches(ledger, plan)
        (ledger.workspace.home / FOLDER / f"{batch_id}.jsonl").unlink()
    resumed = ftorch("resume")
    assert resumed.exit_code == 1
    assert "failed: There is no data file" in resumed.stderr
    assert "The next ftorch evaluate asks the questions that have no answer." in resumed.stderr
    assert "The answers are recorded" not in resumed.stderr


def test_an_unknown_batch_waits_for_the_user_and_is_shown_with_the_way_out(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with open_ledger(project.root, create=True) as ledger:
        plan = plan_evaluation(ledger, ["jobs/greet.toml"], EvaluationOptions(in_batches=True))
        [batch_id] = record_batches(ledger, plan)
        lost = f"local no longer shows it; ftorch cancel {batch_id} gives it up"
        with ledger.database.write() as connection:
            values = {"state": "unknown", "remote_id": "batch_gone", "reason": lost}
            connection.execute(batches.update().values(**values))
    assert lost in ftorch("status").stdout
    for command in (("resume",), ("evaluate", "jobs/greet.toml", "--batch")):
        waiting = ftorch(*command)
        assert waiting.exit_code == 4
        assert f"The outcome of batch {batch_id} is unknown: {lost}" in waiting.stderr
    assert ftorch("cancel", batch_id).exit_code == 0
    plan_now = ftorch("evaluate", "jobs/greet.toml", "--batch", "--dry-run").stderr
    assert f"{CASES} to be asked in a batch" in plan_now


def test_wishes_that_exclude_each_other_are_a_usage_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    done = ftorch("evaluate", "jobs/greet.toml", "--batch", "--twice")
    assert done.exit_code == 2
    assert "--batch and --twice can't be combined" in done.stderr


def test_a_batch_is_priced_by_its_own_prices(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    at_once = ftorch("evaluate", "jobs/greet.toml", "--endpoint", "openai", "--dry-run").stderr
    later = ftorch("evaluate", "jobs/greet.toml", "--endpoint", "openai", "--dry-run", "--batch").stderr
    assert "by the prices of the Batch API" in later
    assert 2 * dollars(later) == pytest.approx(dollars(at_once), abs=0.011)
    assert dollars(later) > 0


def dollars(plan: str) -> float:
    return float(plan.split("about $")[1].split(":")[0])
