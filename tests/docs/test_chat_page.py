"""docs/chat.md: its commands print what it shows, its function is a tool, its options and exit codes exist."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import Project, make_project

from orchestrator.cli.ask import ask
from orchestrator.cli.chat import chat
from orchestrator.cli.data.convert import tools
from orchestrator.tools.functions import tool_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "chat.md").read_text(encoding="utf-8")
_EXAMPLES = 130
_PROMPTS = "What is the current price of Microsoft?\nWhat does a share of Zorblatt Dynamics cost now?\n"
STEPS = [
    step
    for console in re.findall(r"^```console\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The jobs of the checkout in a folder of their own, with fewer examples, which is quicker, and with a seed,
    so that the model says the same each time."""
    found = make_project(tmp_path_factory.mktemp("chat"))
    shutil.copytree(ROOT / "jobs", found.root / "jobs", dirs_exist_ok=True)
    job = found.root / "jobs" / "stock.toml"
    training = found.root / "jobs" / "stock" / "train.jsonl"
    training.write_text("".join(training.read_text().splitlines(keepends=True)[:_EXAMPLES]))
    job.write_text("seed = 1\n" + job.read_text().replace('validation_file = "stock/validation.jsonl"\n', ""))
    (found.root / "prompts.txt").write_text(_PROMPTS)
    return found


def test_the_commands_print_what_the_page_shows(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("HOME", str(project.root / "home"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert len(STEPS) == 7
    for step in STEPS:
        command, _, shown = step.partition("\n")
        arguments = shlex.split(command)[1:]
        if command.startswith("cat"):
            assert shown == _PROMPTS
        elif arguments[0] == "submit":
            assert project.ftorch(*arguments).code == 0
        else:
            assert re.fullmatch(_pattern(shown), ftorch(*arguments).output, re.DOTALL), step


def _pattern(shown: str) -> str:
    """A model's id is its own, and what stands for the rest of a line or of several lines may be any."""
    found = re.escape(shown).replace("…", ".*")
    return re.sub(r":stock:\w+", r":stock:\\w+", found)


def test_the_function_of_the_page_is_a_tool() -> None:
    names: dict[str, Callable[..., str]] = {}
    code = re.search(r"^```python\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert code is not None
    exec(code[1], names)
    function = tool_of(names["set_lamp"]).definition["function"]
    assert function["description"] == "Switch the lamp of a room."
    assert function["parameters"]["required"] == ["room", "status"]
    assert function["parameters"]["properties"]["colour"] == {
        "type": "string",
        "description": "Name of a colour, for lamps that have several.",
    }


def test_options_that_the_page_names_exist_and_all_are_told() -> None:
    listed = [parameter for command in (ask, chat) for parameter in command.params]
    own = {option for each in listed for option in (*each.opts, *each.secondary_opts) if option.startswith("--")}
    others = {option for parameter in tools.params for option in parameter.opts}
    named = set(re.findall(r"(--[a-z][a-z-]+)", PAGE))
    assert named <= own | others
    assert own - {"--help"} <= named
