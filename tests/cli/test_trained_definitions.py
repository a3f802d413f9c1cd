"""A model that was trained with shortened definitions, asked with full ones and with those it knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import Project, make_project

BASE = "gpt-4.1-mini-2025-04-14"
EVALUATION = '[evaluation]\nfile = "short-cases.jsonl"\nauto = true\n'
WARNING = "Warning: tuned was trained with no-parameters definitions "


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A job trained and evaluated with shortened definitions; the cases are there in full too."""
    project = make_project(tmp_path_factory.mktemp("short"))
    rows = [json.loads(line) for line in (project.root / "jobs" / "train.jsonl").read_text().splitlines()]
    cases = []
    for room, row in zip(("garden", "garage", "kitchen"), rows, strict=False):
        row["messages"][0]["content"] = f"Switch on the light in the {room}"
        row["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"room": room})
        cases.append(json.dumps({"id": room, **row}) + "\n")
    (project.root / "jobs" / "cases.jsonl").write_text("".join(cases))
    for name in ("train", "cases"):
        cut = ("--drop", "descriptions,parameters", "-o", f"jobs/short-{name}.jsonl")
        done = project.ftorch("data", "shorten", f"jobs/{name}.jsonl", *cut)
        assert done.code == 0, done.err
    project.write_job(EVALUATION, training_file='training_file = "short-train.jsonl"')
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    return project


@pytest.fixture
def inside(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(trained.root)
    monkeypatch.setenv("HOME", str(trained.root / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    return trained


def test_a_model_asked_with_other_definitions_than_it_learned_is_warned_of(inside: Project) -> None:
    full = ftorch("evaluate", "greet", "--file", "jobs/cases.jsonl", "--dry-run")
    assert f"{WARNING}but is asked with full: add --variants no-parameters\n" in full.stderr
    both = ftorch(
        "evaluate", "greet", "--file", "jobs/cases.jsonl", "--variants", "full,no-parameters", "--dry-run"
    )
    assert f"{WARNING}and never saw full: judge it with no-parameters\n" in both.stderr
    same = ftorch("evaluate", "greet", "--dry-run")
    assert same.exit_code == 0, same.stderr
    assert "Warning" not in same.stderr


def test_the_base_in_full_is_compared_with_the_tuned_model_as_it_was_trained(inside: Project) -> None:
    asked = ftorch("evaluate", BASE, "--endpoint", "local", "--file", "jobs/cases.jsonl")
    assert asked.exit_code == 0, asked.stderr
    shown = ftorch("compare", BASE, "greet")
    assert shown.exit_code == 0, shown.stderr
    assert f"first   {BASE}@full" in shown.stdout
    assert "@no-parameters (evaluation" in shown.stdout
    assert "asked with full and no-parameters definitions; for others, name MODEL@VARIANT" in shown.stdout
    assert "The same requests with different tool definitions" in shown.stdout
    assert "Warning" not in shown.stdout
    found = json.loads(ftorch("compare", BASE, "greet", "--json").stdout)
    assert (found["first"]["variant"], found["second"]["variant"]) == ("full", "no-parameters")
    assert found["has_same_file"] is False
    explicit = json.loads(ftorch("compare", f"{BASE}@no-parameters", "greet@no-parameters", "--json").stdout)
    assert explicit["has_same_file"] is True


def test_a_variant_that_was_not_asked_ends_with_the_command_that_asks_it(inside: Project) -> None:
    refused = ftorch("compare", BASE, "greet@no-tools")
    assert refused.exit_code == 2
    assert "--variants no-tools" in refused.stderr
    unknown = ftorch("compare", BASE, "greet@short")
    assert (
        '"short" is not a variant; the variants are full, no-descriptions, no-parameters, no-tools'
        in unknown.stderr
    )


def test_other_requests_are_not_compared(inside: Project) -> None:
    text = (inside.root / "jobs" / "cases.jsonl").read_text().replace("Switch on", "Turn on")
    (inside.root / "jobs" / "others.jsonl").write_text(text)
    done = ftorch("evaluate", "gpt-4.1-nano", "--endpoint", "local", "--file", "jobs/others.jsonl")
    assert done.exit_code == 0, done.stderr
    refused = ftorch("compare", "gpt-4.1-nano", "greet")
    assert refused.exit_code == 2
    assert "on a file that gpt-4.1-nano was evaluated on" in refused.stderr


def test_other_expected_answers_are_not_compared(inside: Project) -> None:
    text = (inside.root / "jobs" / "cases.jsonl").read_text().replace("garage\\", "attic\\")
    assert "attic" in text
    (inside.root / "jobs" / "revised.jsonl").write_text(text)
    done = ftorch("evaluate", "gpt-4.1", "--endpoint", "local", "--file", "jobs/revised.jsonl")
    assert done.exit_code == 0, done.stderr
    assert ftorch("compare", "gpt-4.1", "greet").exit_code == 2


def test_a_model_asked_with_other_definitions_is_compared_with_a_warning(inside: Project) -> None:
    done = ftorch("evaluate", "greet", "--file", "jobs/cases.jsonl", "--variants", "full", "--models", "tuned")
    assert done.exit_code == 0, done.stderr
    shown = ftorch("compare", BASE, "greet@full")
    assert "was trained with no-parameters definitions but asked with full" in " ".join(shown.stdout.split())
    assert "--variants no-parameters" in shown.stdout


def test_a_model_is_evaluated_when_its_training_file_has_moved(inside: Project) -> None:
    """Last: it takes the file away."""
    path = inside.root / "jobs" / "short-train.jsonl"
    path.rename(path.with_name("elsewhere.jsonl"))
    try:
        for target in ("greet", "jobs/greet.toml"):
            done = ftorch("evaluate", target, "--rescore")
            assert done.exit_code == 0, done.stderr
            assert "short-train.jsonl has moved or changed: it was not checked for these cases" in done.stderr
            assert "call accuracy" in done.stdout
        full = ftorch("evaluate", "greet", "--file", "jobs/cases.jsonl", "--dry-run")
        assert f"{WARNING}but is asked with full" in full.stderr, "the variant is recorded"
    finally:
        path.with_name("elsewhere.jsonl").rename(path)


def test_a_model_is_evaluated_when_its_project_lost_the_job_file_too(inside: Project, tmp_path: Path) -> None:
    job = inside.root / "jobs" / "greet.toml"
    text = job.read_text()
    job.unlink()
    try:
        done = ftorch("evaluate", "greet", "--file", "jobs/short-cases.jsonl", "--rescore")
        assert done.exit_code == 0, done.stderr
    finally:
        job.write_text(text)
