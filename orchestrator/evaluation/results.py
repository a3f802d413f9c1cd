"""The results of an evaluation: metrics of each model in each variant, and each tuned model against the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.dataset.pricing import find_price
from orchestrator.evaluation.comparison import Comparison, adjusted, compare, is_established, sentence_of
from orchestrator.evaluation.metrics import METRICS, Metrics, cost_per_thousand
from orchestrator.evaluation.pricing import origin_of
from orchestrator.evaluation.scores import SeriesKey, SeriesScores, pairs, scores_of
from orchestrator.jobfile import ScoreName
from orchestrator.jobfile.tables import BASE
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation


@dataclass(frozen=True)
class Series:
    """One model in one variant."""

    model: str
    label: str
    variant: str
    all: Metrics
    slices: Mapping[str, Metrics]
    tools: Mapping[str, Metrics]
    """By expected tool."""
    usd_per_thousand: float | None
    """The cost of 1,000 such requests; None if unknown."""

    @property
    def is_base(self) -> bool:
        return self.label == BASE

    @property
    def key(self) -> SeriesKey:
        return self.model, self.variant


@dataclass(frozen=True)
class MetricComparison:
    """A model compared with another, mostly the base in the same variant, by one metric."""

    model: str
    label: str
    variant: str
    measure: ScoreName
    comparison: Comparison
    p_value: float
    """Holm-adjusted if several models are compared with the same one."""
    of: int
    """The number of models compared with the same one."""

    @property
    def is_established(self) -> bool:
        return is_established(self.comparison, self.p_value)

    @property
    def has_changes(self) -> bool:
        """Whether any case changed."""
        return self.comparison.better + self.comparison.worse > 0

    @property
    def is_better(self) -> bool:
        """The direction of the change, established or not."""
        return (self.comparison.better > self.comparison.worse) != METRICS[self.measure].better_low

    @property
    def sentence(self) -> str:
        """The result in plain words: which is better by this metric, and whether that is established."""
        is_better_low = METRICS[self.measure].better_low
        return sentence_of(self.comparison, self.p_value, is_better_low=is_better_low)


@dataclass(frozen=True)
class Results:
    """Everything in a report."""

    evaluation: Evaluation
    cases: int
    series: Sequence[Series]
    comparisons: Sequence[MetricComparison]
    why_unanswered: str = ""
    """Why the first unanswered question has no answer; "" if all are answered."""


def results_of(ledger: Ledger, evaluation: Evaluation) -> Results:
    """The results from the recorded scores of an evaluation, counted in one pass."""
    found = scores_of(ledger, evaluation)
    series = [series_of(ledger, evaluation, key, found[key]) for key in _in_order(evaluation, found)]
    cases = len({case for each in found.values() for case, _ in each.kept})
    with ledger.database.read() as connection:
        why = store.why_unanswered(connection, evaluation.id)
    return Results(evaluation, cases, series, _against_base(series, found), why)


def series_of(ledger: Ledger, evaluation: Evaluation, key: SeriesKey, found: SeriesScores) -> Series:
    """The metrics of one model in one variant."""
    model, variant = key
    labels = {entry["model"]: entry["label"] for entry in evaluation.settings["models"]}
    figures = found.tally.all.figures()
    return Series(
        model=model,
        label=labels[model],
        variant=variant,
        all=figures,
        slices={name: group.figures() for name, group in found.tally.slices.items()},
        tools={name: group.figures() for name, group in found.tally.tools.items()},
        usd_per_thousand=_cost(ledger, evaluation, model, figures),
    )


def compare_series(
    first: SeriesScores, others: Mapping[SeriesKey, tuple[str, SeriesScores]]
) -> list[MetricComparison]:
    """Each of the others, with its label, compared with the first by every metric that both have answers for.

    The p-values are adjusted for the number of comparisons with the first.
    """
    found: list[MetricComparison] = []
    for name in METRICS:
        compared = [
            MetricComparison(*_named(key, label), name, comparison, comparison.p_value, len(others))
            for key, (label, other) in others.items()
            if (comparison := compare(pairs(first, other, name))).difference
        ]
        p_values = adjusted({f"{each.model} {each.variant}": each.p_value for each in compared})
        found += [replace(each, p_value=p_values[f"{each.model} {each.variant}"]) for each in compared]
    return found


def _named(key: SeriesKey, label: str) -> tuple[str, str, str]:
    return key[0], label, key[1]


def _in_order(evaluation: Evaluation, found: Mapping[SeriesKey, SeriesScores]) -> list[SeriesKey]:
    """Models in the order given, each in its variants."""
    models = [entry["model"] for entry in evaluation.settings["models"]]
    variants = evaluation.settings["variants"]
    return [(model, variant) for model in models for variant in variants if (model, variant) in found]


def _cost(ledger: Ledger, evaluation: Evaluation, model: str, figures: Metrics) -> float | None:
    if evaluation.endpoint_type == "local":
        return 0.0
    config = ledger.workspace.endpoints.get(evaluation.endpoint)
    origin = origin_of(ledger, evaluation.endpoint, model)
    price = find_price(evaluation.endpoint_type, origin.base, prices=config.prices if config else None)
    if price is None:
        return None
    return cost_per_thousand(figures, price.rates(fine_tuned=origin.is_tuned, batch=False))


def _against_base(series: Sequence[Series], found: Mapping[SeriesKey, SeriesScores]) -> list[MetricComparison]:
    """Each model against each base in the same variant, by metric."""
    compared = []
    for base in (each for each in series if each.is_base):
        others = {
            each.key: (each.label, found[each.key])
            for each in series
            if each.variant == base.variant and not each.is_base
        }
        compared += compare_series(found[base.key], others)
    return sorted(compared, key=lambda each: list(METRICS).index(each.measure))
