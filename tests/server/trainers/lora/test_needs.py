"""What the trainer's Python needs is in the extra, although ftorch itself is not installed there."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
PROGRAMS = ("training.program", "training.run", "training.checking", "serving.host", "serving.desk", "merge")


def file_of(module: str) -> Path | None:
    """The file of one of our modules; None for any other."""
    parts = module.split(".")
    if parts[0] != "orchestrator":
        return None
    path = PACKAGE.joinpath(*parts[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported_by(path: Path) -> set[str]:
    """The modules that are imported when this file is."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
            found |= {each for alias in node.names if (each := f"{node.module}.{alias.name}") and is_ours(each)}
    return found


def is_ours(module: str) -> bool:
    path = file_of(module)
    return path is not None and path.is_file()


def test_what_training_and_serving_import_is_in_the_extra() -> None:
    waiting = [f"orchestrator.server.trainers.lora.{name}" for name in PROGRAMS]
    seen: set[str] = set()
    foreign: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for each in imported_by(file_of(module)):
            (waiting.append if is_ours(each) else lambda name: foreign.add(name.split(".")[0]))(each)
    declared = {re.match(r"[\w-]+", each)[0] for each in PROJECT["optional-dependencies"]["lora"]}
    assert {"torch", "orjson"} <= foreign
    assert foreign - set(sys.stdlib_module_names) - declared == set()
