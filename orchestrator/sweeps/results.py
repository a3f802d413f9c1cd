"""The result of a trial: its state, its score, and its validation losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, isfinite, sqrt
from operator import itemgetter
from statistics import fmean, stdev

from orchestrator.evaluation.statistics import Interval
from orchestrator.jobfile import Sweep
from orchestrator.jobfile.sweep import Direction, MetricName
from orchestrator.store.records import Checkpoint, Metric
from orchestrator.sweeps.trials import Parameters, PointKey, Trial


class TrialState(StrEnum):
    ACTIVE = "active"
    """Unfinished: it waits, or it trains."""
    SUCCEEDED = "succeeded"
    PRUNED = "pruned"
    """Stopped by the sweep's rule, since it was clearly losing."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Stopped by the user."""


@dataclass(frozen=True)
class Score:
    """The sweep's metric for a trial, the step where it was measured, and the model id it belongs to."""

    value: float
    step: int | None
    model: str | None
    is_whole: bool = True
    """Whether it was measured on the whole validation file; by evaluation, whether every question has an answer."""
    interval: Interval | None = None
    """By evaluation, if the metric is a share of answers: the 95 % CI over the cases."""


@dataclass(frozen=True)
class TrialResult:
    """A trial and its results. Costs in US dollars, time in seconds."""

    trial: Trial
    state: TrialState
    run_id: str = ""
    score: Score | None = None
    final_step: int | None = None
    reason: str = ""
    cost_usd: float | None = None
    trained_tokens: int | None = None
    seconds: float | None = None
    looks: Mapping[int, float] = field(default_factory=dict)
    """Mean validation losses at equal steps, as returned by `looks`; empty if no rule stops trials."""


def score_of(
    sweep: Sweep, metrics: Sequence[Metric], checkpoints: Sequence[Checkpoint], final_model: str | None
) -> Score | None:
    """The score of a trial that succeeded; None if its endpoint measured nothing, or if the sweep ranks by
    evaluation, which is measured separately.

    Measurements on the whole validation file count; without any, those on a part of it. With `checkpoint = "best"`
    the best of the final model and the kept checkpoints that answer counts; a tie goes to the final model.
    """
    if sweep.by_evaluation:
        return None
    final = _final(sweep, metrics, final_model)
    if sweep.checkpoint == "final":
        return final
    answering = (each for each in checkpoints if each.answers)
    found = [score for checkpoint in answering if (score := _of_checkpoint(sweep, checkpoint))]
    candidates = [*([final] if final else []), *found]
    candidates = [score for score in candidates if score.is_whole] or candidates
    sign = 1 if sweep.goal == "minimize" else -1
    return min(candidates, key=lambda score: sign * score.value, default=None)


def looks(metrics: Sequence[Metric], interval: int) -> dict[int, float]:
    """The validation loss at every `interval` steps: the mean of the measurements since the look before.

    Endpoints measure it on a few examples at each step, and some only now and then; intervals of equal length are
    comparable all the same. A look is given once the trial is past it; one without a measurement has the loss of
    the one before.
    """
    stretches: dict[int, list[float]] = defaultdict(list)
    for metric in metrics:
        loss = metric.valid_loss if metric.valid_loss is not None else metric.full_valid_loss
        if loss is not None and isfinite(loss):
            stretches[ceil(metric.step / interval) * interval].append(loss)
    reached = max((metric.step for metric in metrics), default=0)
    found: dict[int, float] = {}
    last: float | None = None
    for step in range(interval, reached + 1, interval):
        last = fmean(stretches[step]) if step in stretches else last
        if last is not None:
            found[step] = last
    return found


def _final(sweep: Sweep, metrics: Sequence[Metric], model: str | None) -> Score | None:
    """The last measurement on all of the validation file, or else the last on a part of it."""
    for whole in (True, False):
        for metric in reversed(metrics):
            value = _measured(sweep, metric, whole=whole)
            if value is not None:
                return Score(value, metric.step, model, whole)
    return None


