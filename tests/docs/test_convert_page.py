"""The commands of docs/convert-and-shorten.md print what the page shows."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from support.project import make_project

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "convert-and-shorten.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.copytree(ROOT / "jobs", project.root / "jobs", dirs_exist_ok=True)
    (project.root / "calls.csv").write_text(block("csv"))
    (project.root / "tools.json").write_text(block("json"))
    consoles = re.findall(r"^```console\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    steps = [step for console in consoles for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]]
    assert len(steps) == 4
    for step in steps:
        command, _, shown = step.partition("\n")
        done = project.ftorch(*shlex.split(command)[1:])
        assert done.code == 0, done.err
        assert [line.rstrip() for line in done.out.splitlines()] == shown.splitlines()
