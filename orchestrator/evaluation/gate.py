"""Whether the tuned models are good enough: what a pipeline is stopped by."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evaluation.measures import MEASURES, value_of
from orchestrator.evaluation.results import Contrast, Results, Series
from orchestrator.jobfile import Gate, ScoreName

_JUDGED_AS: ScoreName = "call_accuracy"
"""What stands for a metric that is no share of answers, where two models are compared."""


def failures(gate: Gate, results: Results) -> list[str]:
    """Why the gate is not met, a sentence for each model and variant; none where it is.

    Every model but the base must meet it, in every variant that was asked.
    """
    judged = [series for series in results.series if not series.is_base]
    return [problem for series in judged for problem in _problems(gate, results, series)]


def _problems(gate: Gate, results: Results, series: Series) -> Iterator[str]:
    who = f"{series.label} ({series.variant})"
    value = value_of(gate.metric, series.all)
    measure = MEASURES.get(gate.metric)
    is_better_low = measure is not None and measure.better_low
    if value is None:
        yield f"{who}: {gate.metric} can't be told, no case counts for it"
    elif gate.min is not None and (value > gate.min if is_better_low else value < gate.min):
        yield f"{who}: {gate.metric} is {value:.3f}, {'above' if is_better_low else 'below'} {gate.min:g}"
    if gate.no_regression:
        yield from _regressions(gate, results, series, who)


def _regressions(gate: Gate, results: Results, series: Series, who: str) -> Iterator[str]:
    name = gate.metric if gate.metric in MEASURES else _JUDGED_AS
    for contrast in results.contrasts:
        is_its = (contrast.model, contrast.variant, contrast.measure) == (*series.key, name)
        if is_its and is_worse(contrast):
            yield f"{who}: {name} is worse than the base's, and that is established"


def is_worse(contrast: Contrast) -> bool:
    """True where the model is worse than the base by an established difference."""
    fell = contrast.comparison.worse > contrast.comparison.better
    is_bad = not fell if MEASURES[contrast.measure].better_low else fell
    return contrast.is_established and is_bad