def _measured(sweep: Sweep, metric: Metric, *, whole: bool) -> float | None:
    if sweep.metric == "valid_loss":
        value = metric.full_valid_loss if whole else metric.valid_loss
    else:
        value = metric.full_valid_accuracy if whole else metric.valid_accuracy
    return value if value is not None and isfinite(value) else None


_CHECKPOINT_KEYS: Mapping[MetricName, tuple[str, str]] = {
    "valid_loss": ("full_valid_loss", "valid_loss"),
    "valid_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy"),
}
"""The metrics of FineTuningJobCheckpoint in OpenAI's API description 2.3.0, the one on the whole file first."""


def _of_checkpoint(sweep: Sweep, checkpoint: Checkpoint) -> Score | None:
    for key, is_whole in zip(_CHECKPOINT_KEYS[sweep.metric], (True, False), strict=True):
        value = checkpoint.metrics.get(key)
        if isinstance(value, int | float) and isfinite(value):
            return Score(float(value), checkpoint.step, checkpoint.model, is_whole)
    return None


# --- Ranking -----------------------------------------------------------------------------------------------------


_SURE = 2.0
"""How many standard errors a difference must have to be called more than chance."""


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
        """The least advanced state of its repeats; pruned if the rule stopped any of them."""
        states = {result.state for result in self.results}
        return next(state for state in _LEAST_SETTLED_FIRST if state in states)

    @property
    def cost_usd(self) -> float | None:
        """The total cost of its repeats; None if no cost is known."""
        return _sum(result.cost_usd for result in self.results)

    @property
    def trained_tokens(self) -> float | None:
        return _sum(result.trained_tokens for result in self.results)

    @property
    def seconds(self) -> float | None:
        """From the request for the job to its end, summed over all repeats."""
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
    """`ranked` points, best first, and the `others`: pruned, failed, cancelled, unfinished, without a score."""

    ranked: tuple[PointResult, ...]
    others: tuple[PointResult, ...]
    best: TrialResult | None
    """The trial with the best score of the first point: its model is the result of the sweep."""
    verdict: str
    """How certain the first place is, as a sentence; "" while there is nothing to compare."""
    metric: str = "valid_loss"
    """The kind of score."""
    p_to_first: Mapping[str, float] = field(default_factory=dict)
    """By evaluation: for the best trial of each further point, by its run, the Holm-adjusted p-value of its
    difference from the first on the same cases."""


def rank(sweep: Sweep, results: Iterable[TrialResult]) -> Ranking:
    """Rank the points by the mean score of their repeats.

    A point with a pruned repeat is not ranked: the mean of the repeats that survived would be too good.
    """
    sign = 1 if sweep.goal == "minimize" else -1
    points = by_point(results)
    ranked = [point for point in points if point.scores and point.state is not TrialState.PRUNED]
    ranked.sort(key=lambda point: sign * fmean(point.scores))
    others = [point for point in points if not point.scores or point.state is TrialState.PRUNED]
    best = best_repeat(ranked[0], sweep.goal) if ranked else None
    return Ranking(tuple(ranked), tuple(others), best, _verdict(ranked), sweep.metric)


def best_repeat(point: PointResult, goal: Direction) -> TrialResult:
    """The repeat with the best score of a ranked point."""
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
            f"The first leads the second by {lead:.4f}. Each point was trained once, so the difference may be "
            "chance; seeds = 3 would show it."
        )
    error = noise * sqrt(1 / len(ranked[0].scores) + 1 / len(ranked[1].scores))
    facts = f"the first leads the second by {lead:.4f}, and repeats of a point spread by {noise:.4f}"
    return f"More than chance: {facts}." if lead > _SURE * error else f"Too close to call: {facts}."


def _noise(points: Sequence[PointResult]) -> float | None:
    """The standard deviation between repeats, pooled over all points; None without repeats."""
    squares = sum(point.spread**2 * (len(point.scores) - 1) for point in points if point.spread is not None)
    freedom = sum(len(point.scores) - 1 for point in points)
    return sqrt(squares / freedom) if freedom else None
