"""docs/case-studies.md: its intervals and p are those that ftorch computes from its counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.evaluation.statistics import mcnemar_exact, wilson

PAGE = (Path(__file__).parents[2] / "docs" / "case-studies.md").read_text(encoding="utf-8")
SHARES = sorted(set(re.findall(r"(\d+) of (\d+), (\d+) % \((\d+)-(\d+)\)", PAGE)))
ONE_WAY = sorted(set(re.findall(r"published.*\| (\d+) of (\d+),.*\| (\d+) of \2,.*\| (0\.\d+) \|", PAGE)))


@pytest.mark.parametrize(("right", "asked", "percent", "low", "high"), SHARES)
def test_an_interval_is_that_of_its_counts(right, asked, percent, low, high):
    interval = wilson(int(right), int(asked))
    assert interval is not None
    shown = [round(100 * share) for share in (int(right) / int(asked), interval.low, interval.high)]
    assert shown == [int(percent), int(low), int(high)]


@pytest.mark.parametrize(("before", "asked", "after", "p"), ONE_WAY)
def test_the_p_of_a_published_table_is_that_of_the_cases_that_changed(before, asked, after, p):
    """As if no case had got worse: the sources give counts only."""
    assert f"{mcnemar_exact(int(after) - int(before), 0):.3f}" == p


def test_the_tables_are_found():
    assert len(SHARES) >= 12
    assert len(ONE_WAY) == 4
