"""Where the token of a cluster goes: to the worker that asks Ray, by its environment, and nowhere else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server.app import Settings, create_app, running
from orchestrator.server.launchers.settings import RaySettings
from orchestrator.server.trainers.interface import Machine

CLUSTER = RaySettings("http://127.0.0.1:9", Path("/mnt/team"), "TEAM_TOKEN", gpus=2, runtime_env={"pip": ["x"]})


def test_a_machine_with_a_cluster_survives_the_way_to_a_worker() -> None:
    machine = Machine(Path("/store"), "/usr/bin/python", ray=CLUSTER)
    assert Machine.from_argument(machine.as_argument()) == machine
    assert Machine.from_argument(Machine(Path("/store"), "python").as_argument()).ray is None


async def test_a_worker_gets_the_token_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Any, submit: Any, reach: Any
) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "canary")
    monkeypatch.setenv("OPENAI_API_KEY", "other canary")
    started: list[tuple[list[str], dict[str, str]]] = []
    real = subprocess.Popen

    def popen(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        started.append((command, more["env"]))
        return real(command, **more)

    monkeypatch.setattr("orchestrator.server.scheduler.subprocess.Popen", popen)
    cluster = RaySettings("http://127.0.0.1:9", tmp_path / "storage", "TEAM_TOKEN")
    app = create_app(tmp_path / "endpoint", settings=Settings(ray=cluster))
    async with connect(app) as client, running(app):
        job = await submit(client, count=12, epochs=1)
        await reach(client, job.id, "succeeded")
    for command, environment in started:
        assert "canary" not in " ".join(command)
        assert environment["TEAM_TOKEN"] == "canary"
        assert "other canary" not in environment.values()
