"""Whether a model is worse than another by more than a margin, from the cases that both answered.

The margin is a share, 0.05 for 5 points. As in `statistics`, each cluster of cases counts once, with its mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import NormalDist

from orchestrator.evaluation.comparison import PairedAnswer
from orchestrator.evaluation.metrics import Proportion, Share
from orchestrator.evaluation.statistics import Interval, holm

ONE_SIDED = 0.025
"""The chance of calling a model non-inferior that is worse by the whole margin: that of a two-sided 95 % CI."""
POWER = 0.8
"""The chance of showing non-inferiority with the number of cases that is advised."""
_NORMAL = NormalDist()
_HALVINGS = 60


class Verdict(StrEnum):
    """What the cases show."""

    NON_INFERIOR = "non-inferior"
    """The whole interval is above minus the margin."""
    INFERIOR = "inferior"
    """The whole interval is below it: worse by more than the margin."""
    UNDECIDED = "undecided"
    """More cases are needed."""


@dataclass(frozen=True)
class NonInferiority:
    """The second model judged against the first."""

    margin: float
    first: Proportion
    second: Proportion
    broken: tuple[str, ...]
    """Cases that only the first answers correctly, in the order given."""
    fixed: tuple[str, ...]
    difference: Interval
    """Second minus first share, with Tango's score 95 % CI."""
    statistic: float
    """How far the difference is above minus the margin, in standard errors."""
    p_value: float
    """One-sided: of a result this good if the second were worse by the whole margin."""
    of: int = 1
    """The number of models judged together; `p_value` is Holm-adjusted for them."""

    @property
    def cases_needed(self) -> int | None:
        """The independent cases that show non-inferiority with a chance of 80 %, if the share of changed answers
        stays as it is; None if the model is worse by the margin or more: no number of cases would show it."""
        if self.statistic <= 0:
            return None
        # The statistic grows with the square root of the number of cases while all shares stay the same.
        factor = (_critical(self.of) + _NORMAL.inv_cdf(POWER)) / self.statistic
        return math.ceil(self.second.clusters * factor**2)

    @property
    def verdict(self) -> Verdict:
        if self.difference.low > -self.margin and self.p_value < ONE_SIDED:
            return Verdict.NON_INFERIOR
        return Verdict.INFERIOR if self.difference.high < -self.margin else Verdict.UNDECIDED


def judge(pairs: Iterable[PairedAnswer], margin: float) -> NonInferiority | None:
    """Judge the second model of these pairs against the first; None without pairs. `margin` is above 0 and below
    1."""
    found = _Counts()
    for pair in pairs:
        found.add(pair)
    counted = found.totals()
    interval = score_interval(*counted)
    if interval is None:
        return None
    statistic = score_statistic(*counted, -margin)
    return NonInferiority(
        margin=margin,
        first=found.first.proportion(),
        second=found.second.proportion(),
        broken=tuple(found.broken),
        fixed=tuple(found.fixed),
        difference=interval,
        statistic=statistic,
        p_value=0.5 * math.erfc(statistic / math.sqrt(2)),
    )


def judged_together(found: Sequence[NonInferiority]) -> list[NonInferiority]:
    """The same with p-values adjusted for their number: the chance of calling any model non-inferior that is not is
    then that of one. The advised number of cases grows with it."""
    adjusted = holm([each.p_value for each in found])
    return [replace(each, p_value=p_value, of=len(found)) for each, p_value in zip(found, adjusted, strict=True)]


def fewest_cases(margin: float, of: int = 1) -> int:
    """The fewest cases with which a model that answers every case like the other can be called non-inferior, where
    `of` models are judged together."""
    return math.floor(_critical(of) ** 2 * (1 - margin) / margin) + 1


# --- Tango's score interval --------------------------------------------------------------------------------------


def score_interval(broken: float, fixed: float, count: int) -> Interval | None:
    """(fixed - broken) / count with its score 95 % CI; None if nothing was counted.

    `broken` and `fixed` may be sums of the shares of clusters; the interval is then wider than needed, because such
    a difference varies less than one of zeros and ones with the same means.
    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17 (1998), 891-908.
    """
    if count == 0:
        return None
    value = (fixed - broken) / count
    critical = _NORMAL.inv_cdf(1 - ONE_SIDED)

    def is_above(difference: float, bound: float) -> bool:
        return score_statistic(broken, fixed, count, difference) > bound

    low = _turning_point(-1.0, value, lambda difference: is_above(difference, critical))
    high = _turning_point(value, 1.0, lambda difference: is_above(difference, -critical))
    return Interval(value, low, high)


def score_statistic(broken: float, fixed: float, count: int, difference: float) -> float:
    """How far the counts are from this true difference, in standard errors under it; falls as it grows.

    The probability of a broken case is the most likely one under the difference, the root of a quadratic.
    """
    linear = (2 * count - fixed + broken) * difference - broken - fixed
    constant = -broken * difference * (1 - difference)
    share_broken = (math.sqrt(max(0.0, linear**2 - 8 * count * constant)) - linear) / (4 * count)
    variance = count * (2 * share_broken + difference * (1 - difference))
    distance = fixed - broken - count * difference
    if variance <= _SMALLEST:
        return math.copysign(math.inf, distance) if abs(distance) > _SMALLEST else 0.0
    return distance / math.sqrt(variance)


_SMALLEST = 1e-12


def _turning_point(low: float, high: float, is_before: Callable[[float], bool]) -> float:
    """Where `is_before` stops being true, by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_before(middle) else (low, middle)
    return (low + high) / 2


def _critical(of: int) -> float:
    return _NORMAL.inv_cdf(1 - ONE_SIDED / of)


@dataclass
class _Counts:
    first: Share = field(default_factory=Share)
    second: Share = field(default_factory=Share)
    broken: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    _alone: list[int] = field(default_factory=lambda: [0, 0, 0])
    _clusters: dict[str, list[int]] = field(default_factory=dict)
    """Broken, fixed and all cases."""

    def add(self, pair: PairedAnswer) -> None:
        self.first.add(pair.first, pair.cluster)
        self.second.add(pair.second, pair.cluster)
        is_broken, is_fixed = pair.first and not pair.second, pair.second and not pair.first
        if is_broken or is_fixed:
            (self.broken if is_broken else self.fixed).append(pair.case)
        counts = self._alone if pair.cluster is None else self._clusters.setdefault(pair.cluster, [0, 0, 0])
        for place, number in enumerate((is_broken, is_fixed, True)):
            counts[place] += number

    def totals(self) -> tuple[float, float, int]:
        """Broken, fixed and all, each cluster counted once."""
        broken, fixed, count = self._alone
        means = [(own[0] / own[2], own[1] / own[2]) for own in self._clusters.values()]
        return broken + sum(each[0] for each in means), fixed + sum(each[1] for each in means), count + len(means)
