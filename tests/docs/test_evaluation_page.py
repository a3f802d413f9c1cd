"""docs/evaluation.md beside the code: its keys, rules, metrics and options; the intervals and p of its tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from orchestrator.cli.compare import SCORES, compare, leaderboard
from orchestrator.cli.evaluate import evaluate
from orchestrator.evaluation.cases import CASE_KEYS, read_case
from orchestrator.evaluation.metrics import METRICS
from orchestrator.evaluation.scoring.rules import RULES, WORDS, parse_rules
from orchestrator.evaluation.scoring.tools import Toolsets
from orchestrator.evaluation.scoring.verdicts import Level, Mistake
from orchestrator.evaluation.statistics import mcnemar_exact, wilson
from orchestrator.jobfile import Evaluation, ScoreName
from orchestrator.jobfile.tables import Gate

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
SHARES = sorted(set(re.findall(r"(\d+) of (\d+), (\d+) % \((\d+)-(\d+)\)", PAGE)))
ONE_WAY = sorted(set(re.findall(r"published.*\| (\d+) of (\d+),.*\| (\d+) of \2,.*\| (0\.\d+) \|", PAGE)))


def test_options_that_the_page_names_exist() -> None:
    known = {
        option for command in (evaluate, compare, leaderboard) for each in command.params for option in each.opts
    }
    assert set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) <= known


# --- The job file -------------------------------------------------------------------------------------------------


def test_the_table_has_every_key_of_the_job_file() -> None:
    table = PAGE[PAGE.index("| key | allowed") : PAGE.index("## Write cases")]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Evaluation.model_fields)
    gate = re.search(r"`\{ ([a-z_, ]+) \}`", table)
    assert gate is not None
    assert set(gate[1].split(", ")) == set(Gate.model_fields)


def test_every_metric_is_listed_and_known_everywhere() -> None:
    line = PAGE[PAGE.index("- `metric` is one of") :].splitlines()[0]
    assert tuple(re.findall(r"`(\w+)`", line)[1:]) == SCORES == get_args(ScoreName)
    assert {*METRICS, "argument_f1"} == set(SCORES)
    for metric in METRICS.values():
        assert metric.title in PAGE


# --- Cases and scores ---------------------------------------------------------------------------------------------


def test_the_example_is_a_case() -> None:
    text = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    case = read_case(1, json.loads(text[1].replace("[…]", "[]")), Toolsets())
    assert (case.slices, case.cluster, case.expects) == (("booking",), "mario-4", "call")


def test_every_rule_of_the_table_can_be_written_and_none_is_missing() -> None:
    table = PAGE[PAGE.index("| rule |") : PAGE.index('`"optional": true`')]
    written = [json.loads(code.replace("[…]", "[1]")) for code in re.findall(r"`([\"{].*?)` ?[|,]", table)]
    for rule in written:
        assert parse_rules({"argument": rule}) is not None
    named = {rule if isinstance(rule, str) else next(iter(rule)) for rule in written}
    assert named == {*WORDS, *RULES} - {"rule"}


def test_every_key_level_and_mistake_is_listed() -> None:
    for name in (*CASE_KEYS, *Level, *Mistake):
        assert f"`{name}`" in PAGE


# --- The two stories ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "asked", "percent", "low", "high"), SHARES)
def test_an_interval_is_that_of_its_counts(right: str, asked: str, percent: str, low: str, high: str) -> None:
    interval = wilson(int(right), int(asked))
    assert interval is not None
    shown = [round(100 * share) for share in (int(right) / int(asked), interval.low, interval.high)]
    assert shown == [int(percent), int(low), int(high)]


@pytest.mark.parametrize(("before", "asked", "after", "p"), ONE_WAY)
def test_the_p_of_a_published_table_is_that_of_the_cases_that_changed(
    before: str, asked: str, after: str, p: str
) -> None:
    """As if no case had got worse: the sources give counts only."""
    assert f"{mcnemar_exact(int(after) - int(before), 0):.3f}" == p


def test_the_tables_are_found() -> None:
    assert len(SHARES) >= 9
    assert len(ONE_WAY) == 3
