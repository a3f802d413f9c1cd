"""What each command loads: nothing heavy before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
from support.modelfolders import model_folder
from support.rows import said

from orchestrator.cli import main

HEAVY = {"sqlalchemy", "alembic", "openai", "numpy", "starlette", "pydantic", "rich", "asyncio"}


def loaded(commands: list[str], folder: Path) -> set[str]:
    """The packages that are loaded when these commands have ended, one after the other in one process."""
    program = (
        "import sys; from orchestrator.cli import main\n"
        f"for command in {commands!r}:\n"
        "    try: main(command.split())\n"
        "    except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_and_version_load_click_alone(tmp_path: Path) -> None:
    assert not loaded(["--help", "--version"], tmp_path) & HEAVY


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


def test_reading_what_is_recorded_loads_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("")
    commands = ["show drone", "logs drone", "models", "endpoints list"]
    assert not loaded(commands, tmp_path) & {"alembic", "openai", "starlette", "pydantic", "numpy"}


def test_a_tokenizer_is_loaded_only_for_an_open_weights_model_and_torch_never(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(said('Up.'))}\n" * 10)
    model_folder(tmp_path / "small")
    heavy = {"openai", "starlette", "pydantic", "sqlalchemy", "torch", "transformers", "huggingface_hub"}
    found = loaded(["data check train.jsonl", "data preview --help"], tmp_path)
    assert not found & {*heavy, "tokenizers", "jinja2"}
    found = loaded(["data check train.jsonl --model ./small", "data preview train.jsonl --model ./small"], tmp_path)
    assert {"tokenizers", "jinja2"} <= found
    assert not found & heavy


def test_what_asks_no_endpoint_loads_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("")
    assert "openai" not in loaded(["sweep list", "sweep show drone", "deployments", "cancel drone"], tmp_path)
