"""docs/making-data.md beside the code: each reason for a dropped request is explained, its options exist."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.cli.data import data
from orchestrator.cli.evaluate import evaluate
from orchestrator.evaluation.logs.entries import CORRECTIONS
from orchestrator.generation.words import PROMPTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "making-data.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"(--[a-z][a-z-]+)", PAGE))


def test_every_reason_of_a_drop_is_explained() -> None:
    sources = [path.read_text() for path in (ROOT / "orchestrator" / "generation").rglob("*.py")]
    reasons = {word for text in sources for word in re.findall(r'Drop\([^)]*?"([a-z]+(?:-[a-z]+)+)"', text)}
    missing = {reason for reason in reasons if f"`{reason}`" not in PAGE}
    assert missing <= {"teacher-error", "verifier-error"}, missing  # the endpoint's own words follow those


def test_prompts_have_a_version() -> None:
    assert (ROOT / "orchestrator" / "generation" / "prompts" / f"{PROMPTS}.md").is_file()


def test_options_that_the_page_names_exist() -> None:
    commands = (data.commands["generate"], data.commands["augment"], evaluate)
    assert {option for command in commands for each in command.params for option in each.opts} >= NAMED
    assert {"--from-log", "--out-cases", "--out-training", "--case-share"} <= NAMED


def test_every_key_of_a_correction_is_named() -> None:
    assert all(f"`{key}`" in PAGE for key in CORRECTIONS)
