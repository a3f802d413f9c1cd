"""What docs/data.md shows of `data preview` is what SmolLM2-135M-Instruct gives; FTORCH_SMOLLM2 is its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.command import ftorch

ROOT = Path(__file__).parents[2]
SMOLLM2 = os.environ.get("FTORCH_SMOLLM2")


@pytest.mark.skipif(not SMOLLM2, reason="FTORCH_SMOLLM2 names no folder of SmolLM2-135M-Instruct")
def test_the_page_shows_what_smollm2_gives(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    (home / "jobs").symlink_to(ROOT / "jobs")
    (home / "models").mkdir()
    (home / "models" / "SmolLM2-135M-Instruct").symlink_to(Path(SMOLLM2 or "").resolve())
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    found = re.search(r"^\$ ftorch (data preview .+)\n((?:.+\n|\n)+?)```", page, flags=re.MULTILINE)
    assert found
    done = ftorch(*found[1].split())
    assert done.exit_code == 0, done.output
    printed = iter(done.stdout.splitlines())
    for line in found[2].splitlines():
        if line.strip() != "…":
            pattern = re.escape(line).replace("…", ".*")
            assert any(re.fullmatch(pattern, each.rstrip()) for each in printed), line
