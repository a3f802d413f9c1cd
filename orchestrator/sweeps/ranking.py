"""The ranking of a sweep's points, with the noise between repeats, and how sure the first place is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from operator import itemgetter
from statistics import fmean, stdev

from orchestrator.jobfile import Sweep
from orchestrator.jobfile.sweep import Direction
from orchestrator.sweeps.results import TrialResult, TrialState
from orchestrator.sweeps.trials import Parameters, PointKey

_SURE = 2.0
"""Standard errors of a difference from which on it is called more than chance."""


@dataclass(frozen=True)
class PointResult:
    """One point with all its repeats."""

    parameters: Parameters
    results: tuple[TrialResult, ...]

    @property
    def scored(self) -> list[TrialResult]:
        """The repeats that have a score."""
        return [result for result in self.results if result.state is TrialState.SUCCEEDED and result.score]

    @property
    def scores(self) -> list[float]:
        """The scores of those repeats."""
        return [result.score.value for result in self.scored if result.score]

    @property
    def mean(self) -> float | None:
        return fmean(self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """The sample standard deviation between repeats; None for fewer than two."""
        return stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def state(self) -> TrialState:
        """The least settled of its repeats; pruned where the rule stopped any of them."""
        states = {result.state for result in self.results}
        return next(state for state in _LEAST_SETTLED_FIRST if state in states)

    @property
    def cost_usd(self) -> float | None:
        """What its repeats cost together; None where that is known of none."""
        return _sum(result.cost_usd for result in self.results)

    @property
    def trained_tokens(self) -> float | None:
        return _sum(result.trained_tokens for result in self.results)

    @property
    def seconds(self) -> float | None:
        """From the request for the job to its end, of all repeats together."""
        return _sum(result.seconds for result in self.results)


_LEAST_SETTLED_FIRST = (
    TrialState.PRUNED,
    TrialState.ACTIVE,
    TrialState.FAILED,
    TrialState.CANCELLED,
    TrialState.SUCCEEDED,
)


def _sum(amounts: Iterable[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class Ranking:
    """`ranked` points, the best first, and the `others`: pruned, failed, cancelled, not over, without a score."""

    ranked: tuple[PointResult, ...]
    others: tuple[PointResult, ...]
    best: TrialResult | None
    """The trial with the best score of the first point: its model is what a sweep was for."""
    verdict: str
    """How sure the first place is, as a sentence; "" while there is nothing to compare."""
    metric: str = "valid_loss"
    """What the scores are."""
    p_to_first: Mapping[str, float] = field(default_factory=dict)
    """By evaluation: for the best trial of each further point, by its run, the p-value of its difference from the
    first on the same cases, adjusted after Holm."""


def rank(sweep: Sweep, results: Iterable[TrialResult]) -> Ranking:
    """Rank the points by the mean score of their repeats.

    A point of which a repeat was pruned is not ranked: the mean of the repeats that survived would flatter it.
    """
    sign = 1 if sweep.goal == "minimize" else -1
    points = by_point(results)
    ranked = [point for point in points if point.scores and point.state is not TrialState.PRUNED]
    ranked.sort(key=lambda point: sign * fmean(point.scores))
    others = [point for point in points if not point.scores or point.state is TrialState.PRUNED]
    best = best_repeat(ranked[0], sweep.goal) if ranked else None
    return Ranking(tuple(ranked), tuple(others), best, _verdict(ranked), sweep.metric)


def best_repeat(point: PointResult, goal: Direction) -> TrialResult:
    """The repeat with the best score of a point that is ranked."""
    sign = 1 if goal == "minimize" else -1
    found = [(sign * score.value, result) for result in point.scored if (score := result.score)]
    return min(found, key=itemgetter(0))[1]


def by_point(results: Iterable[TrialResult]) -> list[PointResult]:
    """The points in the order of their first trials."""
    points: dict[PointKey, list[TrialResult]] = {}
    for result in results:
        points.setdefault(result.trial.key, []).append(result)
    return [PointResult(found[0].trial.parameters, tuple(found)) for found in points.values()]


def _verdict(ranked: Sequence[PointResult]) -> str:
    if len(ranked) < 2:
        return ""
    lead = abs(fmean(ranked[0].scores) - fmean(ranked[1].scores))
    noise = _noise(ranked)
    if noise is None:
        return (
            f"The first leads the second by {lead:.4f}. Each point was trained once, so nobody knows how much of "
            "that is chance; seeds = 3 would show it."
        )
    error = noise * sqrt(1 / len(ranked[0].scores) + 1 / len(ranked[1].scores))
    facts = f"the first leads the second by {lead:.4f}, and repeats of a point spread by {noise:.4f}"
    return f"More than chance: {facts}." if lead > _SURE * error else f"Too close to call: {facts}."


def _noise(points: Sequence[PointResult]) -> float | None:
    """The standard deviation between repeats, pooled over all points; None without repeats."""
    squares = sum(point.spread**2 * (len(point.scores) - 1) for point in points if point.spread is not None)
    freedom = sum(len(point.scores) - 1 for point in points)
    return sqrt(squares / freedom) if freedom else None
