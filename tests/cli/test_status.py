"""`status`, `show`, `logs`, `models`, `endpoints`: what is recorded, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

from support.project import Project, make_project


def test_reading_commands_leave_no_state_behind(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for command in (["status"], ["status", "--json"], ["models"], ["resume"], ["endpoints"]):
        assert project.ftorch(*command).code == 0
    assert not (project.root / ".ftorch").exists()


def test_status_is_one_line_for_a_run_and_a_summary(trained: Project) -> None:
    shown = trained.ftorch("status").out
    [run] = trained.status()
    assert f"{run['run']}  greet" in shown
    assert str(run["fine_tuned_model"]) in shown
    assert "1 run: 1 succeeded" in shown


def test_status_json_has_the_documented_keys(trained: Project) -> None:
    [run] = trained.status()
    documented = ["run", "name", "sweep", "endpoint", "state", "remote_status", "job_id", "fine_tuned_model"]
    assert {*documented, "created_at", "updated_at"} <= set(run)
    assert run["state"] == run["remote_status"] == "succeeded"
    assert str(run["created_at"]).endswith("+00:00")


def test_show_has_history_files_curve_and_how_to_call(trained: Project) -> None:
    [run] = trained.status()
    shown = trained.ftorch("show", str(run["run"])[:3]).out
    for part in ("uploading", "creating", "sha256", "jobs/train.jsonl", "Loss", "Checkpoints", "ftorch serve"):
        assert part in shown
    for state in ("pending", "collecting", "succeeded"):
        assert state in shown


def test_show_json_holds_every_step_and_every_move(trained: Project) -> None:
    details = json.loads(trained.ftorch("show", "greet", "--json").out)
    assert [move["to"] for move in details["history"]][:3] == ["pending", "uploading", "creating"]
    assert [metric["step"] for metric in details["metrics"]] == list(range(1, details["total_steps"] + 1))
    assert details["files"][0]["file_id"].startswith("file-")
    assert details["resolved_hyperparameters"]["n_epochs"] == 1


def test_logs_are_the_endpoints_events_oldest_first(trained: Project) -> None:
    lines = trained.ftorch("logs", "greet").out.splitlines()
    assert "Created fine-tuning job" in "\n".join(lines[:2])
    assert "completed" in lines[-1]
    assert lines == sorted(lines, key=lambda line: line[:19])


def test_models_lists_the_result(trained: Project) -> None:
    [model] = json.loads(trained.ftorch("models", "--json").out)
    assert model["model"] == trained.status()[0]["fine_tuned_model"]
    assert model["model"] in trained.ftorch("models").out


def test_an_unknown_run_is_told_with_the_next_step(trained: Project) -> None:
    for command in ("show", "logs", "cancel", "pause", "unpause", "resume"):
        done = trained.ftorch(command, "zzzz")
        assert done.code == 2
        assert 'no run "zzzz"' in done.err
        assert "ftorch status" in done.err


def test_a_run_that_is_over_can_no_longer_be_changed(trained: Project) -> None:
    for command in ("cancel", "pause", "unpause"):
        done = trained.ftorch(command, "greet")
        assert done.code == 2
        assert "it has finished (succeeded)" in done.err


def test_endpoints_says_which_are_usable_and_why_not(trained: Project) -> None:
    found = {each["name"]: each for each in json.loads(trained.ftorch("endpoints", "--json").out)}
    assert found["local"]["usable"] is True
    assert "OPENAI_API_KEY is not set" in found["openai"]["problem"]
    assert "OPENAI_API_KEY" in trained.ftorch("endpoints").out


def test_check_makes_a_harmless_request(trained: Project) -> None:
    done = trained.ftorch("endpoints", "check", "local")
    assert done.code == 0
    assert "it answers" in done.out


def test_the_version_and_the_help(trained: Project) -> None:
    assert trained.ftorch("--version").out.startswith("ftorch 0.")
    assert "submit" in trained.ftorch("--help").out


def test_no_escape_sequence_from_a_job_file_reaches_the_terminal(trained: Project) -> None:
    text = 'name = "a"\nmodel = "m\\u001b[31m"\n[data]\ntraining_file = "train.jsonl"\n'
    (trained.root / "jobs" / "escape.toml").write_text(text)
    done = trained.ftorch("submit", "jobs/escape.toml")
    assert done.code == 2
    assert "\x1b" not in done.err


def test_a_table_in_a_pipe_has_no_blanks_at_the_ends_of_lines(project: Project) -> None:
    assert project.ftorch("submit", "jobs/greet.toml").code == 0
    for command in (["status"], ["show", "greet"], ["models"], ["submit", "jobs/greet.toml", "--dry-run"]):
        lines = project.ftorch(*command).out.splitlines()
        assert lines == [line.rstrip() for line in lines]
