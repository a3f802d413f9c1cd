"""Processes that we start get what they need to run, and no key."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import orchestrator
from orchestrator.childenv import child_environment
from orchestrator.server.launchers.environment import python_environment

SUPERVISOR = "server/trainers/lora/serving/supervisor.py"
"""It is started with such an environment, and passes that on."""
STARTS = ("Popen", "run", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell")


def starts() -> list[tuple[str, ast.Call]]:
    """Every call in the package that starts a process."""
    package = Path(orchestrator.__file__).parent
    return [
        (f"{path.relative_to(package)}:{call.lineno}", call)
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).as_posix() != SUPERVISOR
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in STARTS
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id == "subprocess" or call.func.attr.startswith("create_"))
    ]


def test_every_process_gets_an_environment_without_keys() -> None:
    found = starts()
    assert len(found) >= 3
    for place, call in found:
        [environment] = [word.value for word in call.keywords if word.arg == "env"] or [None]
        assert isinstance(environment, ast.Call), place
        assert isinstance(environment.func, ast.Name), place
        assert environment.func.id in ("child_environment", "python_environment"), place


def test_no_key_is_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_TOKEN", "FTORCH_DATABASE_URL"):
        monkeypatch.setenv(name, "canary")
    found = child_environment(MORE="1")
    assert "canary" not in found.values()
    assert (found["PATH"], found["MORE"]) == (os.environ["PATH"], "1")
    trainers = python_environment(tmp_path, MORE="1")
    assert "canary" not in trainers.values()
    assert (trainers["PATH"], trainers["MORE"]) == (os.environ["PATH"], "1")
