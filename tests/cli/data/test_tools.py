"""`ftorch data tools`: definitions for training data, the same that a chat sends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.command import ftorch

ROOT = Path(__file__).parents[3]
STOCK = ROOT / "jobs" / "stock"


@pytest.fixture(autouse=True)
def own_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def definitions(folder: Path) -> list[object]:
    return list(json.loads((folder / "train.jsonl").read_text().splitlines()[0])["tools"])


def test_the_definitions_are_those_of_the_training_data() -> None:
    done = ftorch("data", "tools", str(STOCK / "tools.py"))
    assert json.loads(done.stdout) == definitions(STOCK)
    assert done.stderr.startswith("2 tools, about ")


@pytest.mark.parametrize("variant", ["no-descriptions", "no-parameters"])
def test_they_can_be_as_short_as_those_of_shortened_data(variant: str) -> None:
    done = ftorch("data", "tools", str(STOCK / "tools.py"), "--variant", variant)
    assert json.loads(done.stdout) == definitions(STOCK / variant)


def test_what_a_file_prints_is_no_definition(home: Path) -> None:
    (home / "loud.py").write_text("print('hello')\ndef land(): ...\n")
    done = ftorch("data", "tools", "loud.py")
    assert json.loads(done.stdout)[0]["function"]["name"] == "land"
    assert done.stderr.startswith("hello\n1 tool, about ")


def test_a_function_that_can_not_be_a_tool_is_named_with_its_line(home: Path) -> None:
    (home / "bad.py").write_text("\ndef fly(to): ...\n")
    done = ftorch("data", "tools", "bad.py")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "bad.py:2: the function fly can't be a tool: the parameter to has no type hint" in done.stderr
