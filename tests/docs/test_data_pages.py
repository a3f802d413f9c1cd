"""docs/data.md, convert.md and hosts.md beside the code: their tables are not stale, and their options exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import get_args

import pytest

from orchestrator.cli.data import data
from orchestrator.config import EndpointType
from orchestrator.dataset.formats import FORMATS, SHAPES
from orchestrator.dataset.rules import RULES

DOCS = Path(__file__).parents[2] / "docs"
CHECKS, CONVERT, HOSTS = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("data.md", "convert.md", "hosts.md")
)


def options(command: str) -> set[str]:
    return {option for each in data.commands[command].params for option in each.opts if option.startswith("--")}


@pytest.mark.parametrize(("name", "page"), [("data.md", CHECKS), ("convert.md", CONVERT), ("hosts.md", HOSTS)])
def test_the_generated_table_is_not_stale(name: str, page: str) -> None:
    assert runpy.run_path(str(DOCS / "generate.py"))["page"](name) == page, "run: make docs"


def test_every_finding_has_one_line() -> None:
    for rule in RULES.values():
        lines = [line for line in CHECKS.splitlines() if line.startswith(f"| {rule.code} |")]
        assert len(lines) == 1, rule.code
        assert f"| {rule.code} | {rule.severity} | **" in lines[0]


def test_every_type_of_endpoint_has_a_line_of_what_it_offers_and_each_source_is_there() -> None:
    assert all(HOSTS.count(f"\n| `{kind}` |") == 1 for kind in get_args(EndpointType))
    named = {int(number) for number in re.findall(r"\[(\d+)\]", HOSTS)}
    listed = {int(number) for number in re.findall(r"^(\d+)\. ", HOSTS, flags=re.MULTILINE)}
    assert named == listed


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
