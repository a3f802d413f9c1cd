"""`--set` and `--model`: settings of a job file, replaced for one command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.project import Project

JOB = "jobs/greet.toml"
OTHER = "gpt-4.1-nano-2025-04-14"


def plan(project: Project, *options: str) -> dict[str, Any]:
    done = project.ftorch("submit", JOB, "--dry-run", "--json", *options)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_the_plan_uses_and_names_what_was_set(project: Project) -> None:
    found = plan(project, "--set", "method.n_epochs=5", "--model", OTHER)
    assert found["overrides"] == {"method.n_epochs": 5, "model": OTHER}
    assert (found["epochs"], found["model"]) == (5, OTHER)
    shown = project.ftorch("submit", JOB, "--dry-run", "--set", "method.n_epochs=5").err
    assert "set here" in shown
    assert "method.n_epochs = 5" in shown
    assert "set here" not in project.ftorch("submit", JOB, "--dry-run").err


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("suffix=night-flight", "suffix", "night-flight"),
        ('suffix="quoted"', "suffix", "quoted"),
        ("suffix = spaced", "suffix", "spaced"),
        ("metadata.day=2026-11-29", "metadata.day", "2026-11-29"),
        ("metadata.note=a = b", "metadata.note", "a = b"),
        ("method.learning_rate_multiplier=0.5", "method.learning_rate_multiplier", 0.5),
        ("data.allow_leak=true", "data.allow_leak", True),
        ("method={n_epochs = 4}", "method", {"n_epochs": 4}),
        ('metadata."odd key"=x', "metadata.odd key", "x"),
    ],
)
def test_a_value_is_toml_or_text_without_quotes(project: Project, setting: str, key: str, value: object) -> None:
    assert plan(project, "--set", setting)["overrides"] == {key: value}


def test_the_later_of_two_settings_holds_and_the_file_stays(project: Project) -> None:
    before = (project.root / JOB).read_text()
    assert plan(project, "--set", "method.n_epochs=2", "--set", "method.n_epochs=4")["epochs"] == 4
    assert (project.root / JOB).read_text() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--set", "method.n_epoch=5"],
            '--set method.n_epoch=5: unknown key "n_epoch" in [method]; did you mean "n_epochs"?',
        ),
        (
            ["--set", "method.n_epochs=many"],
            '--set method.n_epochs=many: method.n_epochs must be "auto" or a whole number from 1 to 50, not "many"',
        ),
        (
            ["--set", "suffix=12"],
            "--set suffix=12: suffix must be text in quotes, not 12; write --set 'suffix=\"12\"'",
        ),
        (["--model", "two words"], "--model two words: model must be a model name without spaces"),
        (
            ["--set", "n_epochs"],
            '"n_epochs" is no setting. Write --set KEY=VALUE, such as --set method.n_epochs=5.',
        ),
        (["--set", "=5"], "Write --set KEY=VALUE"),
        (["--set", "a..b=5"], "Write --set KEY=VALUE"),
    ],
)
@pytest.mark.parametrize("command", ["submit", "data check", "evaluate"])
def test_a_wrong_setting_is_named_by_its_option(
    project: Project, command: str, options: list[str], said: str
) -> None:
    if options[0] == "--model" and command != "submit":
        return
    done = project.ftorch(*command.split(), JOB, *options)
    assert done.code == 2
    assert said in done.err
    assert not (project.root / ".ftorch" / "local").exists()


def test_what_was_set_is_recorded_and_known_again(project: Project) -> None:
    first = project.ftorch("submit", JOB, "--set", "method.n_epochs=2", "--detach")
    assert first.code == 0, first.err
    assert project.ftorch("resume").code == 0
    [run] = project.status()
    run_id = run["run"]
    shown = json.loads(project.ftorch("show", str(run_id), "--json").out)
    assert shown["hyperparameters"]["n_epochs"] == 2
    again = project.ftorch("submit", JOB, "--set", "method.n_epochs=2")
    assert f"already submitted as run {run_id}" in again.err
    assert plan(project)["same_run"] is None
    assert plan(project, "--set", "method.n_epochs=2", "--set", "name=other")["trained_before"] != []


def test_a_sweep_takes_settings_too(project: Project) -> None:
    project.write_job("[sweep.space]\nn_epochs = [1, 2]\n", training_file=_BOTH)
    found = plan(project, "--set", "sweep.space.n_epochs=[1, 2, 3]")
    assert len(found["trials"]) == 3
    assert found["overrides"] == {"sweep.space.n_epochs": [1, 2, 3]}


_BOTH = 'training_file = "train.jsonl"\nvalidation_file = "train.jsonl"\nallow_leak = true'


def test_data_check_reads_the_file_that_was_set(project: Project) -> None:
    (project.root / "jobs" / "bad.jsonl").write_text("{}\n" * 10)
    assert project.ftorch("data", "check", JOB).code == 0
    assert "bad.jsonl" in project.ftorch("data", "check", JOB, "--set", "data.training_file=bad.jsonl").out


@pytest.mark.parametrize("command", ["data check jobs/train.jsonl", "evaluate greet"])
def test_settings_need_a_job_file(project: Project, command: str) -> None:
    done = project.ftorch(*command.split(), "--set", "name=x")
    assert done.code == 2
    assert "is not a job file, so --set has nothing to replace" in done.err
    assert project.ftorch("submit", JOB).code == 0


def test_evaluate_takes_settings(project: Project) -> None:
    project.write_job('[evaluation]\nfile = "train.jsonl"\nallow_leak = true\nmodels = ["base"]\n')
    done = project.ftorch("evaluate", JOB, "--dry-run", "--set", "evaluation.samples=3")
    assert done.code == 0, done.err
    assert "12 × 1 model × 3 samples" in " ".join(done.err.split())


@pytest.mark.parametrize("command", ["submit", "data check"])
def test_a_training_file_that_is_not_there_is_named_by_its_option(project: Project, command: str) -> None:
    done = project.ftorch(*command.split(), JOB, "--set", "data.training_file=no")
    assert done.code == 2
    assert "--set data.training_file=no: data.training_file: there is no file" in done.err
