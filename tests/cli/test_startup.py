"""What each command loads: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from orchestrator.cli import main

HEAVY = {"sqlalchemy", "alembic", "openai", "numpy", "starlette", "pydantic", "rich", "asyncio"}


def loaded(arguments: list[str], folder: Path) -> set[str]:
    """The packages that are loaded when the command has ended."""
    program = (
        "import sys; from orchestrator.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_click_alone(option: str, tmp_path: Path) -> None:
    assert not loaded([option], tmp_path) & HEAVY


def test_the_list_of_commands_says_what_each_command_says_of_itself() -> None:
    context = click.Context(main)
    for name, (_, text) in main.lazy.items():
        command = main.get_command(context, name)
        assert command is not None
        for limit in (30, 45, 60):
            assert click.Command(name, help=text).get_short_help_str(limit) == command.get_short_help_str(limit)


def test_status_loads_the_database_and_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("")
    found = loaded(["status"], tmp_path)
    assert "sqlalchemy" in found
    assert not found & {"alembic", "openai", "starlette", "pydantic", "numpy"}


@pytest.mark.parametrize("command", ["show drone", "logs drone", "models", "endpoints list"])
def test_reading_what_is_recorded_loads_no_sdk(command: str, tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("")
    assert not loaded(command.split(), tmp_path) & {"alembic", "openai", "starlette", "pydantic", "numpy"}


@pytest.mark.parametrize("command", ["sweep list", "sweep show drone", "deployments", "cancel drone"])
def test_what_asks_no_endpoint_loads_no_sdk(command: str, tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("")
    assert "openai" not in loaded(command.split(), tmp_path)
