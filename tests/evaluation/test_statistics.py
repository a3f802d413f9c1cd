"""The statistics beside SciPy's, and beside definitions that need no library."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
import scipy

from orchestrator.evaluation.statistics import (
    fewest_changes,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    quantile,
    wilson,
)


@pytest.mark.parametrize("count", [1, 2, 5, 13, 40, 1000])
def test_wilson_is_scipys(count: int) -> None:
    for successes in {0, 1, count // 2, count - 1, count}:
        ours = wilson(successes, count)
        theirs = scipy.stats.binomtest(successes, count).proportion_ci(0.95, method="wilson")
        assert ours is not None
        assert (ours.value, ours.low, ours.high) == pytest.approx((successes / count, theirs.low, theirs.high))
        assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_nothing_counted_has_no_share() -> None:
    assert wilson(0, 0) is None
    assert paired_bootstrap([]) is None


def test_mcnemar_is_the_exact_binomial_test_of_scipy() -> None:
    for fixed in range(12):
        for broken in range(12):
            expected = scipy.stats.binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
            assert mcnemar_exact(fixed, broken) == pytest.approx(expected)


def test_five_of_five_against_one_of_five_is_not_established() -> None:
    assert mcnemar_exact(4, 0) == 0.125


def test_mcnemar_takes_any_number_of_changes() -> None:
    assert mcnemar_exact(60_000, 40_000) == 0.0
    assert mcnemar_exact(5050, 4950) == pytest.approx(scipy.stats.binomtest(5050, 10_000).pvalue)


def test_five_changes_can_never_establish_anything_and_six_can() -> None:
    assert fewest_changes() == 6
    assert mcnemar_exact(5, 0) > 0.05 > mcnemar_exact(6, 0)


def test_the_bootstrap_is_near_scipys_and_the_same_for_the_same_seed() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0.3, 1.0) for _ in range(80)]
    ours = paired_bootstrap(values, seed=7)
    theirs = scipy.stats.bootstrap(
        (values,), lambda sample, axis: sample.mean(axis), method="percentile", n_resamples=5000, rng=3
    ).confidence_interval
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)
    assert ours == paired_bootstrap(values, seed=7)
    assert ours != paired_bootstrap(values, seed=8)


def test_a_large_bootstrap_takes_the_normal_interval_instead() -> None:
    rng = random.Random(2)
    values = [rng.random() for _ in range(1200)]
    exact, normal = paired_bootstrap(values[:1000]), paired_bootstrap(values)
    assert exact is not None
    assert normal is not None
    expected = scipy.stats.norm.interval(0.95, loc=normal.value, scale=scipy.stats.sem(values))
    assert (normal.low, normal.high) == pytest.approx(tuple(expected))
    assert normal.high - normal.low == pytest.approx(exact.high - exact.low, rel=0.15)


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    rng = random.Random(3)
    for _ in range(30):
        p_values = [rng.choice([0.001, 0.01, 0.02, 0.04, 0.3, rng.random()]) for _ in range(5)]
        assert holm(p_values) == pytest.approx([closed(p_values, index) for index in range(5)])
    assert holm([]) == []


def closed(p_values: list[float], index: int) -> float:
    """The largest Bonferroni p-value of any set of hypotheses that holds this one: R. Marcus et al., 1976."""
    others = [other for other in range(len(p_values)) if other != index]
    sets = (chosen for size in range(len(p_values)) for chosen in combinations(others, size))
    return max(min(1.0, (len(s) + 1) * min(p_values[i] for i in (index, *s))) for s in sets)


def test_quantiles_are_scipys() -> None:
    values = sorted(random.Random(4).random() for _ in range(37))
    for share in (0.0, 0.025, 0.5, 0.95, 1.0):
        assert quantile(values, share) == pytest.approx(scipy.stats.mstats.mquantiles(values, share, 1, 1)[0])
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
