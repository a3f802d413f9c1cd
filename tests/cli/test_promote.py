"""`ftorch models promote`, `get STAGE` and `lineage` on models that were really trained, one from the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.project import Project, Result, make_project

GATED = """[evaluation]
file = "cases.jsonl"
allow_leak = true
gate = { metric = "call_accuracy", min = 0.5, required_for = "production" }
"""


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the run `greet`, and the run `more`, which was trained from its model and has a gate."""
    project = make_project(tmp_path_factory.mktemp("continued"))
    rows = (project.root / "jobs" / "train.jsonl").read_text().splitlines()
    (project.root / "jobs" / "cases.jsonl").write_text("\n".join(rows[:2]) + "\n")
    other = "\n".join(rows).replace("Switch on the light in the", "Light up the") + "\n"
    (project.root / "jobs" / "other.jsonl").write_text(other)
    first = done(project.ftorch("submit", "jobs/greet.toml")).out.strip()
    write_more(project, GATED, first)
    done(project.ftorch("submit", "jobs/greet.toml"))
    return project


def write_more(project: Project, text: str, base: str = "") -> Path:
    base = base or model_of(project, "greet")
    names = {"name": 'name = "more"', "training_file": 'training_file = "other.jsonl"'}
    return project.write_job(text, model=f'model = "{base}"', **names)


@pytest.fixture
def project(continued: Project, tmp_path: Path) -> Project:
    """A copy of it, in which a test may change what it likes."""
    shutil.copytree(continued.root, tmp_path / "project", symlinks=True)
    home = str(tmp_path / "project" / "home")
    return Project(tmp_path / "project", {**continued.environment, "HOME": home, "FTORCH_USER": "ann"})


def done(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def model_of(project: Project, name: str) -> str:
    return done(project.ftorch("models", "get", name)).out.strip()


def test_a_script_gets_nothing_but_the_id_of_the_model_in_production(project: Project) -> None:
    none = project.ftorch("models", "get", "production")
    assert (none.code, none.out) == (1, "")
    assert none.err == "Error: No model is in production. To change that: ftorch models promote RUN production\n"
    said = done(project.ftorch("models", "promote", "greet", "production", "-m", "first")).out
    model = model_of(project, "greet")
    assert said == f"{model} is now in production as greet\n"
    assert done(project.ftorch("models", "get", "production")).out == f"{model}\n"
    found = json.loads(project.ftorch("models", "get", "production", "--json").out)
    assert (found["name"], found["user"], found["reason"]) == ("greet", "ann", "first")
    assert project.ftorch("models", "get", "greet", "--name", "greet").code == 2


def test_the_output_says_how_to_go_back(project: Project) -> None:
    greet, more = model_of(project, "greet"), model_of(project, "more")
    done(project.ftorch("models", "promote", "greet", "production"))
    forced = ("--force", "-m", "a demo")
    lines = done(
        project.ftorch("models", "promote", "more", "production", "--name", "greet", *forced)
    ).out.splitlines()
    assert lines[0] == f"{more} is now in production as greet"
    assert lines[1].startswith(f"{greet}, in production since ")
    assert lines[2:] == ["to go back:", f"  ftorch models promote {greet} production"]
    done(project.ftorch(*lines[3].split()[1:]))
    assert done(project.ftorch("models", "get", "production")).out == f"{greet}\n"
    again = done(project.ftorch("models", "promote", "greet", "production")).out
    assert again.startswith(f"{greet} is already in production as greet, since ")


def test_a_gate_asks_for_an_evaluation_and_exits_with_three(project: Project) -> None:
    refused = project.ftorch("models", "promote", "more", "production")
    assert (refused.code, refused.out) == (3, "")
    command = refused.err.partition("To evaluate it: ")[2].partition(". To promote")[0]
    done(project.ftorch(*command.split()[1:], "--allow-leak"))
    found = json.loads(done(project.ftorch("models", "promote", "more", "production", "--json")).out)
    evaluation = found["evaluation"]
    assert evaluation
    assert f"evaluation {evaluation}: call accuracy" in done(project.ftorch("models", "lineage", "more")).out


def test_the_lineage_is_in_show_and_in_a_tree_at_80_columns(project: Project) -> None:
    greet, more = model_of(project, "greet"), model_of(project, "more")
    tree = done(project.ftorch("models", "lineage", more, COLUMNS="80")).out
    places = [tree.index(text) for text in ("gpt-4.1-mini-2025-04-14\n", greet, "more on local", more)]
    assert places == sorted(places)
    shown = done(project.ftorch("show", "more", COLUMNS="80")).out
    assert "trained from" in shown
    assert json.loads(project.ftorch("show", "greet", "--json").out)["lineage"]["run"]["models"][0]["runs"]
    assert json.loads(project.ftorch("models", "lineage", "more", "--json").out)["ancestors"][0]["name"] == "greet"


def test_a_plan_says_what_its_files_share_with_the_data_of_the_base_model(project: Project) -> None:
    write_more(project, '[evaluation]\nfile = "cases.jsonl"\n')
    plan = json.loads(done(project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json")).out)
    [notice] = [each for each in plan["notices"] if "parent run" in each]
    assert "cases.jsonl: 2 of 2 examples also appear, exactly or nearly, in " in notice
    assert "(greet) (line 1 is line 1 there, line 2 is line 2 there)" in notice
    write_more(project, '[evaluation]\nfile = "cases.jsonl"\nauto = true\n')
    refused = project.ftorch("submit", "jobs/greet.toml", "--dry-run")
    assert refused.code == 2
    assert "train.jsonl of the parent run" in refused.err
    sweep = '[sweep.space]\nn_epochs = [1, 2]\n[evaluation]\nfile = "cases.jsonl"\n'
    write_more(project, sweep.replace("[sweep.space]", '[sweep]\nmetric = "evaluation"\n[sweep.space]'))
    assert "train.jsonl of the parent run" in project.ftorch("submit", "jobs/greet.toml", "--dry-run").err


def test_a_plan_warns_of_a_retired_base_model(project: Project) -> None:
    done(project.ftorch("models", "promote", "greet", "retired", "-m", "too rude"))
    write_more(project, "")
    plan = json.loads(done(project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json")).out)
    assert f"the base model {model_of(project, 'greet')} was retired as greet by ann: too rude" in plan["notices"]


def test_a_hostile_reason_does_not_reach_the_terminal(project: Project) -> None:
    done(project.ftorch("models", "promote", "greet", "candidate", "-m", "fine\x1b[2J\nreally"))
    for command in (("models", "lineage", "greet"), ("show", "greet")):
        assert "\x1b" not in done(project.ftorch(*command)).out
