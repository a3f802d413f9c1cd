"""Two models on the same cases: what only one of them gets right, and which tools were mixed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.files import inspect_file
from orchestrator.errors import EvaluatedOtherwise, FtorchError, NotEvaluated
from orchestrator.evaluation.asking import VARIANTS
from orchestrator.evaluation.results import MetricComparison, Results, compare_series
from orchestrator.evaluation.scores import (
    Conditions,
    ScoredAnswer,
    SeriesKey,
    SeriesScores,
    conditions_of,
    read_scored,
    rescoring,
    scores_of,
)
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation

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
    model = model_named(ledger, requested)
    found: dict[_Where, Side] = {}
    for evaluation in done:
        variants = evaluation.settings["variants"]
        asked = variant or variants[0]
        if asked in variants and any(entry["model"] == model for entry in evaluation.settings["models"]):
            where = (evaluation.file_sha256, conditions_of(evaluation))
            found.setdefault(where, Side(evaluation, (model, asked)))
    return found


def model_named(ledger: Ledger, name: str) -> str:
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
