"""docs/data.md and docs/convert.md beside the code: their tables are not stale, and their options exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from orchestrator.cli.data import data
from orchestrator.dataset.formats import FORMATS, SHAPES
from orchestrator.dataset.rules import RULES

DOCS = Path(__file__).parents[2] / "docs"
CHECKS, CONVERT = ((DOCS / name).read_text(encoding="utf-8") for name in ("data.md", "convert.md"))


def options(command: str) -> set[str]:
    return {option for each in data.commands[command].params for option in each.opts if option.startswith("--")}


@pytest.mark.parametrize(("name", "page"), [("data.md", CHECKS), ("convert.md", CONVERT)])
def test_the_generated_table_is_not_stale(name: str, page: str) -> None:
    assert runpy.run_path(str(DOCS / "generate.py"))["page"](name) == page, "run: make docs"


def test_every_finding_has_one_line() -> None:
    for rule in RULES.values():
        lines = [line for line in CHECKS.splitlines() if line.startswith(f"| {rule.code} |")]
        assert len(lines) == 1, rule.code
        assert f"| {rule.code} | {rule.severity} | **" in lines[0]


def test_every_format_has_one_line() -> None:
    for each in FORMATS:
        assert CONVERT.count(f"`{each.shape} {each.options}".rstrip() + "` |") >= 1, each.name
    assert {each.shape for each in FORMATS} == set(SHAPES)


def test_every_option_of_check_is_explained() -> None:
    explained = set(re.findall(r"^\| `(--[a-z-]+)", CHECKS, flags=re.MULTILINE))
    assert explained == options("check") - {"--help"}


def test_options_that_the_pages_name_exist() -> None:
    known = {option for command in data.commands for option in options(command)}
    assert set(re.findall(r"(--[a-z][a-z-]+)", CHECKS + CONVERT)) <= known


def test_every_option_of_convert_is_named() -> None:
    assert options("convert") - {"--help", "--output"} <= set(re.findall(r"(--[a-z][a-z-]+)", CONVERT))
