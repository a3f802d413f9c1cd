"""What `submit`, `show` and their --json tell of the data check."""

from __future__ import annotations

import json

import pytest
from support.project import Project, make_project


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project whose job was submitted once, and what was said."""
    project = make_project(tmp_path_factory.mktemp("submitted"))
    done = project.ftorch("submit", "jobs/greet.toml")
    assert done.code == 0, done.err
    return project, done.err


def test_warnings_are_shown_by_kind_with_the_command_that_shows_more(submitted: tuple[Project, str]) -> None:
    said = submitted[1]
    assert "Warning: jobs/train.jsonl: FT601 few examples" in " ".join(said.split())
    assert "see them: ftorch data check jobs/greet.toml" in said


def test_the_command_named_shows_the_same_kinds(submitted: tuple[Project, str]) -> None:
    project, _ = submitted
    planned = json.loads(project.ftorch("submit", "jobs/greet.toml", "--dry-run", "--json").out)
    checked = json.loads(project.ftorch("data", "check", "jobs/greet.toml", "--json").out)
    assert planned["files"][0]["findings"] == checked["files"][0]["counts"] != {}


def test_show_tells_what_was_found_and_how_tools_are_defined(submitted: tuple[Project, str]) -> None:
    shown = " ".join(submitted[0].ftorch("show", "greet").out.split())
    assert "12 examples" in shown
    assert "tool definitions: full" in shown
    assert "FT601 few examples" in shown


def test_show_json_holds_the_check_of_each_file(submitted: tuple[Project, str]) -> None:
    details = json.loads(submitted[0].ftorch("show", "greet", "--json").out)
    [training] = details["files"]
    assert training["check"]["examples"] == 12
    assert training["check"]["tokens"] == details["tokens_per_epoch"]
    assert training["check"]["variant"] == "full"
    assert training["check"]["findings"]["FT601"] == 1
    assert training["check"]["checked_at"].endswith("+00:00")
