"""What README.md says is there; test_pages.py runs its commands."""

from __future__ import annotations

import re
import tomllib
from itertools import product
from pathlib import Path

import pytest

from orchestrator.jobfile import Sweep

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (.+?)(?:\s+#.*)?$", README, flags=re.MULTILINE)


def test_the_two_commands_are_in_it() -> None:
    assert {"make demo", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("make ")])
def test_each_make_target_exists(command: str) -> None:
    target = command.split()[1]
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_sweep_it_shows_has_the_nine_models_it_says() -> None:
    shown = tomllib.loads(README.split("```toml\n")[1].split("```")[0])["sweep"]
    Sweep.model_validate(shown)
    assert len(list(product(*shown["space"].values()))) == 9
    assert "trains nine models" in README


PAGES = sorted([ROOT / "README.md", ROOT / "jobs" / "README.md", *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
