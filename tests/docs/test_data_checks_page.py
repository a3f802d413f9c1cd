"""docs/data-checks.md is what the table of kinds says, and docs/data.md what the command does."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from glob import glob
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.dataset.rules import RULES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "data-checks.md").read_text(encoding="utf-8")
GUIDE = (DOCS / "data.md").read_text(encoding="utf-8")
CHECKS = re.findall(r"^\$ ftorch (data check .+?)(?:\s+#.*)?$", GUIDE, flags=re.MULTILINE)


def test_the_pages_are_not_stale() -> None:
    generated = runpy.run_path(str(DOCS / "generate.py"))
    assert generated["data_checks_page"]() == PAGE, "run: make docs"
    assert generated["formats_page"]() == (DOCS / "formats.md").read_text(encoding="utf-8"), "run: make docs"


def test_every_code_has_its_section() -> None:
    for kind in RULES.values():
        assert f"### {kind.code} {kind.title}\n" in PAGE


@pytest.mark.parametrize("command", CHECKS)
def test_the_commands_of_the_guide_find_the_shipped_data_clean(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    arguments = [found for word in shlex.split(command) for found in (sorted(glob(word)) or [word])]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output


def test_the_output_of_the_guide_is_what_is_printed(home: Path) -> None:
    lines = (ROOT / "jobs" / "drone" / "train.jsonl").read_text().splitlines()
    for number in (8, 10):
        row = json.loads(lines[number - 1])
        function = row["messages"][-1]["tool_calls"][0]["function"]
        function["arguments"] = function["arguments"].removesuffix("}")
        lines[number - 1] = json.dumps(row)
    (home / "train.jsonl").write_text("\n".join(lines))
    shown = CliRunner().invoke(main, ["data", "check", "train.jsonl"], catch_exceptions=False).stdout
    assert f"```\n{shown}```\n" in GUIDE
