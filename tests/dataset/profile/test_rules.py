"""Every kind of the survey, by its own example and by the figures it states."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rows import check

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.filesets import purpose_in_name
from orchestrator.dataset.rules import Rule
from orchestrator.dataset.rules.profile import SURVEY

SHOWN_BY_TESTS_OF_THEIR_OWN = {"FT601", "FT606", "FT607", "FT622"}


def test_every_kind_has_an_example_or_a_test() -> None:
    assert {kind.code for kind in SURVEY if not kind.wrong or not kind.right} == SHOWN_BY_TESTS_OF_THEIR_OWN


@pytest.mark.parametrize("kind", [kind for kind in SURVEY if kind.wrong], ids=lambda kind: kind.code)
def test_a_kinds_wrong_example_shows_it_and_the_right_one_does_not(tmp_path: Path, kind: Rule) -> None:
    wrong, right = (check(tmp_path, text.encode(), None, purpose="training") for text in (kind.wrong, kind.right))
    assert wrong.ok or set(wrong.counts) >= {"FT106"}
    assert wrong.counts.get(kind.code) == 1
    assert kind.code not in right.counts


@pytest.mark.parametrize("kind", SURVEY, ids=lambda kind: kind.code)
def test_what_a_whole_file_shows_is_a_warning_and_never_an_error(kind: Rule) -> None:
    assert kind.severity == "warning"


JOBS = sorted((Path(__file__).parents[3] / "jobs").glob("*/*.jsonl"))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_files_that_ship_give_no_cause_for_a_warning(path: Path) -> None:
    report = check_file(path, method=None, purpose=purpose_in_name(path) or "training", count_tokens=False)
    assert [finding.message for finding in report.findings] == []
