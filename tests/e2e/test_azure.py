"""From a job file to a model id on an Azure resource: real processes, every dialect, both kinds of sign-in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.project import FTORCH, Project, make_project

JOBS = Path(__file__).parents[2] / "jobs"
KEY = "resource-key-0123456789"
PREVIEW = "2025-04-01-preview"


@dataclass(frozen=True)
class Resource:
    """What `ftorch serve --azure` says of itself."""

    url: str
    token_url: str


@pytest.fixture(scope="module")
def resource(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resource]:
    folder = tmp_path_factory.mktemp("resource")
    command = [FTORCH, "serve", "--azure", "--port", "0", "--store", str(folder), "--api-key-env", "RESOURCE_KEY"]
    environment = {**os.environ, "RESOURCE_KEY": KEY}
    server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        url = next(line.split()[-1] for line in server.stderr if line.startswith("Azure resource on"))
        yield Resource(url, f"{url}/msi/token")
    finally:
        server.terminate()
        server.communicate(timeout=10)


@pytest.fixture
def project(tmp_path: Path, resource: Resource) -> Project:
    made = make_project(tmp_path / "project")
    common = f'type = "azure"\nbase_url = "{resource.url}"\npoll_seconds = 0.1'
    (made.root / "ftorch.toml").write_text(
        f"[endpoints.azure-sim]\n{common}\n"
        f'[endpoints.dated]\napi = "2024-10-21"\n{common}\n'
        f'[endpoints.signed-in]\napi = "{PREVIEW}"\nauth = "entra"\n{common}\n'
    )
    return replace(made, environment={**made.environment, "AZURE_OPENAI_API_KEY": KEY})


def test_the_drone_job_moves_to_azure_by_one_word(project: Project) -> None:
    moved = (JOBS / "drone.toml").read_text().replace('endpoint = "local"', 'endpoint = "azure-sim"')
    (project.root / "jobs" / "drone.toml").write_text(moved)
    shutil.copytree(JOBS / "drone", project.root / "jobs" / "drone")
    done = project.process("submit", "jobs/drone.toml", "--yes")
    assert done.code == 0, done.err
    [run] = project.status()
    assert run["state"] == "succeeded"
    assert done.out.endswith(f"-drone-{run['run']}\n")


def test_the_dated_dialect_leads_to_a_model_by_key(project: Project) -> None:
    done = project.process("submit", "jobs/greet.toml", "--endpoint", "dated", "--yes")
    assert done.code == 0, done.err
    assert done.out.startswith("gpt-4.1-mini-2025-04-14.ft-")


def test_without_a_sign_in_the_run_waits_and_goes_on_when_there_is_one(
    project: Project, resource: Resource
) -> None:
    nobody = {"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    told = project.process("submit", "jobs/greet.toml", "--endpoint", "signed-in", "--yes", **nobody)
    assert told.code == 1
    assert "Tried: Environment: Environment variables are not fully configured" in told.err
    assert "az login" in told.err
    identity = {"IDENTITY_ENDPOINT": resource.token_url, "IDENTITY_HEADER": KEY}
    assert project.process("resume", **identity).code == 0
    assert project.status()[0]["state"] == "succeeded"
