"""All models that were asked the same cases, the best first."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import FtorchError
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

    rank: int | None
    """Equal values share it; None if no answer counts for the metric."""
    series: Series
    evaluation: Evaluation
    p_value: float | None
    """Against the first place, Holm-adjusted; None for the first, and for a metric that is not a share."""


@dataclass(frozen=True)
class ScoredOtherwise:
    """A model that was asked the same file but scored only by other rules."""

    model: str
    variants: Sequence[str]
    evaluation: Evaluation
    conditions: Conditions
    command: str
    """Scores its recorded answers by the leaderboard's rules, without asking again."""


@dataclass(frozen=True)
class Leaderboard:
    """The models that were asked one file, identified by its bytes, and scored by the same rules."""

    file_path: str
    """The newest path of the file."""
    file_sha256: str
    cases: int
    conditions: Conditions
    """The conditions by which most of its models were scored."""
    places: Sequence[Place]
    scored_otherwise: Sequence[ScoredOtherwise]
    removed: Sequence[str] = ()
    """Models that the user removed from it."""


def leaderboards(ledger: Ledger, name: str | None = None, metric: ScoreName = "call_accuracy") -> list[Leaderboard]:
    """A leaderboard for each file that has something to show, the last used first.

    With a `name`, only the models of the job, run or evaluation of that name, or the model itself, each with its
    rank among all.
    """
    with ledger.database.read() as connection:
        done = store.newest(connection)
    files: dict[str, list[Evaluation]] = {}
    for each in done:
        files.setdefault(each.file_sha256, []).append(each)
    if name is None:
        boards = [_leaderboard(ledger, asked, metric) for asked in files.values()]
    else:
        trained = _trained_as(ledger, name)
        wanted = {sha: _models_named(name, trained, asked) for sha, asked in files.items()}
        boards = [
            _only(_leaderboard(ledger, files[sha], metric), models) for sha, models in wanted.items() if models
        ]
    return [board for board in boards if board.places or board.scored_otherwise or board.removed]


def _trained_as(ledger: Ledger, name: str) -> set[str]:
    """The models of the runs of this name or id."""
    try:
        return {run.fine_tuned_model for run in ledger.runs(name) if run.fine_tuned_model}
    except FtorchError:
        return set()


def _models_named(name: str, trained: Collection[str], done: Sequence[Evaluation]) -> set[str]:
    """One file's models that an evaluation or run of this name asked or trained, or that have this name."""
    asked = {(entry["model"], each.name) for each in done for entry in each.settings["models"]}
    return {model for model, of in asked if name in (of, model) or model in trained}


def _only(board: Leaderboard, models: Collection[str]) -> Leaderboard:
    return replace(
        board,
        places=[place for place in board.places if place.series.model in models],
        scored_otherwise=[other for other in board.scored_otherwise if other.model in models],
        removed=[model for model in board.removed if model in models],
    )


def _leaderboard(ledger: Ledger, done: Sequence[Evaluation], metric: ScoreName) -> Leaderboard:
    conditions = _usual_conditions(done)
    alike = [each for each in done if conditions_of(each) == conditions]
    entries = [
        (series_of(ledger, evaluation, key, found), evaluation, found)
        for evaluation, key, found in _newest(ledger, alike)
    ]
    entries.sort(key=lambda entry: _order(entry[0], metric))
    gathered = [found for _, _, found in entries]
    ranks = _ranks([value_of(metric, series.all) for series, _, _ in entries])
    places = [
        Place(rank, series, evaluation, p_value)
        for rank, (series, evaluation, _), p_value in zip(
            ranks, entries, _against_first(gathered, metric), strict=True
        )
    ]
    cases = max((len({case for case, _ in found.kept}) for found in gathered), default=0)
    others = list(_scored_otherwise(done, conditions))
    listed = {place.series.model for place in places} | {other.model for other in others}
    removed = dict.fromkeys(model for each in done for model in removed_from(each) if model not in listed)
    return Leaderboard(done[0].file_path, done[0].file_sha256, cases, conditions, places, others, list(removed))


