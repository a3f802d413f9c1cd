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
    assert f"{CASES} of {CASES} questions are already in a paid batch" in refused.stderr
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
        deadline = time.monotonic() + 120
        while completed(project) <= before:
            assert process.poll() is None, process.stderr
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
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
