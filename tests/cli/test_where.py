"""`where`, `help` and `-V`: finding one's way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def test_where_names_project_database_and_settings_and_makes_nothing(project: Project) -> None:
    found = json.loads(project.ftorch("where", "--json").out)
    assert found["project"] == str(project.root)
    assert found["database"] == f"{project.root}/.ftorch/ftorch.db (not created yet)"
    assert found["settings"] == str(project.root / "ftorch.toml")
    assert not (project.root / ".ftorch").exists()


def test_where_says_which_variable_decides_and_hides_a_password(project: Project) -> None:
    elsewhere = project.ftorch("where", FTORCH_HOME=str(project.root / "state"))
    assert f"{project.root}/state (from $FTORCH_HOME) (not created yet)" in elsewhere.out
    shared = project.ftorch("where", FTORCH_DATABASE_URL="postgresql://ann:geheim@db.example.com/runs")
    assert "postgresql://ann:***@db.example.com/runs (from $FTORCH_DATABASE_URL)" in shared.out
    assert "geheim" not in shared.out


def test_status_says_where_it_looked(project: Project) -> None:
    assert f"No runs yet in {project.root}/.ftorch" in " ".join(project.ftorch("status", COLUMNS="400").out.split())


def test_a_verbose_status_says_where_before_what(project: Project) -> None:
    where = project.ftorch("where").out
    shown = project.ftorch("status", "--verbose").out
    assert shown.startswith(f"{where}\nNo runs yet")


def test_help_shows_what_a_command_says_of_itself(project: Project) -> None:
    assert project.ftorch("help", "data", "check").out == project.ftorch("data", "check", "--help").out
    assert project.ftorch("-V").out == project.ftorch("--version").out
