"""docs/closing-the-loop.md: its example does what the page shows, and its files train and evaluate."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.command import ftorch
from support.project import make_project

from orchestrator.cli.evaluate import evaluate
from orchestrator.evaluation.logs.entries import CORRECTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "closing-the-loop.md").read_text(encoding="utf-8")
EXAMPLE, AGAIN = re.findall(r"^```console\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def jobs(home: Path) -> Path:
    """The jobs of the checkout and the log of the page, in the current folder."""
    project = make_project(home)
    shutil.copytree(ROOT / "jobs", project.root / "jobs", dirs_exist_ok=True)
    shutil.copy(ROOT / "docs" / "examples" / "stock-requests.jsonl", project.root / "requests.jsonl")
    return project.root / "jobs"


def test_the_example_does_what_the_page_shows(jobs: Path) -> None:
    command, *shown = EXAMPLE.splitlines()
    done = ftorch(*shlex.split(command.removeprefix("$ ftorch ")))
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[: len(shown)] == shown
    assert "By slice" in done.stdout
    for step in AGAIN.splitlines()[:2]:
        source, target = step.removeprefix("$ cat ").split(" >> ")
        with Path(target).open("a") as stream:
            stream.write(Path(source).read_text())
    checked = ftorch("data", "check", "jobs/stock.toml", "--json")
    assert checked.exit_code == 0, checked.stdout
    assert "FT606" not in checked.stdout, "no example stands in two of the files"
    assert ftorch("evaluate", "jobs/stock.toml", "--models", "base", "--dry-run").exit_code == 0


def test_the_page_names_the_options_and_keys_that_there_are() -> None:
    known = {option for each in evaluate.params for option in each.opts}
    assert set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) <= known
    assert {"--from-log", "--out-cases", "--out-training", "--case-share"} <= set(re.findall(r"--[a-z-]+", PAGE))
    assert all(f"`{key}`" in PAGE for key in CORRECTIONS)
