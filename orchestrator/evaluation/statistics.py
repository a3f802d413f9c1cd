"""Intervals and tests for shares of cases, few or many, in plain Python.

Cases that are not independent (paraphrases of one request, several samples of one case) form a cluster. A cluster's
value is the mean over its cases, and every function in this module takes one value per cluster. Without clusters,
each case is one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

SIGNIFICANCE = 0.05
"""A difference is called established below this p-value."""

RESAMPLES = 2000
MOST_DRAWS = 2_000_000
"""Above this many draws the bootstrap distribution of a mean is normal to the digits shown."""

_NEGLIGIBLE = 1e-17
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % CI, in the unit of the values."""

    value: float
    low: float
    high: float


def wilson(successes: float, count: int) -> Interval | None:
    """The share `successes / count` with its Wilson score interval; None if nothing was counted.

    With clusters, `successes` may be fractional. The interval is then wider than needed, because no values between
    0 and 1 vary more than zeros and ones with the same mean.
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212;
    recommended for small numbers by L. D. Brown, T. T. Cai, A. DasGupta, Statistical Science 16 (2001), 101-133.
    """
    if count == 0:
        return None
    share = successes / count
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    centre, scale = share + _Z**2 / (2 * count), 1 + _Z**2 / count
    # Rounding must not push a bound past the share, which it touches at 0 and at 1.
    return Interval(
        share, max(0.0, min(share, (centre - spread) / scale)), min(1.0, max(share, (centre + spread) / scale))
    )


def mcnemar_exact(fixed: int, broken: int) -> float:
    """The two-sided p-value of `fixed` against `broken` if both changes are equally likely.

    Pairs that did not change are not counted. For clusters this is the exact sign test.
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12
    (1947), 153-157; the exact form is the binomial test on the changed pairs.
    """
    return min(1.0, 2 * _fair_tail(min(fixed, broken), fixed + broken))


def _fair_tail(most: int, count: int) -> float:
    """The chance of at most `most` heads in `count` tosses of a fair coin; `most` is at most half of `count`."""
    # From the largest term down, which avoids overflow and underflow.
    term = math.exp(
        math.lgamma(count + 1) - math.lgamma(most + 1) - math.lgamma(count - most + 1) - count * math.log(2)
    )
    total = 0.0
    while most >= 0 and term > total * _NEGLIGIBLE:
        total += term
        term *= most / (count - most + 1)
        most -= 1
    return total


def paired_bootstrap(differences: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """The mean of paired differences, one per cluster, with its percentile bootstrap interval.

    None if there are none. The same seed gives the same interval. If resampling would need more than MOST_DRAWS
    draws, the interval is the mean ± 1.96 standard errors.
    B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; for evaluations of language
    systems P. Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004.
    """
    count = len(differences)
    if count == 0:
        return None
    mean = fmean(differences)
    if count * resamples > MOST_DRAWS:
        error = _Z * stdev(differences) / math.sqrt(count)
        return Interval(mean, mean - error, mean + error)
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(differences, k=count)) / count for _ in range(resamples))
    return Interval(mean, quantile(means, 0.025), quantile(means, 0.975))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, in the order given, adjusted for multiple tests.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979),
    65-70. It controls the family-wise error rate, also for dependent tests.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values are, interpolated between neighbours.

    Type 7 of R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50
    (1996), 361-365. Raises ValueError if there are no values.
    """
    if not ordered:
        raise ValueError("no values")
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def fewest_changes() -> int:
    """The fewest cases, all changed in one direction, with which McNemar's exact test can reach SIGNIFICANCE."""
    changes = 1
    while mcnemar_exact(changes, 0) >= SIGNIFICANCE:
        changes += 1
    return changes
