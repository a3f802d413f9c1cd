"""`ftorch evaluate --batch`, left with Ctrl-C, killed, and taken up again."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import FTORCH, Project, make_project

from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import EvaluationOptions, plan_evaluation
from orchestrator.ledger import open_ledger

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


def test_a_batch_that_is_left_and_killed_asks_each_question_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = sent(project, signal.SIGINT)
    assert code == 130
    assert "detached; nothing is lost" in said
    monkeypatch.chdir(project.root)
    refused = ftorch("evaluate", "jobs/greet.toml")
    assert refused.exit_code == 2
    assert f"{CASES} of {CASES} questions wait for their answers in a batch" in refused.stderr
    [line] = [line for line in ftorch("status").stdout.splitlines() if line.startswith("batch ")]
    assert f" of {CASES} answered; ftorch resume follows it" in line
    assert f"{CASES} under way in " in ftorch("evaluate", "jobs/greet.toml", "--batch", "--dry-run").stderr
    code, _ = sent(project, signal.SIGKILL)
    assert code == -signal.SIGKILL
    resumed = ftorch("resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "following 1 batch on local" in resumed.stderr
    assert f"done: {CASES} of {CASES} answered" in resumed.stderr
    done = ftorch(*COMMAND)
    assert json.loads(done.stdout)["models"][0]["answers"] == CASES
    assert rows(project, "local/endpoint.db", "SELECT total, completed FROM batches") == [(CASES, CASES)]
    assert rows(project, "ftorch.db", "SELECT count(*) FROM answers") == [(CASES,)]
    assert "Nothing to resume" in ftorch("resume").stderr


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
    assert "What has no answer is asked by the next ftorch evaluate." in resumed.stderr
    assert "The answers are recorded" not in resumed.stderr


def test_wishes_that_exclude_each_other_are_a_usage_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    done = ftorch("evaluate", "jobs/greet.toml", "--batch", "--twice")
    assert done.exit_code == 2
    assert "--batch and --twice exclude each other" in done.stderr


def test_a_batch_is_priced_by_its_own_prices(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    at_once = ftorch("evaluate", "jobs/greet.toml", "--endpoint", "openai", "--dry-run").stderr
    later = ftorch("evaluate", "jobs/greet.toml", "--endpoint", "openai", "--dry-run", "--batch").stderr
    assert "by the prices of the Batch API" in later
    assert 2 * dollars(later) == pytest.approx(dollars(at_once), abs=0.011)
    assert dollars(later) > 0


def dollars(plan: str) -> float:
    return float(plan.split("about $")[1].split(":")[0])


def sent(project: Project, number: signal.Signals) -> tuple[int, str]:
    """Begin to evaluate, and send a signal when the endpoint is at work on the batch; the exit code and stderr."""
    with subprocess.Popen(
        [FTORCH, *COMMAND],
        cwd=project.root,
        env=dict(project.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        before = completed(project)
        deadline = time.monotonic() + 30
        while completed(project) <= before:
            assert process.poll() is None, process.stderr
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        return process.returncode, said


def completed(project: Project) -> int:
    """Lines that the endpoint has answered; -1 before there is a batch."""
    found = rows(project, "local/endpoint.db", "SELECT completed FROM batches")
    return int(str(found[0][0])) if found else -1


def rows(project: Project, database: str, query: str) -> list[tuple[object, ...]]:
    path = project.root / ".ftorch" / database
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # the tables are just being made
            return []