def _ranks(values: Sequence[float | None]) -> list[int | None]:
    """Competition ranks of values in their order: equal values share a rank, and the next ranks are skipped."""
    ranks: list[int | None] = []
    for place, value in enumerate(values, start=1):
        is_tie = place > 1 and value == values[place - 2]
        ranks.append(None if value is None else ranks[-1] if is_tie else place)
    return ranks


def _newest(ledger: Ledger, done: Sequence[Evaluation]) -> Iterator[tuple[Evaluation, SeriesKey, SeriesScores]]:
    """The scores of the newest evaluation of each endpoint, model and variant."""
    seen = set()
    for evaluation in done:
        removed = removed_from(evaluation)
        for key, found in scores_of(ledger, evaluation).items():
            if key[0] not in removed and (evaluation.endpoint, *key) not in seen:
                seen.add((evaluation.endpoint, *key))
                yield evaluation, key, found


def _usual_conditions(done: Sequence[Evaluation]) -> Conditions:
    """The conditions by which most models and variants were scored; the newest of equally frequent ones."""
    asked: dict[Conditions, set[_Asked]] = {}
    for evaluation in done:
        asked.setdefault(conditions_of(evaluation), set()).update(_asked(evaluation))
    return max(asked, key=lambda conditions: len(asked[conditions]))


def _scored_otherwise(done: Sequence[Evaluation], conditions: Conditions) -> Iterator[ScoredOtherwise]:
    """For each model, by its newest evaluation, the variants that were not scored by these conditions."""
    seen = {asked for each in done if conditions_of(each) == conditions for asked in _asked(each)}
    for evaluation in done:
        missing = [asked for asked in _asked(evaluation) if asked not in seen]
        seen.update(missing)
        for model in dict.fromkeys(model for _, model, _ in missing):
            variants = [variant for _, other, variant in missing if other == model]
            command = rescoring(evaluation, model, variants, conditions)
            yield ScoredOtherwise(model, variants, evaluation, conditions_of(evaluation), command)


def _asked(evaluation: Evaluation) -> Iterator[_Asked]:
    """What was asked, without what was removed from the leaderboard."""
    removed = removed_from(evaluation)
    for entry in evaluation.settings["models"]:
        if entry["model"] not in removed:
            for variant in evaluation.settings["variants"]:
                yield evaluation.endpoint, entry["model"], variant


def _order(series: Series, metric: ScoreName) -> tuple[bool, float, float]:
    """The best first; of equal ones, the one with fewer prompt tokens."""
    value, tokens = value_of(metric, series.all), series.all.prompt_tokens
    is_better_low = metric in METRICS and METRICS[metric].better_low
    signed = (value or 0.0) if is_better_low else -(value or 0.0)
    return value is None, signed, tokens.mean if tokens else math.inf


def _against_first(found: Sequence[SeriesScores], metric: ScoreName) -> list[float | None]:
    if metric not in METRICS or not found:
        return [None] * len(found)
    compared = [compare(pairs(found[0], other, metric)) for other in found[1:]]
    return [None, *holm([each.p_value for each in compared])]


# --- Removal from the leaderboard ---------------------------------------------------------------------------------

_REMOVED = "off_leaderboard"
"""The settings key of an evaluation that lists the removed models."""


def removed_from(evaluation: Evaluation) -> Collection[str]:
    """The models whose scores in this evaluation are kept off the leaderboard."""
    return tuple(evaluation.settings.get(_REMOVED, ()))


def holding(ledger: Ledger, model: str) -> list[Evaluation]:
    """The evaluations that asked the model."""
    with ledger.database.read() as connection:
        done = store.newest(connection)
    return [each for each in done if any(entry["model"] == model for entry in each.settings["models"])]


def set_removed(ledger: Ledger, model: str, found: Sequence[Evaluation], *, is_removed: bool) -> None:
    """Remove the model from the leaderboard in these evaluations, or restore it. Nothing is deleted."""
    with ledger.database.write() as connection:
        for each in found:
            others = {other for other in removed_from(each) if other != model}
            settings = {**each.settings, _REMOVED: sorted(others | ({model} if is_removed else set()))}
            store.set_settings(connection, each.id, settings)
