"""docs/sweeps.md beside the code: its tables load, its commands exist, and no strategy or rule is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
import pytest

from orchestrator.cli import main
from orchestrator.jobfile import load_job_file
from orchestrator.jobfile.sweep import STOPS, Strategy

PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"(?:^\$ |`)(ftorch [^`#\n]+)", PAGE, flags=re.MULTILINE)
JOB = 'name = "page"\nmodel = "gpt-4.1-mini"\n[data]\ntraining_file = "a.jsonl"\nvalidation_file = "b.jsonl"\n'


@pytest.mark.parametrize("table", re.findall(r"```toml\n(.+?)```", PAGE, flags=re.DOTALL))
def test_each_table_is_a_valid_one(table: str, tmp_path: Path) -> None:
    (tmp_path / "drone").mkdir()
    for name in ("a.jsonl", "b.jsonl", "drone/evaluation.jsonl"):
        (tmp_path / name).touch()
    path = tmp_path / "page.toml"
    path.write_text(JOB + table)
    assert load_job_file(path).sweep is not None


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_and_option_exists(line: str) -> None:
    command: click.Command = main
    words = line.split()[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_strategy_and_rule_is_told() -> None:
    assert len(COMMANDS) >= 8
    for name in (*get_args(Strategy), *STOPS):
        assert name in PAGE
