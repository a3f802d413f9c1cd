"""Non-inferiority of paired answers: the interval, its coverage, the verdict, and how many cases would decide."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, strategies as st

from orchestrator.evaluation.comparison import PairedAnswer
from orchestrator.evaluation.noninferiority import (
    NonInferiority,
    Verdict,
    fewest_cases,
    judge,
    judged_together,
    score_interval,
    score_statistic,
)

MARGIN = 0.05


def pairs(*outcomes: str) -> list[PairedAnswer]:
    """`outcomes` such as "01" (first wrong, second right), with a cluster behind: "01a"."""
    return [
        PairedAnswer(f"case-{number}", outcome[2:] or None, outcome[0] == "1", outcome[1] == "1")
        for number, outcome in enumerate(outcomes)
    ]


def judged(*outcomes: str, margin: float = MARGIN) -> NonInferiority:
    found = judge(pairs(*outcomes), margin)
    assert found is not None
    return found


# --- The interval ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "fixed", "count", "low", "high"),
    [
        # Of M. W. Fagerland, S. Lydersen, P. Laake, "Statistical Analysis of Contingency Tables" (2017), chapter 8:
        # Bentur 2009 and Cavo 2012, as the authors' R package contingencytables prints them.
        (7, 1, 21, -0.517, -0.026),
        (16, 6, 161, -0.1240, -0.0054),
    ],
)
def test_the_interval_is_the_published_one(broken: int, fixed: int, count: int, low: float, high: float) -> None:
    found = score_interval(broken, fixed, count)
    assert found is not None
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-4)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    count = draw(st.integers(1, 300))
    broken = draw(st.integers(0, count))
    return broken, draw(st.integers(0, count - broken)), count


@given(tables())
def test_the_bounds_are_where_the_statistic_reaches_its_critical_value(table: tuple[int, int, int]) -> None:
    found = score_interval(*table)
    assert found is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    for bound, critical in ((found.low, 1.959964), (found.high, -1.959964)):
        if -0.999 < bound < 0.999:
            assert score_statistic(*table, bound) == pytest.approx(critical, abs=1e-3)


@given(tables())
def test_turned_round_it_is_the_same_with_the_other_sign(table: tuple[int, int, int]) -> None:
    broken, fixed, count = table
    one, other = score_interval(broken, fixed, count), score_interval(fixed, broken, count)
    assert one is not None
    assert other is not None
    assert [one.low, one.high] == pytest.approx([-other.high, -other.low], abs=1e-9)


@cache
def interval(broken: int, fixed: int, count: int) -> tuple[float, float]:
    found = score_interval(broken, fixed, count)
    assert found is not None
    return found.low, found.high


@pytest.mark.parametrize("count", [40, 100, 300])
@pytest.mark.parametrize("changed", [0.1, 0.3])
@pytest.mark.parametrize("difference", [0.0, -MARGIN])
def test_it_covers_the_true_difference_95_times_of_100(count: int, changed: float, difference: float) -> None:
    """And a model that is worse by the whole margin passes at most about 2.5 times of 100."""
    covered, passed, draws = simulated(count, changed, difference, draws=3000)
    assert 0.935 <= covered / draws <= 0.985
    if difference == -MARGIN:
        assert passed / draws <= 0.035


def simulated(count: int, changed: float, difference: float, draws: int) -> tuple[int, int, int]:
    """How many intervals of random tables cover the difference, and how many models pass."""
    rng = random.Random(7)
    shares = ((changed - difference) / 2, (changed + difference) / 2, 1 - changed)
    covered = passed = 0
    for _ in range(draws):
        drawn = Counter(rng.choices("bf=", shares, k=count))
        low, high = interval(drawn["b"], drawn["f"], count)
        covered += low <= difference <= high
        passed += low > -MARGIN
    return covered, passed, draws


# --- The verdict -----------------------------------------------------------------------------------------------


def test_an_equal_model_passes_with_enough_cases() -> None:
    assert judged(*["11"] * 73).verdict is Verdict.NON_INFERIOR
    assert judged(*["11"] * 72).verdict is Verdict.UNDECIDED
    assert fewest_cases(MARGIN) == 73


def test_a_model_that_is_worse_by_more_than_the_margin_is_inferior() -> None:
    found = judged(*["10"] * 30, *["11"] * 70)
    assert found.verdict is Verdict.INFERIOR
    assert found.cases_needed is None
    assert len(found.broken) == 30


def test_what_the_cases_cant_tell_is_undecided_with_the_number_that_would() -> None:
    found = judged(*["10"] * 2, *["01"] * 2, *["11"] * 36)
    assert found.verdict is Verdict.UNDECIDED
    assert found.cases_needed is not None
    assert found.cases_needed > 40


def test_the_advised_number_of_cases_shows_it_about_80_times_of_100() -> None:
    found = judged(*["10"] * 3, *["01"] * 3, *["11"] * 34)
    assert found.cases_needed is not None
    _, passed, draws = simulated(found.cases_needed, 6 / 40, 0.0, draws=600)
    assert 0.75 <= passed / draws <= 0.88


def test_no_pairs_are_no_result() -> None:
    assert judge([], MARGIN) is None


def test_paraphrases_of_one_request_count_once() -> None:
    alone = judged(*["11"] * 80)
    clustered = judged(*["11a"] * 40, *["11b"] * 40)
    assert alone.verdict is Verdict.NON_INFERIOR
    assert clustered.verdict is Verdict.UNDECIDED
    assert clustered.second.clusters == 2


def test_a_cluster_counts_with_the_mean_of_its_cases() -> None:
    found = judged("10a", "11a", *["11"] * 9)
    assert found.difference.value == pytest.approx(-0.05)


def test_several_models_judged_together_need_stronger_evidence() -> None:
    just = judged(*["11"] * 75)
    assert just.verdict is Verdict.NON_INFERIOR
    together = judged_together([just, just])
    assert [each.verdict for each in together] == [Verdict.UNDECIDED] * 2
    assert fewest_cases(MARGIN, of=2) > 75
    assert (together[0].cases_needed or 0) > (just.cases_needed or 0) > 75
    assert judged_together([just])[0].verdict is Verdict.NON_INFERIOR
