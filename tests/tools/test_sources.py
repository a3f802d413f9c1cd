"""Finding the functions that are named on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ToolsUnusable
from orchestrator.tools.sources import load_tools

FILE = """
from dataclasses import dataclass
from json import dumps
from neighbour import UNIT

@dataclass
class Place:
    name: str

def climb(height: int) -> str:
    return f"{height} {UNIT}"

def _secret(x: int) -> int: ...

def fly(to: Place) -> str: ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    (tmp_path / "neighbour.py").write_text('UNIT = "metres"')
    (tmp_path / "drone.py").write_text(FILE)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def names(*sources: str) -> list[str]:
    return [tool.name for tool in load_tools(sources)]


@pytest.mark.parametrize("source", ["drone.py", "./drone.py", "drone"])
def test_a_file_or_module_gives_the_public_functions_it_defines(source: str) -> None:
    assert names(source) == ["climb", "fly"]


@pytest.mark.parametrize("source", ["drone.py:fly", "drone:fly", "drone:_secret"])
def test_one_function_can_be_named(source: str) -> None:
    assert names(source) == [source.rpartition(":")[2]]


def test_all_decides_what_is_public(folder: Path) -> None:
    (folder / "small.py").write_text('__all__ = ["b"]\ndef a(): ...\ndef b(): ...\n')
    assert names("small.py", "drone.py:climb") == ["b", "climb"]


def test_two_functions_of_one_name_are_refused(folder: Path) -> None:
    (folder / "other.py").write_text("def climb(): ...")
    assert names("drone:climb", "drone:climb") == ["climb"]
    with pytest.raises(ToolsUnusable, match='two functions are called "climb"'):
        names("drone.py", "other.py")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("gone.py", "there is no file gone.py. Use FILE.py, package.module:function, or FILE.json"),
        ("gone.module:f", "there is no module gone"),
        ("drone.py:climp", "there is no function climp. The nearest name is climb."),
        ("drone.py:Place", "Place is not a function"),
        ("neighbour.py", "it defines no public function"),
        ("", '"" is neither a Python file nor the name of a module'),
        ("a b", "there is no module a b"),
    ],
)
def test_what_is_not_there_is_said(source: str, problem: str) -> None:
    with pytest.raises(ToolsUnusable) as caught:
        names(source)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nimport nowhere", "broken.py:2: ModuleNotFoundError: No module named 'nowhere'"),
        ("def f(:", "broken.py:1: invalid syntax"),
        ("x = 1\n\ny = x / 0", "broken.py:3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "broken.py:1: SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("source", ["broken.py", "broken"])
def test_a_file_that_can_not_be_imported_says_where(source: str, text: str, problem: str, folder: Path) -> None:
    (folder / "broken.py").write_text(text)
    with pytest.raises(ToolsUnusable) as caught:
        names(source)
    assert problem in str(caught.value)
