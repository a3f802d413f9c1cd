"""All models that were asked the same cases, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.errors import NotEvaluated
from orchestrator.evaluation.comparison import compare
from orchestrator.evaluation.metrics import METRICS, value_of
from orchestrator.evaluation.results import Series, series_of
from orchestrator.evaluation.scores import (
    Conditions,
    SeriesKey,
    SeriesScores,
    conditions_of,
    pairs,
    rescoring,
    scores_of,
)
from orchestrator.evaluation.statistics import holm
from orchestrator.jobfile import ScoreName
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation

_Asked = tuple[str, str, str]
"""Endpoint, model and variant."""


@dataclass(frozen=True)
class Place:
    """One model in one variant, by its newest evaluation."""

    series: Series
    evaluation: Evaluation
    p_value: float | None
    """Against the first place, adjusted after Holm; None for the first, and where the metric is no share."""


@dataclass(frozen=True)
class ScoredOtherwise:
    """A model that was asked the same file, and whose answers were scored by other rules only."""

    model: str
    variants: Sequence[str]
    evaluation: Evaluation
    conditions: Conditions
    command: str
    """Scores its answers as those on the leaderboard, without asking."""


@dataclass(frozen=True)
class Leaderboard:
    """The models that were asked one file, told by its bytes, and scored by the same rules."""

    file_path: str
    """As it was called last."""
    file_sha256: str
    cases: int
    conditions: Conditions
    """Those that most of its models were scored by."""
    places: Sequence[Place]
    scored_otherwise: Sequence[ScoredOtherwise]


def leaderboards(ledger: Ledger, name: str | None = None, metric: ScoreName = "call_accuracy") -> list[Leaderboard]:
    """A leaderboard for each file, the one used last first: of all evaluations, or of those of a name.

    Raises NotEvaluated where there is none of that name.
    """
    with ledger.database.read() as connection:
        done = store.newest(connection)
    hashes = dict.fromkeys(each.file_sha256 for each in done if name in (None, each.name))
    if name is not None and not hashes:
        raise NotEvaluated(key=name, where="", advice="See what was: ftorch leaderboard")
    return [_leaderboard(ledger, [each for each in done if each.file_sha256 == sha], metric) for sha in hashes]


def _leaderboard(ledger: Ledger, done: Sequence[Evaluation], metric: ScoreName) -> Leaderboard:
    conditions = _usual_conditions(done)
    alike = [each for each in done if conditions_of(each) == conditions]
    entries = [
        (series_of(ledger, evaluation, key, found), evaluation, found)
        for evaluation, key, found in _newest(ledger, alike)
    ]
    entries.sort(key=lambda entry: _rank(entry[0], metric))
    gathered = [found for _, _, found in entries]
    places = [
        Place(series, evaluation, p_value)
        for (series, evaluation, _), p_value in zip(entries, _against_first(gathered, metric), strict=True)
    ]
    cases = max(len({case for case, _ in found.kept}) for found in gathered)
    others = list(_scored_otherwise(done, conditions))
    return Leaderboard(done[0].file_path, done[0].file_sha256, cases, conditions, places, others)


def _newest(ledger: Ledger, done: Sequence[Evaluation]) -> Iterator[tuple[Evaluation, SeriesKey, SeriesScores]]:
    """For each endpoint, model and variant the scores of its newest evaluation."""
    seen = set()
    for evaluation in done:
        for key, found in scores_of(ledger, evaluation).items():
            if (evaluation.endpoint, *key) not in seen:
                seen.add((evaluation.endpoint, *key))
                yield evaluation, key, found


def _usual_conditions(done: Sequence[Evaluation]) -> Conditions:
    """Those that most models and variants were scored by; of equal ones the newest."""
    asked: dict[Conditions, set[_Asked]] = {}
    for evaluation in done:
        asked.setdefault(conditions_of(evaluation), set()).update(_asked(evaluation))
    return max(asked, key=lambda conditions: len(asked[conditions]))


def _scored_otherwise(done: Sequence[Evaluation], conditions: Conditions) -> Iterator[ScoredOtherwise]:
    """By model and its newest evaluation, the variants that have none by these conditions."""
    seen = {asked for each in done if conditions_of(each) == conditions for asked in _asked(each)}
    for evaluation in done:
        missing = [asked for asked in _asked(evaluation) if asked not in seen]
        seen.update(missing)
        for model in dict.fromkeys(model for _, model, _ in missing):
            variants = [variant for _, other, variant in missing if other == model]
            command = rescoring(evaluation, model, variants, conditions)
            yield ScoredOtherwise(model, variants, evaluation, conditions_of(evaluation), command)


def _asked(evaluation: Evaluation) -> Iterator[_Asked]:
    for entry in evaluation.settings["models"]:
        for variant in evaluation.settings["variants"]:
            yield evaluation.endpoint, entry["model"], variant


def _rank(series: Series, metric: ScoreName) -> tuple[bool, float]:
    value = value_of(metric, series.all)
    is_better_low = metric in METRICS and METRICS[metric].better_low
    return value is None, (value or 0.0) if is_better_low else -(value or 0.0)


def _against_first(found: Sequence[SeriesScores], metric: ScoreName) -> list[float | None]:
    if metric not in METRICS:
        return [None] * len(found)
    compared = [compare(pairs(found[0], other, metric)) for other in found[1:]]
    return [None, *holm([each.p_value for each in compared])]
