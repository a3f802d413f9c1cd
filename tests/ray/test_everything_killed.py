"""The command, the server, the head and the trainers, each a process, killed at random: from `ftorch submit` to the
model, over the wire. Each submission gives one job and one model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from support.project import FTORCH, Project, make_project
from support.randomllama import short_rows, write_rows

from .conftest import LORA_PYTHON, TOKEN, Head, needs_lora, trainers

pytestmark = needs_lora
KILLS = int(os.environ.get("FTORCH_RAY_KILLS", "20"))
KINDS = ("client", "server", "trainer", "head")
DEADLINE = 600.0
USAGE = 2
"""The exit status of a command that was given wrongly."""


class Service:
    """A command that is started again whenever it has ended, as a supervisor does it."""

    def __init__(self, project: Project, log: Path, *command: str) -> None:
        self._project, self._log, self._command = project, log, command
        self._process: subprocess.Popen[bytes] | None = None

    def keep_up(self) -> None:
        assert self._process is None or self._process.poll() != USAGE, self._log.read_text()
        if self._process is None or self._process.poll() is not None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [FTORCH, *self._command],
                    cwd=self._project.root,
                    env={**self._project.environment, "FTORCH_RAY_TOKEN": TOKEN},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def has_succeeded(self) -> bool:
        return self._process is not None and self._process.poll() == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def project(tmp_path: Path, head: Head, llama: Path, port: int) -> Project:
    made = make_project(tmp_path / "project")
    (tmp_path / "storage").mkdir()
    (made.root / "ftorch.toml").write_text(
        f'[models]\nllama = "{llama}"\n\n'
        f'[endpoints.team]\ntype = "compatible"\nbase_url = "http://127.0.0.1:{port}/v1"\npoll_seconds = 0.5\n\n'
        f'[endpoints.local]\nlauncher = "ray"\npython = "{LORA_PYTHON}"\n\n'
        f'[endpoints.local.ray]\naddress = "{head.address}"\nstorage = "{tmp_path / "storage"}"\n'
        f'token_env = "FTORCH_RAY_TOKEN"\npython = "{LORA_PYTHON}"\ngpus = 1\ncpus = 1\n'
    )
    write_rows(made.root / "jobs" / "train.jsonl", short_rows())
    return made


@pytest.fixture
def server(project: Project, tmp_path: Path, port: int) -> Iterator[Service]:
    found = Service(project, tmp_path / "server.log", "serve", "--port", str(port))
    yield found
    found.kill()
    for pid in trainers(tmp_path / "storage"):
        os.kill(pid, signal.SIGKILL)


def test_each_submission_gives_one_model_whatever_is_killed(
    project: Project, server: Service, head: Head, port: int, tmp_path: Path
) -> None:
    random, began, kills = Random(2), time.monotonic(), Counter[str]()
    trained = attempts = 0
    while kills.total() < KILLS:
        trained += 1
        project.write_job(
            name=f'name = "greet"\nseed = {trained}',
            endpoint='endpoint = "team"',
            model='model = "llama"',
            n_epochs="n_epochs = 12",
        )
        client = Service(project, tmp_path / "client.log", "submit", "jobs/greet.toml", "--yes")
        attempts += _driven(client, server, head, tmp_path / "storage", _plan(random), kills)
    jobs = httpx2.get(f"http://127.0.0.1:{port}/v1/fine_tuning/jobs", timeout=30, trust_env=False).json()["data"]
    runs = project.status()
    assert [job["status"] for job in jobs] == ["succeeded"] * trained
    assert [run["state"] for run in runs] == ["succeeded"] * trained
    models = sorted(str(job["fine_tuned_model"]) for job in jobs)
    assert models == sorted(str(_shown(project, run)["fine_tuned_model"]) for run in runs)
    assert len(set(models)) == trained
    seconds = time.monotonic() - began
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kills.items()))
    print(f"kills: {told}; {trained} trainings, {attempts} attempts, {len(set(models))} models in {seconds:.0f} s")


def _plan(random: Random) -> list[tuple[float, str]]:
    """When, in seconds from the submission, to kill what."""
    found = [(random.uniform(1.0, 25.0), random.choice(KINDS)) for _ in range(random.randint(2, 4))]
    return sorted(found)


def _driven(
    client: Service, server: Service, head: Head, storage: Path, plan: list[tuple[float, str]], kills: Counter[str]
) -> int:
    """Follow one submission to its model; returns how many attempts it took."""
    began, attempts = time.monotonic(), 0
    while not client.has_succeeded:
        assert time.monotonic() < began + DEADLINE, "it did not come to an end"
        server.keep_up()
        client.keep_up()
        attempts = max(attempts, _newest_attempt(storage))
        if plan and time.monotonic() > began + plan[0][0]:
            kind = plan[0][1]
            if _kill(kind, client, server, head, storage):
                kills[kind] += 1
                plan.pop(0)
        time.sleep(0.1)
    return attempts


def _kill(kind: str, client: Service, server: Service, head: Head, storage: Path) -> bool:
    """Whether there was one."""
    if kind == "trainer":
        found = trainers(storage)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return bool(found)
    if kind == "head":
        head.kill()
        head.start()
        return True
    {"client": client, "server": server}[kind].kill()
    return True


def _newest_attempt(storage: Path) -> int:
    numbers = [0]
    for path in storage.glob("trainings/*/*/attempt"):
        try:
            numbers.append(int(path.read_bytes()))
        except (OSError, ValueError):  # the folder is deleted when the job has its model
            continue
    return max(numbers)


def _shown(project: Project, run: dict[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ftorch("show", str(run["run"]), "--json").out)
    return found
