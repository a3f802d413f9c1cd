"""A migration killed again and again: one job for each successor and one answer to each question, at the host."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.project import FTORCH, Project, make_project

CASES = 60
COMMAND = (
    "migrate",
    "jobs/greet.toml",
    "--to",
    "served:one",
    "--to",
    "local:two",
    "--margin",
    "60",
    "--yes",
    "--json",
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with a baseline, and a host of its own that outlives the command."""
    project = make_project(tmp_path)
    write_cases(project)
    project.write_job('[evaluation]\nfile = "cases.jsonl"\nmax_concurrency = 2\n')
    assert project.ftorch("submit", "jobs/greet.toml").code == 0
    assert project.ftorch("evaluate", "jobs/greet.toml", "--models", "tuned").code == 0
    command = [FTORCH, "serve", "--port", "0", "--store", "served"]
    with subprocess.Popen(
        command, cwd=project.root, env=dict(project.environment), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split(" on ")[1].strip()
        table = f'type = "compatible"\nbase_url = "{address}"\nallow_http = true\npoll_seconds = 0.1\n'
        (project.root / "ftorch.toml").write_text(f"[endpoints.served]\n{table}settling_seconds = 0.5\n")
        yield project
        server.send_signal(signal.SIGINT)


def write_cases(project: Project) -> None:
    row = json.loads((project.root / "jobs" / "train.jsonl").read_text().splitlines()[0])
    with (project.root / "jobs" / "cases.jsonl").open("w") as stream:
        for number in range(CASES):
            row["messages"][0]["content"] = f"Switch on the light in room {number}"
            row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": f"room {number}"})
            stream.write(json.dumps({"id": f"room-{number}", **row}) + "\n")


def test_a_killed_migration_goes_on_with_the_same_command(project: Project) -> None:
    for place in ("after-commit-submission", "after-create", "before-commit-queued"):
        assert project.process(*COMMAND, FTORCH_CRASH_AT=place).code < 0, place
    assert killed_while_asking(project) == -signal.SIGKILL
    done = project.process(*COMMAND)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [each["verdict"] for each in found["successors"]] == ["non-inferior"] * 2
    assert len(served(project, "SELECT id FROM jobs")) == 1
    assert len(project.status()) == 3
    answers = recorded(project, "SELECT model, count(*) FROM answers GROUP BY model")
    assert sorted(number for _, number in answers) == [CASES] * 3
    again = json.loads(project.process(*COMMAND).out)
    assert [each["evaluation"] for each in again["successors"]] == [
        each["evaluation"] for each in found["successors"]
    ]


def killed_while_asking(project: Project) -> int:
    """Kill the command when the first answers of a successor are recorded; its exit code."""
    begun = "SELECT count(*) FROM answers WHERE endpoint = 'served'"
    with subprocess.Popen(
        [FTORCH, *COMMAND],
        cwd=project.root,
        env=dict(project.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not recorded(project, begun)[0][0]:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        return process.wait()


def recorded(project: Project, query: str) -> list[tuple[Any, ...]]:
    return rows(project.root / ".ftorch" / "ftorch.db", query)


def served(project: Project, query: str) -> list[tuple[Any, ...]]:
    [path] = (project.root / "served").glob("*.db")
    return rows(path, query)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        return connection.execute(query).fetchall()
