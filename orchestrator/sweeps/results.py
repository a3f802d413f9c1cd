"""What became of a trial: its state, its score, and the course of its validation loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, isfinite
from statistics import fmean

from orchestrator.evaluation.statistics import Interval
from orchestrator.jobfile import Sweep
from orchestrator.jobfile.sweep import MetricName
from orchestrator.store.records import Checkpoint, Metric
from orchestrator.sweeps.trials import Trial


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
