"""`ftorch evaluate --from-log` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import ftorch
from support.logs import exchange, rows_of, write_log
from support.project import Project, make_project

HALL = {"name": "light_room", "arguments": {"room": "hall"}}


@pytest.fixture
def project(home: Path) -> Project:
    """A project as the current folder, with a log of eight requests beside its job file."""
    found = make_project(home)
    rooms = ("garden", "garage", "kitchen", "stairs", "loft", "den")
    rows = [exchange(f"Some light for the {room}, thanks a lot", room, rating="good") for room in rooms]
    rows += [exchange("Switch on the light in the hall", "roof", correction=HALL), exchange("What?", "roof")]
    write_log(home / "log.jsonl", rows)
    return found


def test_without_a_job_file_the_files_are_written_and_nothing_is_asked(project: Project) -> None:
    done = ftorch("evaluate", "--from-log", "log.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["requests"], found["left_out"]) == (8, 1)
    assert [line["line"] for line in found["lines"]] == [8]
    assert [file["path"] for file in found["files"]] == ["log.cases.jsonl", "log.training.jsonl"]
    assert sum(file["examples"] for file in found["files"]) == 7
    assert not (project.root / ".ftorch").exists()


def test_with_a_job_file_its_data_is_respected_and_its_models_are_asked(project: Project) -> None:
    options = ("--models", "base", "--out-cases", "new.jsonl", "--json")
    done = ftorch("evaluate", "jobs/greet.toml", "--from-log", "log.jsonl", *options)
    assert done.exit_code == 0, done.stderr
    assert "log.jsonl:7: it is already in jobs/train.jsonl, on line 1" in done.stderr
    assert len(rows_of(project.root / "new.jsonl")) == 6
    assert json.loads(done.stdout)["models"][0]["slices"]["confirmed"]["answers"] == 6


def test_what_makes_no_sense_is_said_and_writes_nothing(project: Project) -> None:
    for words, sentence in [
        ((), "name what to evaluate: a job file, a run or a model"),
        (("jobs/greet.toml", "--out-cases", "a.jsonl"), "--case-share need --from-log LOG"),
        (("--from-log", "log.jsonl", "--file", "a.jsonl"), "--file and --from-log can't be combined"),
        (("--from-log", "nolog.jsonl"), "There is no data file nolog.jsonl"),
        (("--from-log", "log.jsonl", "--out-cases", "log.jsonl"), "log.jsonl already exists"),
    ]:
        done = ftorch("evaluate", *words)
        assert (done.exit_code, sentence in done.stderr) == (2, True), done.stderr
    assert sorted(path.name for path in project.root.glob("*.jsonl")) == ["log.jsonl"]
