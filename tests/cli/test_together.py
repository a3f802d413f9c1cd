"""A tuned model on Together answers only through an endpoint that its user starts: every command says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.project import Project, make_project
from support.together_host import BASE, KEY, TogetherHost, together_host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TogetherHost]:
    with together_host(tmp_path / "host") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, host: TogetherHost) -> Project:
    """With one run that has succeeded, and cases for it."""
    made = make_project(tmp_path / "project")
    (made.root / "ftorch.toml").write_text(host.table)
    (made.root / "jobs" / "cases.jsonl").write_bytes((made.root / "jobs" / "train.jsonl").read_bytes())
    evaluation = '[evaluation]\nfile = "cases.jsonl"\nallow_leak = true\n'
    made.write_job(evaluation, endpoint='endpoint = "together"', model=f'model = "{BASE}"')
    found = replace(made, environment={**made.environment, "TOGETHER_API_KEY": KEY})
    assert found.ftorch("submit", "jobs/greet.toml", "--yes").code == 0
    return found


def test_a_rescue_keeps_everything_and_says_how_to_ask_the_model(project: Project) -> None:
    done = project.ftorch("rescue", "together", "-o", "kept", "--yes")
    assert done.code == 0
    assert "start one there, and name it under dedicated in [endpoints.together]" in done.err
    assert "files              1 of 1 kept" in done.out


def test_what_ftorch_does_not_start_is_not_offered(project: Project) -> None:
    done = project.ftorch("deployments", "create", "greet", "--yes")
    assert done.code == 2
    assert "ftorch starts no endpoints on together; start one there" in done.err


def test_the_way_to_call_it_does_not_name_the_model_itself(project: Project) -> None:
    model = json.loads(project.ftorch("show", "greet", "--json").out)["fine_tuned_model"]
    shown = project.ftorch("show", "greet").out.partition("To call it")[2]
    assert model not in shown
    assert "model='NAME'" in shown
