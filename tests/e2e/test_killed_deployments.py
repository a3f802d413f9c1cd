"""Real processes that deploy on a simulated resource and are killed on the way; the next one puts it right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure_resource import AzureResource, azure_resource
from support.command import ftorch
from support.project import Project, make_project

KILLED = -9


@pytest.fixture(scope="module")
def resource(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureResource]:
    with azure_resource(tmp_path_factory.mktemp("resource"), file_seconds=0.1) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, resource: AzureResource, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose commands run in this process too, which is quicker for those that are not killed."""
    found = make_project(tmp_path / "project")
    (found.root / "ftorch.toml").write_text(resource.table)
    rows = (found.root / "jobs" / "train.jsonl").read_text().splitlines()[:3]
    (found.root / "jobs" / "cases.jsonl").write_text("\n".join(rows) + "\n")
    for name, value in {**resource.environment, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FTORCH_HOME", raising=False)
    monkeypatch.chdir(found.root)
    return Project(found.root, {**found.environment, **resource.environment})


def there() -> list[str]:
    """The names of the account's deployments, ours and others'."""
    return [str(each["name"]) for each in json.loads(ftorch("deployments", "--json").stdout)["deployments"]]


def test_a_killed_deploy_is_finished_and_made_once(project: Project, resource: AzureResource) -> None:
    deploy = ("deploy", resource.model, "--endpoint", "azure-sim", "--name", "mine", "--yes")
    assert project.process(*deploy, FTORCH_CRASH_AT="after-deployment-put").code == KILLED
    assert "mine answers" in ftorch("resume").stderr
    assert there() == ["mine"]
    again = ftorch(*deploy)
    assert (again.exit_code, again.stdout.strip()) == (0, "mine")
    assert "It already exists" in again.stderr
    assert ftorch("undeploy", "mine").exit_code == 0


def evaluation_of(model: str) -> tuple[str, ...]:
    place = ("--endpoint", "azure-sim", "--file", "jobs/cases.jsonl")
    return ("evaluate", model, "--models", model, *place, "--yes")


def test_what_a_killed_evaluation_deployed_is_removed_by_resume(project: Project, resource: AzureResource) -> None:
    place = "after-commit-deployment-deployed"
    assert project.process(*evaluation_of(resource.model), FTORCH_CRASH_AT=place).code == KILLED
    [left] = there()
    assert f"{left} undeployed" in ftorch("resume").stderr
    assert there() == []


def test_an_evaluation_deploys_asks_and_removes(project: Project, resource: AzureResource) -> None:
    done = ftorch(*evaluation_of(resource.model), "--json")
    assert done.exit_code == 0, done.stderr
    assert "one is made (DeveloperTier, hosted at no charge)" in " ".join(done.stderr.split())
    assert [each["model"] for each in json.loads(done.stdout)["models"]] == [resource.model]
    assert there() == []
