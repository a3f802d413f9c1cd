"""The baseline that a successor must meet: a tuned model's recorded answers to the cases of one file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestrator.dataset.basemodels import tuned_until
from orchestrator.dataset.files import inspect_file
from orchestrator.errors import AmbiguousEvaluation, BaselineChanged, BaselineUnclear, NoBaseline
from orchestrator.evaluation.pricing import origin_of
from orchestrator.evaluation.results import Series, series_of
from orchestrator.evaluation.scores import SCORING, SeriesScores, conditions_of, rescoring, scores_of
from orchestrator.evaluation.trained import is_unchanged
from orchestrator.evaluation.versus import Side, best_side
from orchestrator.jobfile import JobFile
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store
from orchestrator.store.evaluations import Evaluation


@dataclass(frozen=True)
class Baseline:
    """One model of a finished evaluation, in one variant."""

    side: Side
    series: Series
    scores: SeriesScores
    file: Path
    """The cases, unchanged since."""
    ends: date | None
    """When its endpoint ends the model, as announced; None if no date is known."""

    @property
    def evaluation(self) -> Evaluation:
        return self.side.evaluation

    @property
    def model(self) -> str:
        return self.side.key[0]

    @property
    def variant(self) -> str:
        return self.side.key[1]

    @property
    def samples(self) -> int:
        return int(self.evaluation.settings["samples"])

    @property
    def temperature(self) -> float | None:
        """None if it is not recorded."""
        found: float | None = self.evaluation.settings.get("temperature")
        return found

    @property
    def rejection_tools(self) -> tuple[str, ...]:
        return conditions_of(self.evaluation).rejection_tools


def find_baseline(
    ledger: Ledger,
    job: JobFile,
    key: str | None,
    file: Path | None,
    *,
    without: Collection[str] = (),
    leaving_for: Collection[str] = (),
) -> Baseline:
    """The baseline that `key` means: a model, a run, `MODEL@VARIANT`, or the id of an evaluation. Without one, the
    newest evaluation of the file by a tuned model.

    Models of the runs `without` (fingerprints) are then taken only if there is no other. Those of the endpoints
    `leaving_for`, where an earlier migration may have left successors, come last, rehearsals before them, and those
    of the job file's endpoint first. `file` replaces the job file's cases. Raises NoBaseline, BaselineUnclear,
    BaselineChanged, AmbiguousEvaluation, and the errors of an unreadable file.
    """
    path = file or job.evaluation_path
    sha256 = inspect_file(path).sha256 if path else None
    if key is not None:
        side = best_side(ledger, key, sha256) or _of_evaluation(ledger, key, path, sha256)
    else:
        side = _usual(ledger, job, sha256, without, leaving_for)
    if side is None:
        raise _none(ledger, job, key, path)
    return _read(ledger, side, path)


def _read(ledger: Ledger, side: Side, path: Path | None) -> Baseline:
    found, (model, variant) = side.evaluation, side.key
    if found.scored_with != SCORING:
        command = rescoring(found, model, [variant], conditions_of(found))
        problem = f"evaluation {found.id} was scored by older rules"
        raise NoBaseline(problem=problem, advice=f"Score it again; nothing is asked for that: {command}")
    cases = path or Path(found.file_path)
    if not is_unchanged(cases, found.file_sha256):
        raise BaselineChanged(path=cases, evaluation=found.id)
    scores = scores_of(ledger, found, side.key)[side.key]
    series = series_of(ledger, found, side.key, scores)
    ends = tuned_until(found.endpoint_type, origin_of(ledger, found.endpoint, model).base)
    return Baseline(side, series, scores, cases, ends)


# --- Which evaluation ------------------------------------------------------------------------------------------


def _of_evaluation(ledger: Ledger, key: str, path: Path | None, sha256: str | None) -> Side | None:
    """The one tuned model of the evaluation whose id starts with `key`."""
    with ledger.database.read() as connection:
        known = store.starting_with(connection, key)
    if len(known) > 1:
        raise AmbiguousEvaluation(key=key, candidates=", ".join(each.id for each in known))
    if not known:
        return None
    if sha256 not in (None, known[0].file_sha256):
        named = f"--file {known[0].file_path}"
        problem = f"evaluation {known[0].id} asked other cases than {path}: those of {known[0].file_path}"
        raise NoBaseline(problem=problem, advice=f"To use them, add {named}")
    tuned = [entry["model"] for entry in known[0].settings["models"] if _is_tuned(ledger, known[0], entry["model"])]
    if len(tuned) != 1:
        models = ", ".join(tuned or [entry["model"] for entry in known[0].settings["models"]])
        raise BaselineUnclear(evaluation=known[0].id, count=len(tuned), models=models)
    return best_side(ledger, tuned[0], known[0].file_sha256, only=known[0].id)


def _usual(
    ledger: Ledger, job: JobFile, sha256: str | None, without: Collection[str], leaving_for: Collection[str]
) -> Side | None:
    if sha256 is None:
        return None
    with ledger.database.read() as connection:
        done = store.newest(connection, file_sha256=sha256)
    found = [*_tuned_models(ledger, done, without)] or [*_tuned_models(ledger, done, ())]
    found.sort(key=lambda pair: _rank(pair[0], job, leaving_for))
    for evaluation, model in found:
        if side := best_side(ledger, model, sha256, only=evaluation.id):
            return side
    return None


def _rank(found: Evaluation, job: JobFile, leaving_for: Collection[str]) -> tuple[bool, bool, bool]:
    return found.endpoint in leaving_for, found.is_rehearsal, found.endpoint != job.endpoint


def _tuned_models(
    ledger: Ledger, done: Sequence[Evaluation], without: Collection[str]
) -> Iterator[tuple[Evaluation, str]]:
    for evaluation in done:
        for entry in evaluation.settings["models"]:
            origin = origin_of(ledger, evaluation.endpoint, entry["model"])
            if origin.is_tuned and not (origin.run and origin.run.fingerprint in without):
                yield evaluation, entry["model"]


def _is_tuned(ledger: Ledger, evaluation: Evaluation, model: str) -> bool:
    return origin_of(ledger, evaluation.endpoint, model).is_tuned


def _none(ledger: Ledger, job: JobFile, key: str | None, path: Path | None) -> NoBaseline:
    """With the command that makes one."""
    where = f" --file {path}" if path and path != job.evaluation_path else ""
    if path is None:
        problem = f"{job.source} names no evaluation file"
        advice = "Give one with --file, or add [evaluation] with a file to the job file."
    elif key is None:
        problem = f"no tuned model has recorded answers to {path}"
        advice = f"To record them: ftorch evaluate {job.source}{where}, or name the model with --baseline."
    else:
        problem = f'"{key}" has no recorded answers to {path}, and is no evaluation'
        advice = f"To record them: ftorch evaluate {key} --endpoint {job.endpoint} --file {path}"
    return NoBaseline(problem=problem, advice=advice)
