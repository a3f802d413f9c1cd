"""From a job file to a tuned model on Fireworks that answers, is evaluated, and costs nothing afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.fireworks_host import ACCOUNT, BASE, KEY, FireworksHost, fireworks_host
from support.project import Project, make_project


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FireworksHost]:
    with fireworks_host(tmp_path / "host") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, host: FireworksHost) -> Project:
    made = make_project(tmp_path / "project")
    (made.root / "ftorch.toml").write_text(host.table)
    (made.root / "jobs" / "cases.jsonl").write_bytes((made.root / "jobs" / "train.jsonl").read_bytes())
    evaluation = '[evaluation]\nfile = "cases.jsonl"\nallow_leak = true\n'
    made.write_job(evaluation, endpoint='endpoint = "fireworks"', model=f'model = "{BASE}"')
    return replace(made, environment={**made.environment, "FIREWORKS_API_KEY": KEY})


@pytest.fixture
def run(project: Project) -> str:
    """The id of a run that has succeeded."""
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    [found] = project.status()
    assert found["state"] == "succeeded"
    return str(found["run"])


def test_a_job_is_trained_once_under_our_names(project: Project, host: FireworksHost, run: str) -> None:
    shown = json.loads(project.ftorch("show", run, "--json").out)
    assert shown["fine_tuned_model"] == f"accounts/{ACCOUNT}/models/qwen3-8b-ft-greet-{run}"
    assert [*host.state.asked] == [shown["job_id"]]
    assert len(shown["metrics"]) == 12
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    assert len(host.jobs) == 1


def test_an_evaluation_deploys_what_it_asks_and_leaves_nothing(
    project: Project, host: FireworksHost, run: str
) -> None:
    done = project.ftorch("evaluate", "jobs/greet.toml", "--yes")
    assert done.code == 0
    assert "such as $8.00 for 1xH200_141GB" in done.err
    assert "call accuracy" in done.out
    project.ftorch("deployments")
    assert host.state.deployments == {}


def test_a_deployment_shows_its_price_first_and_how_to_call_it(
    project: Project, host: FireworksHost, run: str
) -> None:
    made = project.ftorch("deployments", "create", run, "--yes")
    assert made.out.strip() == f"accounts/{ACCOUNT}/deployments/greet-{run}"
    assert "1xH200_141GB: $8.00 an hour" in made.err
    shown = project.ftorch("show", run).out
    assert f'base_url="{host.address}/inference/v1"' in shown
    assert f"model='accounts/{ACCOUNT}/deployments/greet-{run}'" in shown
    assert project.ftorch("deployments", "remove", run).code == 0
    assert json.loads(project.ftorch("deployments", "--json").out)["deployments"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sku", "Standard"), "Fireworks has no sku Standard; choose hardware, such as 1xH200_141GB"),
        (("--name", "Big_Name"), "lower-case letters and digits, with dashes only between them"),
    ],
)
def test_terms_that_fireworks_does_not_have_are_refused_before(
    project: Project, host: FireworksHost, run: str, options: tuple[str, str], said: str
) -> None:
    done = project.ftorch("deployments", "create", run, "--yes", *options)
    assert (done.code, said in done.err) == (2, True)
    assert host.state.deployments == {}


def test_a_key_of_several_accounts_is_told_what_to_set(project: Project, host: FireworksHost) -> None:
    host.state.accounts.append("another-team")
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 1
    assert (
        'the key opens 2 accounts (drone-team, another-team). Set account = "…" in [endpoints.fireworks]'
        in done.err
    )
    table = (project.root / "ftorch.toml").read_text()
    (project.root / "ftorch.toml").write_text(f'{table}account = "{ACCOUNT}"\n')
    assert project.ftorch("resume").code == 0
    assert len(host.jobs) == 1


def test_a_model_that_was_deployed_elsewhere_is_not_deleted(
    project: Project, host: FireworksHost, run: str
) -> None:
    model = f"accounts/{ACCOUNT}/models/qwen3-8b-ft-greet-{run}"
    hardware = {"acceleratorType": "NVIDIA_H200_141GB", "acceleratorCount": 1, "maxReplicaCount": 1}
    night = {"name": f"accounts/{ACCOUNT}/deployments/night", "baseModel": model, "state": "READY", **hardware}
    host.state.deployments["night"] = night
    refused = project.ftorch("runs", "delete", run, "--remote", "--yes")
    assert refused.code == 1
    assert f"{model}: deployed as night on fireworks, which costs until it is removed:" in refused.err
    assert "ftorch deployments remove night" in refused.err
    assert [each["run"] for each in project.status()] == [run]
    assert host.has_model(model)
    assert project.ftorch("deployments", "remove", "night", "--yes").code == 0
    assert project.ftorch("runs", "delete", run, "--remote", "--yes").code == 0
    assert not host.has_model(model)


def test_runs_of_another_account_are_held_and_judged_by_nobody(
    project: Project, host: FireworksHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as training_waits:
        training_waits.setattr(host.app.state.context.scheduler, "_start_workers", lambda _waiting: None)
        _submit_and_lose_the_account(project, host)
    host.state.accounts[:] = [ACCOUNT]
    assert project.ftorch("resume").code == 0
    assert len(host.jobs) == 1


def _submit_and_lose_the_account(project: Project, host: FireworksHost) -> None:
    assert project.ftorch("submit", "jobs/greet.toml", "--yes", "--detach").code == 0
    host.state.accounts[:] = ["another-team"]
    assert project.ftorch("resume").code == 4
    [run] = project.status()
    assert run["state"] in ("queued", "running")
    assert "on hold: its job belongs to another account" in str(run["reason"])
