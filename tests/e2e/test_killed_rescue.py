"""A rescue that is killed five times keeps everything that exists once, and lists exactly what does not."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from support.filledendpoint import Filled, filled_store
from support.project import FTORCH, Project, make_project

COMMAND = ("rescue", "served", "-o", "rescued")
KILLS = 5


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def filled(project: Project) -> Filled:
    return filled_store(project.root / "served", (project.root / "jobs" / "train.jsonl").read_bytes())


@pytest.fixture
def served(project: Project, filled: Filled) -> Iterator[None]:
    """The store, served by a process of its own."""
    command = [FTORCH, "serve", "--port", "0", "--store", "served", "--shutdown-date", "gpt-4.1-mini=2040-01-14"]
    with subprocess.Popen(
        command, cwd=project.root, env=dict(project.environment), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split(" on ")[1].strip()
        table = ["[endpoints.served]", 'type = "compatible"', f'base_url = "{address}"', "allow_http = true"]
        (project.root / "ftorch.toml").write_text("\n".join([*table, "poll_seconds = 0.2"]) + "\n")
        yield
        server.send_signal(signal.SIGINT)


@pytest.mark.usefixtures("served")
def test_what_exists_is_kept_once_and_what_does_not_is_listed(project: Project, filled: Filled) -> None:
    chance = random.Random(20)
    for kill in range(KILLS - 1):
        killed(project, chance, partial(has_lines, project, kill * 30 + chance.randint(1, 30)))
    killed(project, chance, lambda: len(runs(project)) == len(filled.jobs))  # before their results are
    done = project.process(*COMMAND, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)

    kept = {(each["kind"], each["id"]): each for each in found["kept"]}
    assert {file_id for kind, file_id in kept if kind == "file"} == set(filled.files)
    for file_id, content in filled.files.items():
        assert (project.root / "rescued" / kept["file", file_id]["path"]).read_bytes() == content
    assert {job_id for kind, job_id in kept if kind == "job"} == set(filled.jobs)
    for kind in ("events", "checkpoints"):
        assert {job_id for each, job_id in kept if each == kind} == set(filled.jobs)
    assert {each["id"] for each in found["missing"]} == filled.deleted_files
    assert {each["why"] for each in found["missing"]} == {"gone"}

    models = {each["model"]: each for each in found["models"]}
    assert {name for name, each in models.items() if each["answers"]} == filled.models
    assert {name for name, each in models.items() if each["answers"] is False} == filled.deleted_models
    assert {each["shutdown_date"] for each in models.values() if each["answers"]} == {"2040-01-14"}

    on_disk = {str(path.relative_to(project.root / "rescued")) for path in files(project)}
    assert on_disk == {each["path"] for each in found["kept"]} | {"manifest.jsonl", "index.md", ".lock"}
    for each in found["kept"]:
        content = (project.root / "rescued" / each["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["bytes"], each["sha256"])

    assert sorted(runs(project)) == sorted(filled.jobs.items())


def killed(project: Project, chance: random.Random, reached: Callable[[], bool]) -> None:
    """Kill the command a moment after it has reached this."""
    with subprocess.Popen(
        [FTORCH, *COMMAND],
        cwd=project.root,
        env=dict(project.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not reached():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(chance.random() * 0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def has_lines(project: Project, lines: int) -> bool:
    path = project.root / "rescued" / "manifest.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") >= lines


def files(project: Project) -> list[Path]:
    return [path for path in (project.root / "rescued").rglob("*") if path.is_file()]


def runs(project: Project) -> list[tuple[str, str]]:
    """The job and the state of each recorded run."""
    with closing(sqlite3.connect(project.root / ".ftorch" / "ftorch.db", timeout=10)) as connection:
        return connection.execute("SELECT job_id, state FROM runs").fetchall()
