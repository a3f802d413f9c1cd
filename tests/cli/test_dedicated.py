"""Tuned models that answer only on a dedicated endpoint, which the user starts and names in ftorch.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.project import Project, Result, make_project
from support.together_host import BASE, KEY, TogetherHost, together_host

NAME = "drone-team/lights"


@dataclass(frozen=True)
class Trained:
    """A project with a model that Together has tuned."""

    project: Project
    host: TogetherHost
    model: str

    def evaluated(self) -> Result:
        return self.project.ftorch("evaluate", "jobs/greet.toml", "--models", "tuned", "--yes", "--json")

    def name_endpoint(self, name: str) -> None:
        table = f'{self.host.table}dedicated = {{ "{self.model}" = "{name}" }}\n'
        (self.project.root / "ftorch.toml").write_text(table)


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Trained]:
    with together_host(tmp_path / "host") as host:
        made = make_project(tmp_path / "project")
        project = replace(made, environment={**made.environment, "TOGETHER_API_KEY": KEY})
        (project.root / "ftorch.toml").write_text(host.table)
        (project.root / "jobs" / "cases.jsonl").write_bytes((project.root / "jobs" / "train.jsonl").read_bytes())
        evaluation = '[evaluation]\nfile = "cases.jsonl"\nallow_leak = true\n'
        project.write_job(evaluation, endpoint='endpoint = "together"', model=f'model = "{BASE}"')
        yield Trained(project, host, project.ftorch("submit", "jobs/greet.toml", "--yes").out.strip())


def test_a_model_without_one_waits_for_the_user_and_says_what_to_write(trained: Trained) -> None:
    done = trained.evaluated()
    assert done.code == 4
    assert f"{trained.model} answers only on a dedicated endpoint, charged by the minute" in done.err
    assert "create and start a dedicated endpoint" in done.err
    assert f'ftorch.toml: dedicated = {{ "{trained.model}" = "NAME" }}' in done.err


def test_its_answers_are_recorded_under_the_name_of_the_model(trained: Trained) -> None:
    trained.evaluated()
    trained.name_endpoint(NAME)
    trained.host.state.served[NAME] = trained.model
    done = trained.evaluated()
    assert (done.code, f"{trained.model} is asked as {NAME}" in done.err) == (0, True)
    assert {each["model"] for each in json.loads(done.out)["models"]} == {trained.model}
    del trained.host.state.served[NAME]
    assert trained.evaluated().code == 0, "nothing is asked a second time"


def test_one_that_was_stopped_is_named(trained: Trained) -> None:
    trained.name_endpoint(NAME)
    done = trained.evaluated()
    assert done.code == 4
    assert f'{trained.model}, asked as "{NAME}", does not answer on together' in done.err
    assert "Start that dedicated endpoint, or correct its name in [endpoints.together]" in done.err


def test_ask_and_show_use_its_name(trained: Trained) -> None:
    asked = ("ask", trained.model, "Switch on the light in the hall", "--endpoint", "together", "--yes")
    assert f'dedicated = {{ "{trained.model}" = "NAME" }}' in trained.project.ftorch(*asked).err
    assert "model='NAME'" in trained.project.ftorch("show", "greet").out
    trained.name_endpoint(NAME)
    trained.host.state.served[NAME] = trained.model
    done = trained.project.ftorch(*asked)
    assert (done.code, "room" in done.out) == (0, True)
    assert f"model='{NAME}'" in trained.project.ftorch("show", "greet").out


def test_rescue_asks_only_models_that_have_one(trained: Trained) -> None:
    arguments = ("rescue", "together", "-o", "rescued", "--evaluation", "jobs/cases.jsonl", "--yes")
    done = trained.project.ftorch(*arguments)
    assert (done.code, "it answers only on a dedicated endpoint" in done.err) == (0, True)
    trained.name_endpoint(NAME)
    trained.host.state.served[NAME] = trained.model
    assert "dedicated" not in trained.project.ftorch(*arguments).err.partition("Not asked")[2]
