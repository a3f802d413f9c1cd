"""Training on a simulated Nebius Token Factory, from the job file to the model that answers, and its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nebius_host import KEY, SERVED, TRAINED, NebiusHost, nebius_host
from support.project import Project, Result, make_project

_LORA = "learning_rate = 0.0002\n[lora]\nrank = 16\nmax_length = 4096"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[NebiusHost]:
    with nebius_host(tmp_path / "there") as host:
        yield host


@pytest.fixture
def project(tmp_path: Path, host: NebiusHost) -> Project:
    found = make_project(tmp_path / "project")
    (found.root / "ftorch.toml").write_text(host.table)
    found.write_job(_LORA, endpoint='endpoint = "nebius"', model=f'model = "{TRAINED}"')
    return Project(found.root, {**found.environment, "NEBIUS_API_KEY": KEY})


def submitted(project: Project) -> str:
    """The model that submitting prints."""
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 0, done.err
    return done.out.strip()


def told(result: Result) -> str:
    return " ".join((result.out + result.err).split())


def test_the_model_that_submit_prints_answers(project: Project, host: NebiusHost) -> None:
    model = submitted(project)
    [served] = host.state.served
    assert model == served
    assert model.startswith(f"{SERVED}-LoRa:greet-")
    asked = project.ftorch("ask", "greet", "Switch on the light in the hall", "--yes", "--json")
    assert asked.code == 0, asked.err
    assert "light_room" in asked.out
    assert {model, SERVED} == host.state.answered


def test_the_plan_says_that_serving_may_end_and_how_to_go_without(project: Project, host: NebiusHost) -> None:
    shown = told(project.ftorch("submit", "jobs/greet.toml", "--dry-run"))
    assert "reported in September 2026 that this is being retired" in shown
    assert 'set result = "last-checkpoint" in [endpoints.nebius]' in shown
    (project.root / "ftorch.toml").write_text(host.table + 'result = "last-checkpoint"\n')
    assert "retired" not in told(project.ftorch("submit", "jobs/greet.toml", "--dry-run"))


def test_the_run_shows_the_rank_that_was_used_and_the_losses(project: Project, host: NebiusHost) -> None:
    submitted(project)
    [run] = project.status()
    shown = json.loads(project.ftorch("show", str(run["run"]), "--json").out)
    used = shown["resolved_hyperparameters"]
    assert (used["lora_rank"], used["max_length"], used["learning_rate"]) == (16, 4096, 0.0002)
    assert host.state.asked[host.jobs[0].id]["hyperparameters"]["context_length"] == 4096
    assert "was requested, but" not in told(project.ftorch("logs", str(run["run"])))


def test_a_refusal_to_serve_names_the_ways_on_and_resume_follows_them(project: Project, host: NebiusHost) -> None:
    host.state.servable.clear()
    refused = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert refused.code == 1
    assert f"Base model {SERVED} does not support LoRA adapters" in told(refused)
    assert 'result = "last-checkpoint"' in told(refused)
    table = host.table + 'result = "last-checkpoint"\n'
    (project.root / "ftorch.toml").write_text(table)
    done = project.ftorch("resume")
    assert done.code == 0, done.err
    [run] = project.status()
    assert run["state"] == "succeeded"
    assert str(run["fine_tuned_model"]).startswith(f"{host.jobs[0].id}:")


def test_a_resume_with_another_name_of_the_base_model_serves_it(project: Project, host: NebiusHost) -> None:
    host.state.servable = {"mine/Llama"}
    assert project.ftorch("submit", "jobs/greet.toml", "--yes").code == 1
    (project.root / "ftorch.toml").write_text(f'{host.table}serving_models = {{ "{TRAINED}" = "mine/Llama" }}\n')
    assert project.ftorch("resume").code == 0
    [model] = host.state.live
    assert model["base_model"] == "mine/Llama"
    assert len(host.jobs) == 1


def test_deleting_a_run_with_its_models_removes_what_is_served(project: Project, host: NebiusHost) -> None:
    submitted(project)
    [run] = project.status()
    done = project.ftorch("runs", "delete", str(run["run"]), "--remote", "--yes")
    assert done.code == 0, done.err
    assert host.state.live == []
    assert "has no request that deletes a checkpoint" in told(done)
