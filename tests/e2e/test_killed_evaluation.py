"""A killed evaluation goes on, and each question has one answer: counted at the server."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.project import FTORCH, Project, make_project

CASES = 90
COMMAND = ("evaluate", "jobs/greet.toml", "--yes", "--json")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project whose endpoint is a server of its own, which outlives the command."""
    project = make_project(tmp_path)
    command = [FTORCH, "serve", "--port", "0", "--store", "served"]
    with subprocess.Popen(
        command, cwd=project.root, env=dict(project.environment), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split(" on ")[1].strip()
        (project.root / "ftorch.toml").write_text(
            f'[endpoints.served]\ntype = "compatible"\nbase_url = "{address}"\nallow_http = true\n'
        )
        yield project
        server.send_signal(signal.SIGINT)


def test_an_interrupted_and_then_killed_evaluation_asks_each_question_once(project: Project) -> None:
    write_cases(project)
    table = '[evaluation]\nfile = "cases.jsonl"\nmodels = ["base"]\nmax_concurrency = 4\n'
    project.write_job(table, endpoint='endpoint = "served"')
    code, said = begun_and_sent(project, signal.SIGINT, answers=3)
    assert (code, "run the same command to continue" in said) == (130, True)
    assert sorted(recorded_ids(project)) == sorted(served_ids(project))
    code, _ = begun_and_sent(project, signal.SIGKILL, answers=len(served_ids(project)) + 3)
    assert code == -signal.SIGKILL
    assert len(served_ids(project)) < CASES
    done = project.process(*COMMAND)
    assert done.code == 0, done.err
    assert json.loads(done.out)["models"][0]["answers"] == CASES
    assert len(served_ids(project)) == CASES
    assert sorted(recorded_ids(project)) == sorted(served_ids(project))


def test_a_process_that_dies_right_behind_the_submission_leaves_its_evaluation_wanted(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    write_cases(project, 1)
    project.write_job('[evaluation]\nfile = "cases.jsonl"\nauto = true\n')
    died = project.process("submit", "jobs/greet.toml", FTORCH_CRASH_AT="after-commit-submission")
    assert died.code < 0
    resumed = project.process("resume")
    assert resumed.code == 0, resumed.err
    assert "Rehearsal" in resumed.err


def begun_and_sent(project: Project, number: signal.Signals, *, answers: int) -> tuple[int, str]:
    """Begin the evaluation and send it a signal when there are so many answers; its exit code and stderr."""
    with subprocess.Popen(
        [FTORCH, *COMMAND],
        cwd=project.root,
        env=dict(project.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while len(served_ids(project)) < answers:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
        return process.returncode, said


def write_cases(project: Project, count: int = CASES) -> None:
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    with (project.root / "jobs" / "cases.jsonl").open("w") as stream:
        for number in range(count):
            row["messages"][0]["content"] = f"Switch on the light in room {number}"
            stream.write(json.dumps(row) + "\n")


def served_ids(project: Project) -> list[str]:
    """Of all answers that the server has ever given to a question with a key."""
    return [json.loads(row[0])["id"] for row in rows(project, "served/endpoint.db", "SELECT answer FROM answers")]


def recorded_ids(project: Project) -> list[str]:
    found = rows(project, ".ftorch/ftorch.db", "SELECT completion FROM answers")
    return [json.loads(row[0])["id"] for row in found]


def rows(project: Project, database: str, query: str) -> list[tuple[str, ...]]:
    path = project.root / database
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return connection.execute(query).fetchall()
