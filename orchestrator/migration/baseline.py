"""The baseline that a successor must meet: a tuned model's recorded answers to the cases of one file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestrator.bookkeeping.endings import endings
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
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Baseline:
    """One model of a finished evaluation, in one variant."""

    side: Side
    series: Series
    scores: SeriesScores
    file: Path
    """The cases, unchanged since."""
    ends: date | None
    """When its endpoint ends the model; None if no date is known."""

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
    rescued: Run | None = None,
    without: Collection[str] = (),
    leaving_for: Collection[str] = (),
) -> Baseline:
    """The baseline that `key` means: a model, a run, `MODEL@VARIANT`, or the id of an evaluation. Without one, the
    newest evaluation of the file by a tuned model of this job: trained on its data, or under its name. A job file
    that a rescue wrote for the run `rescued` means that run's model, on the last file that it was asked if it names
    none.

    Models of the runs `without` (fingerprints) are then taken only if there is no other. Those of the endpoints
    `leaving_for`, where an earlier migration may have left successors, come last, rehearsals before them, and those
    of the job file's endpoint first. `file` replaces the job file's cases. Raises NoBaseline, BaselineUnclear if
    several models may be meant, BaselineChanged, AmbiguousEvaluation, and the errors of an unreadable file.
    """
    path = file or job.evaluation_path
    sha256 = inspect_file(path).sha256 if path else None
    if key is not None:
        side = best_side(ledger, key, sha256) or _of_evaluation(ledger, job, key, path, sha256)
    elif rescued is not None:
        side = _of_rescued(ledger, rescued, path, sha256)
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
    return Baseline(side, series, scores, cases, endings(ledger).of(found.endpoint, model))


# --- Which evaluation ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """A tuned model that was asked the cases."""

    evaluation: Evaluation
    model: str
    run: Run | None
    """The recorded run that trained it."""


def _of_evaluation(ledger: Ledger, job: JobFile, key: str, path: Path | None, sha256: str | None) -> Side | None:
    """The tuned model of the evaluation whose id starts with `key`; of several, that of the job."""
    with ledger.database.read() as connection:
        known = store.starting_with(connection, key)
    if len(known) > 1:
        raise AmbiguousEvaluation(key=key, candidates=", ".join(each.id for each in known))
    if not known:
        return None
    [found] = known
    if sha256 not in (None, found.file_sha256):
        problem = f"evaluation {found.id} asked other cases than {path}"
        raise NoBaseline(problem=problem, advice=f"To use them, add --file {found.file_path}")
    tuned = [*_tuned(ledger, known)]
    if not tuned:
        raise NoBaseline(problem=f"evaluation {found.id} asked no tuned model", advice="Name one with --baseline.")
    return _side(ledger, _only(_of_job(tuned, job), job))


def _of_rescued(ledger: Ledger, run: Run, path: Path | None, sha256: str | None) -> Side:
    """The newest answers of the run's model. Raises NoBaseline, with what to do about it."""
    model = run.fine_tuned_model
    if model is None:
        problem, advice = f"job {run.job_id} made no model", "Name one with --baseline."
        raise NoBaseline(problem=problem, advice=advice)
    with ledger.database.read() as connection:
        done = store.asking(connection, run.endpoint, model)
    for found in done:
        if sha256 is None:
            is_usable = is_unchanged(Path(found.file_path), found.file_sha256)
        else:
            is_usable = found.file_sha256 == sha256
        if is_usable and (side := _side(ledger, _Asked(found, model, run))):
            return side
    problem = f"{model} has no recorded answers" + (f" to {path}" if path else "")
    command = f"ftorch evaluate {run.id} --models tuned --file {path or 'CASES.jsonl'}"
    raise NoBaseline(
        problem=problem,
        advice=f"To record them while it answers: {command}. To use another model's, name it with --baseline.",
    )


def _usual(
    ledger: Ledger, job: JobFile, sha256: str | None, without: Collection[str], leaving_for: Collection[str]
) -> Side | None:
    if sha256 is None:
        return None
    with ledger.database.read() as connection:
        done = store.newest(connection, file_sha256=sha256)
    tuned = [*_tuned(ledger, done)]
    tuned = [each for each in tuned if each.run is None or each.run.fingerprint not in without] or tuned
    if not tuned:
        return None
    found = _of_job(tuned, job)
    first = min(_rank(each.evaluation, job, leaving_for) for each in found)
    found = [each for each in found if _rank(each.evaluation, job, leaving_for) == first]
    if _is_of_job(found[0], job):  # several seeds or settings: the newest counts
        found = [each for each in found if each.evaluation.id == found[0].evaluation.id]
    return _side(ledger, _only(found, job))


def _tuned(ledger: Ledger, among: Sequence[Evaluation]) -> Iterator[_Asked]:
    for evaluation in among:
        for entry in evaluation.settings["models"]:
            origin = origin_of(ledger, evaluation.endpoint, entry["model"])
            if origin.is_tuned:
                yield _Asked(evaluation, entry["model"], origin.run)


def _of_job(tuned: Sequence[_Asked], job: JobFile) -> list[_Asked]:
    """Those that the job trained, if there are any."""
    return [each for each in tuned if _is_of_job(each, job)] or list(tuned)


def _is_of_job(asked: _Asked, job: JobFile) -> bool:
    if asked.run is None:
        return False
    training = job.training_path
    same_data = training is not None and is_unchanged(training, asked.run.training_sha256)
    return same_data or asked.run.name == job.name


def _rank(found: Evaluation, job: JobFile, leaving_for: Collection[str]) -> tuple[bool, bool, bool]:
    return found.endpoint in leaving_for, found.is_rehearsal, found.endpoint != job.endpoint


def _only(found: Sequence[_Asked], job: JobFile) -> _Asked:
    """The newest evaluation of the one model, or of several the one that is named like the job. Raises
    BaselineUnclear if that is not clear."""
    found = [each for each in found if each.run and each.run.name == job.name] or found
    models = dict.fromkeys(each.model for each in found)
    if len(models) > 1:
        raise BaselineUnclear(count=len(models), models=", ".join(models))
    return found[0]


def _side(ledger: Ledger, asked: _Asked) -> Side | None:
    return best_side(ledger, asked.model, asked.evaluation.file_sha256, only=asked.evaluation.id)


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
