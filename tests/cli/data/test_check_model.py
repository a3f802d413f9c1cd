"""`data check` for an open-weights model, as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from support.command import ftorch
from support.modelfolders import model_folder
from support.openweights import cached_model
from support.project import Project, make_project
from support.rows import said

import orchestrator
from orchestrator.cli.completion import complete_base
from orchestrator.dataset.rendering.renderer import open_renderer

ROWS = [said(f"Climb to {metres} m.") for metres in range(10, 22)]
LONG = said("Up! " * 400)
JOB = 'model = "{}"\n[data]\ntraining_file = "train.jsonl"\n'


@pytest.fixture
def folder(home: Path) -> Path:
    (home / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    folder = model_folder(home / "models" / "small")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def tokens_of(folder: Path) -> int:
    renderer = open_renderer(folder)
    return sum(len(renderer.supervised(row).ids) for row in ROWS)


def test_a_folder_a_name_and_an_id_count_with_the_models_tokenizer(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "cache"))
    cached_model(home / "cache", "org/small")
    (home / "ftorch.toml").write_text('[models]\nmine = "models/small"\n')
    for model, name in (
        ("models/small", "small"),
        ("./models/small", "small"),
        ("mine", "mine"),
        ("org/small",) * 2,
    ):
        done = ftorch("data", "check", "train.jsonl", "--model", model)
        assert done.exit_code == 0, done.output
        assert f"12 training examples, supervised, {tokens_of(folder):,} tokens of {name}" in done.stdout
        assert done.stderr == ""


def test_json_names_the_tokenizer(folder: Path) -> None:
    for model, name in (("models/small", "small"), ("gpt-4.1-mini", None)):
        found = json.loads(ftorch("data", "check", "train.jsonl", "--model", model, "--json").stdout)
        assert found["files"][0]["tokenizer"] == name
    assert found["files"][0]["tokens"] != tokens_of(folder)


@pytest.mark.usefixtures("folder")
def test_findings_of_the_model_are_errors_of_the_check(home: Path) -> None:
    (home / "train.jsonl").write_text("\n".join(map(json.dumps, [*ROWS, LONG])))
    done = ftorch("data", "check", "train.jsonl", "--model", "models/small")
    assert done.exit_code == 1
    assert "train.jsonl:13: FT501 error: the example has " in done.stdout
    assert " tokens, but small takes at most 512" in done.stdout
    assert ftorch("data", "check", "train.jsonl").exit_code == 0


@pytest.mark.usefixtures("folder")
def test_a_model_that_is_not_downloaded_is_a_note_and_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "cache"))
    done = ftorch("data", "check", "train.jsonl", "--model", "org/large")
    assert done.exit_code == 0
    assert "Note: org/large is not tried, and tokens are an estimate." in done.stderr
    assert "hf download org/large" in done.stderr


@pytest.mark.usefixtures("folder")
def test_a_misspelt_hosted_model_is_still_a_note(home: Path) -> None:
    assert (
        'did you mean "gpt-4.1-mini"?' in ftorch("data", "check", "train.jsonl", "--model", "gpt-4.1-mimi").stderr
    )


def test_a_folder_that_is_no_model_is_a_usage_error(folder: Path, home: Path) -> None:
    (home / "empty").mkdir()
    for path, problem in (("./empty", "it has no tokenizer.json"), ("./nowhere", "it does not exist")):
        done = ftorch("data", "check", "train.jsonl", "--model", path)
        assert done.exit_code == 2
        assert problem in done.stderr
    (folder / "tokenizer.json").write_text("{}")
    assert ftorch("data", "check", "train.jsonl", "--model", "models/small").exit_code == 2


@pytest.mark.usefixtures("folder")
def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    done = ftorch("data", "check", "train.jsonl", "--model", "models/small")
    assert done.exit_code == 1
    assert "needs tokenizers, which is not installed. Run:" in done.stderr


def test_the_package_checks_like_the_command(folder: Path, home: Path) -> None:
    [checked] = orchestrator.check(home / "train.jsonl", model=str(folder))
    assert (checked.report.tokenizer, checked.report.tokens) == ("small", tokens_of(folder))


@pytest.mark.usefixtures("folder")
def test_names_and_folders_are_completed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "cache"))
    cached_model(home / "cache", "org/small")
    (home / "ftorch.toml").write_text('[models]\nmine = "models/small"\n')

    def completed(start: str) -> list[tuple[str, str]]:
        parameter = click.Option(["--model"])
        found = complete_base(click.Context(click.Command("check")), parameter, start)
        return [(item.value, item.type) for item in found]

    assert completed("") == [("mine", "plain"), ("org/small", "plain")]
    assert completed("m") == [("mine", "plain")]
    assert completed("./mod") == [("./mod", "dir")]
    (home / "ftorch.toml").write_text("[models\n")
    assert completed("") == []


# --- Job files and their plans -----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = make_project(tmp_path / "project")
    folder = model_folder(found.root / "models" / "small")
    (folder / "model.safetensors").write_bytes(b"weights")
    (found.root / "jobs" / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    found.write_job(model='model = "../models/small"')
    return found


def test_a_job_of_an_open_weights_model_is_checked_with_it(project: Project) -> None:
    tokens = tokens_of(project.root / "models" / "small")
    checked = project.ftorch("data", "check", "jobs/greet.toml")
    assert f"{tokens:,} tokens of small" in checked.out
    assert "tokens of" not in project.ftorch("data", "check", "jobs/greet.toml", "--model", "gpt-4.1-mini").out


def test_a_plan_counts_with_the_models_tokenizer(project: Project) -> None:
    tokens = tokens_of(project.root / "models" / "small")
    shown = " ".join(project.ftorch("submit", "jobs/greet.toml", "--dry-run").err.split())
    assert f"12 examples, {tokens:,} tokens of small, " in shown
    plan = json.loads(project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json").out)
    assert (plan["files"][0]["tokens"], plan["files"][0]["tokenizer"]) == (tokens, "small")


def test_a_row_that_the_model_can_not_take_is_not_submitted(project: Project) -> None:
    (project.root / "jobs" / "train.jsonl").write_text("\n".join(map(json.dumps, [*ROWS, LONG])))
    done = project.ftorch("submit", "jobs/greet.toml", "--yes")
    assert done.code == 1
    assert "FT501" in done.err
    assert not json.loads(project.ftorch("status", "--json").out)


def test_without_the_extra_a_plan_says_that_its_tokens_are_an_estimate(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    shown = " ".join(project.ftorch("submit", "jobs/greet.toml", "--dry-run").err.split())
    assert "12 examples, about " in shown
    assert "FT905 model not tried" in shown
    checked = project.ftorch("data", "check", "jobs/greet.toml")
    assert checked.code == 0
    assert "FT905 warning: the examples were not rendered for small" in checked.out
    assert "fix: Install it: " in checked.out
