"""What became of a trial: its state, its score, and the course of its validation loss."""

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
    """Not over: it waits, or it trains."""
    SUCCEEDED = "succeeded"
    PRUNED = "pruned"
    """Stopped by the sweep's rule, since it was clearly losing."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Stopped by the user."""


@dataclass(frozen=True)
class Score:
    """The sweep's metric for a trial, the step it was measured at, and the model id that has it."""

    value: float
    step: int | None
    model: str | None
    is_whole: bool = True
    """Whether it was measured on the whole validation file; by evaluation, whether every question has an answer."""
    interval: Interval | None = None
    """By evaluation, where the metric is a share of answers: the 95 % interval over the cases."""


@dataclass(frozen=True)
class TrialResult:
    """A trial and all that is judged of it. Costs in US dollars, time in seconds."""

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
    """Mean validation losses at equal steps, as `looks` gives them; empty where no rule stops trials."""


def score_of(
    sweep: Sweep, metrics: Sequence[Metric], checkpoints: Sequence[Checkpoint], final_model: str | None
) -> Score | None:
    """The score of a trial that succeeded; None where its endpoint measured nothing, and where the sweep ranks by
    evaluation, which is measured apart.

    What was measured on the whole validation file counts, and only where there is no such thing what was measured
    on a part of it. With `checkpoint = "best"` the best of the final model and the kept checkpoints counts; a tie
    goes to the final one.
    """
    if sweep.by_evaluation:
        return None
    final = _final(sweep, metrics, final_model)
    if sweep.checkpoint == "final":
        return final
    found = [score for checkpoint in checkpoints if (score := _of_checkpoint(sweep, checkpoint))]
    candidates = [*([final] if final else []), *found]
    candidates = [score for score in candidates if score.is_whole] or candidates
    sign = 1 if sweep.goal == "minimize" else -1
    return min(candidates, key=lambda score: sign * score.value, default=None)


def looks(metrics: Sequence[Metric], interval: int) -> dict[int, float]:
    """The validation loss at every `interval` steps: the mean of what was measured since the look before.

    Endpoints measure it on a few examples at each step, and some measure it only now and then; equal stretches of
    steps can be compared all the same. A stretch is given when the trial is past it; one without a measurement has
    the loss of the one before.
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
