"""`ftorch` killed without warning, in real processes: after `ftorch resume` it is as if nothing had happened."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.project import FTORCH, Project, make_project

from orchestrator.server.app import create_app

SLOW_ENOUGH = {"n_epochs": "n_epochs = 50", "batch": "batch_size = 1"}
PROC = Path("/proc")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.write_job(**SLOW_ENOUGH)
    return made


@pytest.fixture
def begin(project: Project) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `ftorch`; what still runs at the end of the test is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        nowhere, environment = subprocess.DEVNULL, dict(project.environment)
        command = [FTORCH, *arguments]
        begun.append(
            subprocess.Popen(
                command, cwd=project.root, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def lengthen_training(project: Project, times: int) -> None:
    data = project.root / "jobs" / "train.jsonl"
    data.write_text(data.read_text() * times)


def rows(project: Project, query: str) -> list[tuple[Any, ...]]:
    """From ftorch's own database, which may not be there yet."""
    path = project.root / ".ftorch" / "ftorch.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def wait_until(is_so: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def workers_of(project: Project) -> list[str]:
    """The processes that train for this project's endpoint."""
    found = []
    for path in PROC.glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "orchestrator.server.worker" in command and str(project.root) in command:
            found.append(path.parent.name)
    return found


async def on_the_endpoint(project: Project, what: str) -> list[dict[str, Any]]:
    """What the local endpoint itself has, over its API."""
    app = create_app(project.root / ".ftorch" / "local")
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as http:
        listed: list[dict[str, Any]] = (await http.get(what, params={"limit": 100})).json()["data"]
        return listed


async def test_a_submit_killed_while_training_is_carried_on_by_resume(project, begin):
    lengthen_training(project, times=2)
    process = begin("submit", "jobs/greet.toml")
    wait_until(lambda: rows(project, "SELECT state FROM runs WHERE state = 'running'") != [])
    process.kill()
    process.wait()
    [(run_id, state)] = rows(project, "SELECT id, state FROM runs")
    assert state == "running"
    wait_until(lambda: not workers_of(project))

    resumed = project.process("resume")
    assert resumed.code == 0, resumed.err
    [run] = project.status()
    [job] = await on_the_endpoint(project, "/fine_tuning/jobs")
    assert (run["run"], run["state"], run["job_id"]) == (run_id, "succeeded", job["id"])
    assert resumed.out.strip() == run["fine_tuned_model"] == job["fine_tuned_model"]
    assert workers_of(project) == []


def next_command(project: Project) -> tuple[str, ...]:
    is_idle = not rows(project, "SELECT id FROM runs WHERE finished_at IS NULL")
    return ("submit", "jobs/greet.toml", "--again") if is_idle else ("resume",)


async def test_kills_at_random_moments_lose_and_repeat_nothing(project, begin):
    """Ten kills, over as many submissions as get through meanwhile, each of the same file."""
    moments = random.Random(20261121)
    start = time.monotonic()
    project.process("submit", "jobs/greet.toml", "--dry-run")
    beginning = time.monotonic() - start  # the kills come later where a machine is slower
    for _ in range(10):
        process = begin(*next_command(project))
        with suppress(subprocess.TimeoutExpired):
            process.wait(beginning * moments.uniform(0.5, 2.5))
        process.kill()
        process.wait()
    last = project.process(*next_command(project))
    assert last.code == 0, last.err

    runs = project.status()
    jobs = await on_the_endpoint(project, "/fine_tuning/jobs")
    files = await on_the_endpoint(project, "/files")
    assert {run["state"] for run in runs} == {"succeeded"}
    assert sorted(str(run["job_id"]) for run in runs) == sorted(job["id"] for job in jobs)
    assert len({run["fine_tuned_model"] for run in runs}) == len(runs) >= 1
    assert len([file for file in files if file["purpose"] == "fine-tune"]) == 1
    assert workers_of(project) == []


def test_three_submits_at_once_are_one_run(project):
    project.write_job(n_epochs="n_epochs = 5")
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: project.process("submit", "jobs/greet.toml"), range(3)))
    assert [each.code for each in done] == [0, 0, 0]
    [run] = project.status()
    assert run["state"] == "succeeded"
    assert {each.out.strip() for each in done} == {run["fine_tuned_model"]}
    assert len(rows(project, "SELECT * FROM uploads")) == 1


def test_a_running_job_is_cancelled_from_another_process(project, begin):
    lengthen_training(project, times=100)
    process = begin("submit", "jobs/greet.toml")
    wait_until(lambda: rows(project, "SELECT state FROM runs WHERE state = 'running'") != [])
    cancelled = project.process("cancel", "greet", "--yes")
    assert cancelled.code == 0, cancelled.err
    process.wait(120)
    [run] = project.status()
    assert run["state"] == "cancelled"
    wait_until(lambda: not workers_of(project))
