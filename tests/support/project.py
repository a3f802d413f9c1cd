"""A project folder of its own for a test, and the command in it: inside this process, or as one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import command

FTORCH = str(Path(sys.executable).with_name("ftorch"))


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A folder with a job file, and `ftorch` run inside it."""

    root: Path
    environment: Mapping[str, str]

    def ftorch(self, *arguments: str, **environment: str) -> Result:
        """Run the command inside this process."""
        with self.entered(**environment):
            done = command.ftorch(*arguments)
        return Result(done.exit_code, done.stdout, done.stderr)

    def terminal(self, *arguments: str, typed: str = "", **environment: str) -> Result:
        """Run it inside this process, at a terminal where this is typed; `out` is all that it shows."""
        with self.entered(**environment):
            code, shown = command.at_terminal(*arguments, typed=typed)
        return Result(code, shown, "")

    @contextmanager
    def entered(self, **environment: str) -> Iterator[None]:
        """The project's folder as the current one, and its environment as that of this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            for name in os.environ.keys() - self.environment.keys():
                patch.delenv(name)
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            yield

    def process(self, *arguments: str, **environment: str) -> Result:
        """Run the command as a process: where one is killed, or several run at the same time."""
        done = subprocess.run(
            [FTORCH, *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def status(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.ftorch("status", "--json").out)
        return found

    def write_job(self, text: str = "", **replaced: str) -> Path:
        """`jobs/greet.toml`, with lines replaced by key, and more text at the end."""
        lines = {
            "name": 'name = "greet"',
            "endpoint": 'endpoint = "local"',
            "model": 'model = "gpt-4.1-mini-2025-04-14"',
            "data": "[data]",
            "training_file": 'training_file = "train.jsonl"',
            "method": "[method]",
            "n_epochs": "n_epochs = 1",
        } | replaced
        path = self.root / "jobs" / "greet.toml"
        path.write_text("\n".join([*lines.values(), text]) + "\n")
        return path


def make_project(root: Path) -> Project:
    """A project with twelve small examples, and nothing of this machine's settings."""
    (root / "jobs").mkdir(parents=True)
    (root / "home").mkdir()
    rows = [_row(place) for place in ("hall", "bath", "yard", "attic", "cellar", "porch") * 2]
    (root / "jobs" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "ftorch.toml").write_text("")
    keys = ("OPENAI", "FTORCH", "XDG_", "AZURE")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(keys)}
    found = Project(root, {**environment, "HOME": str(root / "home"), "COLUMNS": "120", "FTORCH_TRUST": "1"})
    found.write_job()
    return found


def _row(place: str) -> dict[str, object]:
    parameters = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
    function = {"name": "light_room", "description": "Switch the light of a room on", "parameters": parameters}
    call = {"name": "light_room", "arguments": json.dumps({"room": place})}
    return {
        "messages": [
            {"role": "user", "content": f"Switch on the light in the {place}"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            },
        ],
        "tools": [{"type": "function", "function": function}],
    }
