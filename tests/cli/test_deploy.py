"""`deploy`, `undeploy` and `deployments`, against a simulated resource over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.azure_resource import BASE, AzureResource, azure_resource
from support.command import ftorch
from support.project import Project, make_project

from orchestrator.config import find_workspace
from orchestrator.store.database import Database
from orchestrator.store.schema import deployments


@pytest.fixture(scope="module")
def resource(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureResource]:
    folder = tmp_path_factory.mktemp("resource")
    with azure_resource(folder, file_seconds=0.1) as served:
        yield served


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory, resource: AzureResource) -> Project:
    """A project in which the resource's model belongs to a recorded run."""
    made = make_project(tmp_path_factory.mktemp("adopted") / "project")
    (made.root / "ftorch.toml").write_text(resource.table)
    done = made.ftorch("adopt", "--all", "--endpoint", "azure-sim", **resource.environment)
    assert done.code == 0, done.err
    return made


@pytest.fixture
def project(
    tmp_path: Path, adopted: Project, resource: AzureResource, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """That project in a folder of its own; the account is emptied afterwards."""
    root = shutil.copytree(adopted.root, tmp_path / "project")
    for name, value in {**resource.environment, "HOME": str(tmp_path), "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FTORCH_HOME", raising=False)
    monkeypatch.chdir(root)
    yield replace(adopted, root=root)
    for each in listed():
        ftorch("undeploy", str(each["name"]), "--yes")


@pytest.fixture
def run_id(project: Project, resource: AzureResource) -> str:
    models = json.loads(ftorch("models", "--json").stdout)
    return next(str(each["run"]) for each in models if each["model"] == resource.model)


def listed(*options: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ftorch("deployments", "--json", *options).stdout)["deployments"]
    return found


def age(project: Project, seconds: float) -> None:
    """Let the recorded deployments have begun to answer so long ago."""
    then = time.time() - seconds
    database = Database(find_workspace(project.root).database_url)
    with database.write() as connection:
        connection.execute(deployments.update().values(provisioned_at=then, deployed_at=then, last_used_at=None))
    database.close()


def test_a_run_is_deployed_listed_and_removed(run_id: str, resource: AzureResource) -> None:
    done = ftorch("deploy", run_id, "--yes")
    assert done.exit_code == 0
    name = done.stdout.strip()
    assert name.endswith(run_id)
    assert "$1.70 an hour, $40.80 a day, $1,224.00 per 30 days, used or not" in done.stderr
    assert f"Remove it: ftorch deployments remove {name}" in done.stderr

    [shown] = listed()
    assert (shown["name"], shown["model"], shown["state"]) == (name, resource.model, "deployed")
    assert (shown["sku"], shown["capacity"], shown["made_by_ftorch"]) == ("Standard", 50, True)
    assert shown["hosting_cost_usd_per_day"] == pytest.approx(40.8)
    assert f"create(model='{name}'" in ftorch("show", run_id).stdout
    text = ftorch("deployments").stdout
    assert "$40.80 a day" in text
    assert re.search(r"Azure removes it in 1[45] d \d\d:\d\d unless it is used", text)

    assert ftorch("undeploy", run_id).exit_code == 0
    assert listed() == []
    assert "No deployments" in ftorch("deployments").stderr
    assert f"ftorch deployments create {run_id}" in ftorch("show", run_id).stdout


def test_a_chat_asks_the_deployment_and_says_where_there_is_none(run_id: str) -> None:
    silent = ftorch("chat", run_id, "--ask", "hello 3")
    assert silent.exit_code == 1
    assert "ftorch deployments create" in silent.stderr
    ftorch("deploy", run_id, "--sku", "DeveloperTier", "--yes")
    answered = ftorch("chat", run_id, "--ask", "hello 3")
    assert answered.exit_code == 0, answered.stderr
    assert answered.stdout.strip()
    assert listed()[0]["last_used_at"] is not None


def test_the_same_is_found_again_and_asks_nothing(run_id: str) -> None:
    first = ftorch("deploy", run_id, "--sku", "DeveloperTier", "--yes").stdout
    again = ftorch("deploy", run_id, "--sku", "DeveloperTier")
    assert (again.exit_code, again.stdout) == (0, first)
    assert "It already exists" in again.stderr


def test_without_a_terminal_nothing_that_costs_is_made(run_id: str) -> None:
    refused = ftorch("deploy", run_id)
    assert refused.exit_code == 4
    assert "--yes" in refused.stderr
    assert listed() == []


def test_without_waiting_it_is_asked_for_and_resume_follows_it(run_id: str) -> None:
    left = ftorch("deploy", run_id, "--no-wait", "--yes")
    assert left.exit_code == 0
    assert "ftorch resume follows it" in left.stderr
    resumed = ftorch("resume")
    assert "answers after" in resumed.stderr
    assert [each["state"] for each in listed()] == ["deployed"]


def test_a_checkpoint_is_deployed_under_its_own_name(run_id: str) -> None:
    checkpoints = json.loads(ftorch("show", run_id, "--json").stdout)["checkpoints"]
    step = str(checkpoints[0]["step"])
    done = ftorch("deploy", run_id, "--checkpoint", step, "--sku", "DeveloperTier", "--yes")
    assert done.stdout.strip().endswith(f"-step-{step}"), done.stderr
    missing = ftorch("deploy", run_id, "--checkpoint", "999", "--yes")
    assert missing.exit_code == 2
    assert f"recorded: {step}" in missing.stderr


def test_a_full_quota_says_what_is_in_use_and_what_to_do(run_id: str) -> None:
    failed = ftorch("deploy", run_id, "--capacity", "900", "--yes")
    assert failed.exit_code == 1
    assert failed.stderr.count("0 of 250") == 1
    assert "--capacity" in failed.stderr
    [left] = listed()
    assert (left["state"], left["hosting_cost_usd_per_day"]) == ("failed", 0.0)
    assert "--capacity" in str(left["reason"])
    assert "drone-" in ftorch("deployments").stdout


def test_what_was_made_elsewhere_is_shown_marked_and_only_removed_by_name(
    project: Project, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTORCH_HOME", str(tmp_path / "another"))
    assert ftorch("deploy", BASE, "--endpoint", "azure-sim", "--name", "theirs", "--yes").exit_code == 0
    monkeypatch.delenv("FTORCH_HOME")
    [shown] = listed()
    assert (shown["name"], shown["model"], shown["made_by_ftorch"]) == ("theirs", BASE, False)
    assert "made elsewhere" in ftorch("deployments").stdout
    assert listed("--idle", "0h") == []
    assert ftorch("undeploy", "their").exit_code == 2
    assert ftorch("undeploy", "theirs").exit_code == 4  # nobody to ask
    assert ftorch("undeploy", "theirs").exit_code == 4  # and no more so when it was looked at before
    assert ftorch("undeploy", "theirs", "--yes").exit_code == 0
    assert listed() == []


def test_two_ways_to_one_account_show_each_deployment_once(
    project: Project, resource: AzureResource, run_id: str
) -> None:
    second = resource.table.replace("azure-sim", "other-way") + 'api = "2024-10-21"\n'
    (project.root / "ftorch.toml").write_text(resource.table + second)
    ftorch("deploy", run_id, "--sku", "DeveloperTier", "--yes")
    assert [(each["endpoint"], each["made_by_ftorch"]) for each in listed()] == [("azure-sim", True)]
    done = ftorch(
        "deploy", resource.model, "--endpoint", "other-way", "--name", "old", "--sku", "DeveloperTier", "--yes"
    )
    assert (done.exit_code, done.stdout.strip()) == (0, "old"), done.stderr
    assert sorted(str(each["endpoint"]) for each in listed()) == ["azure-sim", "other-way"]


def test_idle_deployments_are_shown_and_removed(project: Project, run_id: str) -> None:
    ftorch("deploy", run_id, "--yes")
    assert listed("--idle", "24h") == []
    age(project, 25 * 3600)
    assert len(listed("--idle", "24h")) == 1
    assert ftorch("deployments", "--idle", "24h", "--undeploy").exit_code == 4  # nobody to ask
    assert ftorch("deployments", "--idle", "24h", "--undeploy", "--yes").exit_code == 0
    assert listed() == []


def test_status_warns_of_what_is_charged_and_not_used(project: Project, run_id: str) -> None:
    ftorch("deploy", run_id, "--yes")
    assert "Charged" not in ftorch("status").stderr
    age(project, 48 * 3600)
    warning = ftorch("status").stderr
    assert "Charged and not used by ftorch for a day" in warning
    assert "$81.60 so far, $40.80 a day" in warning
    assert len(warning.splitlines()) == 1


def test_one_that_was_removed_behind_our_back_is_noticed(
    project: Project, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ftorch("deploy", run_id, "--yes").stdout.strip()
    monkeypatch.setenv("FTORCH_HOME", str(tmp_path / "another"))
    assert ftorch("undeploy", name, "--yes").exit_code == 0
    monkeypatch.delenv("FTORCH_HOME")
    noticed = ftorch("deployments").stderr
    assert f"{name} undeployed: no longer on the account" in noticed
    assert f"deploy it again: ftorch deployments create {run_id}" in noticed
    assert listed() == []
    assert ftorch("undeploy", name).exit_code == 2


def test_one_that_was_asked_for_and_is_not_on_the_account_costs_nothing(
    project: Project, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ftorch("deploy", run_id, "--no-wait", "--yes")
    [asked_for] = listed()
    monkeypatch.setenv("FTORCH_HOME", str(tmp_path / "another"))
    assert ftorch("undeploy", str(asked_for["name"]), "--yes").exit_code == 0
    monkeypatch.delenv("FTORCH_HOME")
    database = Database(find_workspace(project.root).database_url)
    with database.write() as connection:
        connection.execute(deployments.update().values(requested_at=time.time() - 3600))
    database.close()
    [missing] = listed()
    assert (missing["state"], missing["hosting_cost_usd"], missing["hosting_cost_usd_per_day"]) == (
        "deploying",
        0,
        0,
    )
    assert "Together" not in ftorch("deployments").stdout


def test_a_model_of_the_local_endpoint_needs_none(project: Project) -> None:
    project.write_job()
    assert ftorch("submit", "jobs/greet.toml").exit_code == 0
    refused = ftorch("deploy", "greet")
    assert refused.exit_code == 2
    assert "need no deployment" in refused.stderr


def test_an_unknown_time_is_refused() -> None:
    assert "24h or 3d" in ftorch("deployments", "--idle", "soon").stderr
    assert "--idle" in ftorch("deployments", "--undeploy").stderr


def test_without_the_resources_place_the_next_step_is_named(
    project: Project, resource: AzureResource, run_id: str
) -> None:
    table = resource.table.replace('account = "ftorch"\n', "")
    (project.root / "ftorch.toml").write_text(table)
    refused = ftorch("deploy", run_id, "--yes")
    assert refused.exit_code == 2
    assert "account is not set" in refused.stderr
    assert listed() == []
    (project.root / "ftorch.toml").write_text(resource.table)


def test_a_job_file_deploys_its_run_by_itself_and_elsewhere_says_that_it_does_not(project: Project) -> None:
    table = '[azure.deployment]\nsku = "DeveloperTier"\nname = "greeter"'
    job = project.write_job(table, endpoint='endpoint = "azure-sim"')
    done = ftorch("submit", str(job), "--yes")
    assert done.exit_code == 0, done.stderr
    assert "greeter answers" in done.stderr
    assert [each["name"] for each in listed()] == ["greeter"]
    rehearsed = ftorch("submit", str(job), "--endpoint", "local", "--dry-run")
    assert "[azure.deployment] has no effect on local" in " ".join(rehearsed.stderr.split())


def test_a_deployment_that_follows_its_run_and_fails_leaves_with_1_and_the_model_stays(project: Project) -> None:
    job = project.write_job('[azure.deployment]\ncapacity = 900\nname = "large"', endpoint='endpoint = "azure-sim"')
    done = ftorch("submit", str(job), "--yes")
    assert done.exit_code == 1
    assert "the deployment large failed" in done.stderr
    assert done.stdout.strip().startswith(f"{BASE}.ft-")


def test_what_a_dead_evaluation_left_is_removed_before_runs_are_followed(project: Project, run_id: str) -> None:
    assert ftorch("deploy", run_id, "--yes").exit_code == 0
    database = Database(find_workspace(project.root).database_url)
    with database.write() as connection:
        connection.execute(deployments.update().values(temporary=True))
    database.close()
    assert ftorch("submit", str(project.write_job()), "--yes", "--detach").exit_code == 0
    told = ftorch("resume").stderr
    assert told.index("undeployed: removed") < told.index("succeeded after")


def test_too_little_room_is_said_before_the_question(run_id: str) -> None:
    done = ftorch("deployments", "create", run_id, "--capacity", "900")
    assert done.exit_code == 4
    said = " ".join(done.stderr.split())
    assert "Warning: swedencentral has room for only 250,000 tokens a minute of Standard for this model" in said
    assert "lower the capacity to 250, or request more quota" in said
    assert "Warning" not in ftorch("deployments", "create", run_id, "--capacity", "250").stderr
