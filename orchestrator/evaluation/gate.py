"""The gate: whether the tuned models are good enough for a pipeline to continue."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evaluation.metrics import METRICS, Metrics, value_of
from orchestrator.evaluation.results import MetricComparison, Results, Series
from orchestrator.jobfile import Gate, ScoreName

_JUDGED_AS: ScoreName = "call_accuracy"
"""Compared in place of a metric that is not a share of answers."""


def failures(gate: Gate, results: Results) -> list[str]:
    """Why the gate is not met, a sentence for each model and variant; empty if it is met.

    Every model except the base must meet it in every variant asked. A metric that can't be computed does not meet
    it. A minimum or maximum must hold whatever the missing answers would have been.
    """
    judged = [series for series in results.series if not series.is_base]
    if not judged:
        return ["only the base was asked, so there is no tuned model to judge"]
    return [problem for series in judged for problem in _problems(gate, results, series)]


def _problems(gate: Gate, results: Results, series: Series) -> Iterator[str]:
    who = f"{series.label} ({series.variant})"
    value, is_better_low = value_of(gate.metric, series.all), _is_better_low(gate.metric)
    if value is None:
        yield f"{who}: {gate.metric} can't be computed: no case counts for it"
    elif gate.min is not None and _is_beyond(value, gate.min, is_better_low):
        yield f"{who}: {gate.metric} is {value:.3f}, {'above' if is_better_low else 'below'} {gate.min:g}"
    elif gate.min is not None and _is_beyond(_at_worst(gate.metric, series.all, value), gate.min, is_better_low):
        errors, asked = series.all.api_errors, series.all.api_errors + series.all.answers
        missing = f"{errors:,} of {asked:,} answers are missing, which could change that"
        yield f"{who}: {gate.metric} is {value:.3f}, but {missing}; the same command asks for them again"
    if gate.no_regression:
        yield from _regressions(gate, results, series, who)


def _is_better_low(name: ScoreName) -> bool:
    return name in METRICS and METRICS[name].better_low


def _is_beyond(value: float, bound: float, is_better_low: bool) -> bool:
    return value > bound if is_better_low else value < bound


def _at_worst(name: ScoreName, figures: Metrics, value: float) -> float:
    """The value if each missing answer counted against the model."""
    if not figures.api_errors:
        return value
    if name not in METRICS:
        return 0.0
    count = METRICS[name].of(figures).count
    against = figures.api_errors if _is_better_low(name) else 0
    return (value * count + against) / (count + figures.api_errors)


def _regressions(gate: Gate, results: Results, series: Series, who: str) -> Iterator[str]:
    name = gate.metric if gate.metric in METRICS else _JUDGED_AS
    its = [each for each in results.comparisons if (each.model, each.variant, each.measure) == (*series.key, name)]
    if not its:
        yield f"{who}: {name} can't be compared: the base was not asked the same cases"
    if any(map(is_worse, its)):
        yield f"{who}: {name} is worse than the base's, and the difference is established"


def is_worse(found: MetricComparison) -> bool:
    """True if the model is worse than the base by an established difference."""
    return found.is_established and not found.is_better
