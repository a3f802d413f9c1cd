"""All models that were asked the same cases, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import EvaluatedOtherwise, FtorchError, NotEvaluated
from orchestrator.evaluation.asking import VARIANTS
from orchestrator.evaluation.comparison import compare
from orchestrator.evaluation.metrics import METRICS, value_of
from orchestrator.evaluation.results import MetricComparison, Results, Series, compare_series, series_of
from orchestrator.evaluation.scores import (
    Conditions,
    ScoredAnswer,
    SeriesKey,
    SeriesScores,
    conditions_of,
    pairs,
    read_scored,
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


# --- Two models on the same cases: what only one of them gets right, and which tools were mixed up ------------


_AT = "@"
_Where = tuple[str, Conditions]
"""The SHA-256 of a file, and by what rules it was scored."""


@dataclass(frozen=True)
class Side:
    """A model in a variant, and the evaluation that its answers are taken from."""

    evaluation: Evaluation
    key: SeriesKey


@dataclass(frozen=True)
class Changed:
    """One answer that is right with one model only; `sample` counts from 0."""

    case: str
    line: int
    sample: int
    request: str
    difference: str
    """What is wrong with the one that is not right."""


@dataclass(frozen=True)
class ModelComparison:
    """The second model against the first."""

    first: Side
    second: Side
    metrics: Sequence[MetricComparison]
    broken: Sequence[Changed]
    """Right with the first only."""
    fixed: Sequence[Changed]
    confusion: Mapping[tuple[str, str], tuple[int, int]]
    """How often each model called other tools than expected, by (expected, called); the most frequent first."""


def compare_models(ledger: Ledger, first: str, second: str, file: Path | None = None) -> ModelComparison:
    """Compare two models, named as `MODEL`, `RUN` or `MODEL@VARIANT`, on the newest file that both were asked, by
    the newest evaluations that were scored alike.

    Raises NotEvaluated where there is no such file, EvaluatedOtherwise where there is, and AmbiguousRun.
    """
    sides = _sides(ledger, first, second, inspect_file(file).sha256 if file else None)
    ours, theirs = (_gathered(ledger, side) for side in sides)
    broken, fixed = changed_answers(ledger, *sides)
    found = compare_series(ours, {sides[1].key: ("second", theirs)})
    return ModelComparison(*sides, found, broken, fixed, _confusion(ours, theirs))


def changed_answers(ledger: Ledger, first: Side, second: Side) -> tuple[list[Changed], list[Changed]]:
    """What is right with the first side only, and what with the second only, in the order of the file."""
    before = {
        (scored.id, scored.sample): None if scored.verdict.right() else _changed(scored)
        for scored in read_scored(ledger, first.evaluation.id, first.key)
        if not scored.verdict.is_api_error
    }
    broken, fixed = [], []
    for after in read_scored(ledger, second.evaluation.id, second.key):
        key = (after.id, after.sample)
        if after.verdict.is_api_error or key not in before:
            continue
        wrong = before[key]
        if wrong is None and not after.verdict.right():
            broken.append(_changed(after))
        elif wrong is not None and after.verdict.right():
            fixed.append(wrong)
    return broken, fixed


def changes_against_base(ledger: Ledger, results: Results) -> dict[SeriesKey, tuple[list[Changed], list[Changed]]]:
    """For each model in a variant what it broke and what it fixed, held against the first base in that variant."""
    bases = {series.variant: series for series in reversed(results.series) if series.is_base}
    return {
        series.key: changed_answers(
            ledger, Side(results.evaluation, bases[series.variant].key), Side(results.evaluation, series.key)
        )
        for series in results.series
        if series.variant in bases and not series.is_base
    }


def _sides(ledger: Ledger, first: str, second: str, sha256: str | None) -> tuple[Side, Side]:
    with ledger.database.read() as connection:
        done = store.newest(connection, file_sha256=sha256)
    ours, theirs = (_evaluated(ledger, name, done) for name in (first, second))
    where = " on this file" if sha256 else ""
    for name, found in ((first, ours), (second, theirs)):
        if not found:
            raise NotEvaluated(key=name, where=where, advice="See: ftorch leaderboard")
    common = next((place for place in ours if place in theirs), None)
    if common is None:
        _require_same_conditions(first, second, ours, theirs)
        advice = f"Ask both the same file: ftorch evaluate {first} {second} --file FILE"
        raise NotEvaluated(key=second, where=f" on a file that {first} was evaluated on", advice=advice)
    return ours[common], theirs[common]


def _require_same_conditions(
    first: str, second: str, ours: Mapping[_Where, Side], theirs: Mapping[_Where, Side]
) -> None:
    """Raises EvaluatedOtherwise where both were asked the same file after all."""
    for (sha256, our_rules), our_side in ours.items():
        for (their_sha256, their_rules), their_side in theirs.items():
            if their_sha256 == sha256:
                # No option takes a rejection tool away, so the side that names one is the model.
                is_theirs = bool(our_rules.rejection_tools)
                side, requested = (their_side, our_rules) if is_theirs else (our_side, their_rules)
                raise EvaluatedOtherwise(
                    first=first,
                    second=second,
                    path=our_side.evaluation.file_path,
                    first_rules=f"for the first, {our_rules}",
                    second_rules=f"for the second, {their_rules}",
                    command=rescoring(side.evaluation, side.key[0], [side.key[1]], requested),
                )


def _evaluated(ledger: Ledger, name: str, done: Sequence[Evaluation]) -> dict[_Where, Side]:
    """By file and conditions, newest first, the newest evaluation of what `name` means."""
    requested, at, variant = name.rpartition(_AT)
    if not at or variant not in VARIANTS:
        requested, variant = name, ""
    model = _model(ledger, requested)
    found: dict[_Where, Side] = {}
    for evaluation in done:
        variants = evaluation.settings["variants"]
        asked = variant or variants[0]
        if asked in variants and any(entry["model"] == model for entry in evaluation.settings["models"]):
            where = (evaluation.file_sha256, conditions_of(evaluation))
            found.setdefault(where, Side(evaluation, (model, asked)))
    return found


def _model(ledger: Ledger, name: str) -> str:
    """The model that a run yielded, where the name is one's; else the name."""
    try:
        trained = [run.fine_tuned_model for run in ledger.runs(name) if run.fine_tuned_model]
    except FtorchError:
        return name
    return trained[0] if trained else name


def _gathered(ledger: Ledger, side: Side) -> SeriesScores:
    return scores_of(ledger, side.evaluation, side.key)[side.key]


def _changed(wrong: ScoredAnswer) -> Changed:
    return Changed(wrong.id, wrong.line, wrong.sample, wrong.request, str(wrong.verdict.difference))


def _confusion(first: SeriesScores, second: SeriesScores) -> Mapping[tuple[str, str], tuple[int, int]]:
    counted = [each.tally.all.figures().confusion for each in (first, second)]
    names = dict.fromkeys((*counted[0], *counted[1]))
    mixed = {name: (counted[0].get(name, 0), counted[1].get(name, 0)) for name in names if name[0] != name[1]}
    return dict(sorted(mixed.items(), key=lambda entry: -max(entry[1])))
