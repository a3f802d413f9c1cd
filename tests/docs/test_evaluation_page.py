"""docs/evaluation.md beside the code: every key, metric and option that it names is there, and none is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from orchestrator.cli.compare import SCORES, compare, leaderboard
from orchestrator.cli.evaluate import evaluate
from orchestrator.evaluation.metrics import METRICS
from orchestrator.jobfile import Evaluation, ScoreName
from orchestrator.jobfile.tables import Gate

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_table_has_every_key_of_the_job_file() -> None:
    table = PAGE[PAGE.index("| key |") : PAGE.index("Before anything is asked")]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Evaluation.model_fields)
    gate = re.search(r"`\{ ([a-z_, ]+) \}`", table)
    assert gate is not None
    assert set(gate[1].split(", ")) == set(Gate.model_fields)


def test_every_metric_is_told_and_known_everywhere() -> None:
    line = PAGE[PAGE.index("- `metric` is one of") :].splitlines()[0]
    assert tuple(re.findall(r"`(\w+)`", line)[1:]) == SCORES == get_args(ScoreName)
    assert {*METRICS, "argument_f1"} == set(SCORES)


def test_options_that_the_page_names_exist() -> None:
    known = {
        option for command in (evaluate, compare, leaderboard) for each in command.params for option in each.opts
    }
    assert set(re.findall(r"(--[a-z][a-z-]+)", PAGE)) <= known
