"""What is evaluated: from job files, runs and model names to the models of one endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import (
    AmbiguousRun,
    FtorchError,
    NoSuchRun,
    NothingToEvaluate,
    NoTunedModel,
    OverridesWithoutJobFile,
    SeveralEndpoints,
)
from orchestrator.jobfile import JobFile, Override, load_job_to_evaluate
from orchestrator.jobfile.tables import BASE, CHECKPOINTS, TUNED
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State
from orchestrator.store import records, sweeps
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep


@dataclass(frozen=True)
class Candidate:
    """A model to ask."""

    model: str
    label: str
    """Its name in tables: base, tuned, checkpoint 120, or its own name."""
    finished_at: float | None = None
    """When its run ended; the model may take minutes from then to answer."""

    @property
    def is_base(self) -> bool:
        return self.label == BASE


@dataclass(frozen=True)
class Subject:
    """What the user asked to evaluate."""

    name: str
    """The evaluation's name: the job's, or the model's."""
    endpoint: str
    job: JobFile | None
    base_models: tuple[str, ...]
    runs: tuple[Run, ...]
    """Succeeded runs: the newest, or those of a sweep in order."""
    models: tuple[str, ...]
    """Models given by name and not trained by a recorded run."""
    sweep_id: str | None = None
    """The sweep, if a whole sweep is evaluated."""

    @property
    def run_id(self) -> str | None:
        """The run, if there is exactly one."""
        return self.runs[0].id if len(self.runs) == 1 and not self.models else None


def find_subject(
    ledger: Ledger, targets: Sequence[str], endpoint: str | None = None, overrides: Sequence[Override] = ()
) -> Subject:
    """The subject of the targets: a job file, ids or names of runs, or models. `endpoint` replaces theirs, and
    `overrides` replace settings of the job file.

    Raises the errors of `load_job_to_evaluate`, AmbiguousRun, NothingToEvaluate, NoTunedModel, SeveralEndpoints,
    OverridesWithoutJobFile.
    """
    found = [_subject(ledger, target, endpoint, overrides) for target in targets]
    endpoints = sorted({each.endpoint for each in found})
    if len(endpoints) > 1:
        raise SeveralEndpoints(endpoints=", ".join(endpoints))
    if len(found) == 1:
        return found[0]
    return Subject(
        name=found[0].name,
        endpoint=endpoints[0],
        job=found[0].job,
        base_models=tuple(dict.fromkeys(model for each in found for model in each.base_models)),
        runs=tuple({run.id: run for each in found for run in each.runs}.values()),
        models=tuple(dict.fromkeys(model for each in found for model in each.models)),
    )


def candidates(subject: Subject, words: Iterable[str], ledger: Ledger) -> list[Candidate]:
    """The models meant by the words of `[evaluation] models`, and those given by name.

    Raises NoTunedModel if a tuned model is requested and there is none.
    """
    found = [*_worded(subject, words, ledger), *(Candidate(model, model) for model in subject.models)]
    return list({candidate.model: candidate for candidate in reversed(found)}.values())[::-1]


def _subject(ledger: Ledger, target: str, endpoint: str | None, overrides: Sequence[Override]) -> Subject:
    if target.endswith(".toml"):
        job = load_job_to_evaluate(Path(target), overrides)
        return _of_job(ledger, job, endpoint or job.endpoint)
    if overrides:
        raise OverridesWithoutJobFile(found=target)
    try:
        return _of_runs(ledger, target, ledger.runs(target))
    except NoSuchRun:
        return _of_model(ledger, target, endpoint)


def _of_job(ledger: Ledger, job: JobFile, endpoint: str) -> Subject:
    if job.sweep is None:
        return Subject(job.name, endpoint, job, (job.model,), tuple(_runs_of_job(ledger, job.name, endpoint)), ())
    with ledger.database.read() as connection:
        known = sweeps.newest(connection, name=job.name, endpoint=endpoint)
    return of_sweep(ledger, known[0], job) if known else Subject(job.name, endpoint, job, (job.model,), (), ())


def of_sweep(ledger: Ledger, sweep: RecordedSweep, job: JobFile) -> Subject:
    """A whole sweep: the trials that its job file asks for and that have a model, by number."""
    runs = [run for _, run in ledger.trials(sweep.id) if run.fine_tuned_model]
    bases = tuple(dict.fromkeys(run.model for run in runs)) or (job.model,)
    return Subject(sweep.name, sweep.endpoint, job, bases, tuple(runs), (), sweep.id)


def _runs_of_job(ledger: Ledger, name: str, endpoint: str) -> list[Run]:
    return [run for run in _single_runs(ledger, name, endpoint) if run.fine_tuned_model][:1]


def _single_runs(ledger: Ledger, name: str, endpoint: str) -> list[Run]:
    """The runs of that name outside sweeps, newest first."""
    try:
        named = ledger.runs(name)
    except (NoSuchRun, AmbiguousRun):
        return []
    return [run for run in named if run.name == name and run.endpoint == endpoint and run.sweep_id is None]


def _age(run: Run) -> tuple[float, str]:
    return run.created_at, run.id


def _of_runs(ledger: Ledger, target: str, found: Sequence[Run]) -> Subject:
    trained = [run for run in found if run.fine_tuned_model]
    is_sweep = all(run.sweep_id is not None and run.name == target for run in found)
    runs = tuple(sorted(trained, key=_age) if is_sweep else trained[:1])
    if not runs:
        command = f"ftorch resume {found[0].id}" if not found[0].is_over else f"ftorch submit {found[0].job_file}"
        what = f"run {found[0].id} ({found[0].state})"
        raise NoTunedModel(what=what, endpoint=found[0].endpoint, command=command)
    bases = tuple(dict.fromkeys(run.model for run in runs))
    return Subject(runs[0].name, runs[0].endpoint, _job_of(runs[0]), bases, runs, ())


def _job_of(run: Run) -> JobFile | None:
    """The run's job file, if it still exists and is valid."""
    try:
        return load_job_to_evaluate(Path(run.job_file))
    except FtorchError:
        return None


def _of_model(ledger: Ledger, target: str, endpoint: str | None) -> Subject:
    for model in ledger.models():
        if model.model == target and endpoint in (None, model.endpoint):
            return _of_runs(ledger, target, [ledger.run(model.run_id)])
    if endpoint is None:
        raise NothingToEvaluate(key=target)
    return Subject(target[:64], endpoint, None, (), (), (target,))


def _worded(subject: Subject, words: Iterable[str], ledger: Ledger) -> Iterator[Candidate]:
    for word in words:
        if word == BASE:
            yield from (Candidate(model, BASE) for model in subject.base_models)
        elif word in (TUNED, CHECKPOINTS):
            _require_runs(subject, ledger)
            for run in subject.runs:
                yield from _tuned(subject, run) if word == TUNED else _checkpoints(subject, run, ledger)
        else:
            yield Candidate(word, word)


def _require_runs(subject: Subject, ledger: Ledger) -> None:
    if subject.runs or subject.models:
        return
    source = subject.job.source if subject.job else subject.name
    elsewhere = (
        f" --endpoint {subject.endpoint}" if subject.job and subject.job.endpoint != subject.endpoint else ""
    )
    unfinished = next(
        (run for run in _single_runs(ledger, subject.name, subject.endpoint) if not run.is_over), None
    )
    command = f"ftorch resume {unfinished.id}" if unfinished else f"ftorch submit {source}{elsewhere}"
    raise NoTunedModel(what=source, endpoint=subject.endpoint, command=command)


def _tuned(subject: Subject, run: Run) -> Iterator[Candidate]:
    if run.state == State.SUCCEEDED and run.fine_tuned_model:
        label = TUNED if len(subject.runs) == 1 else f"{TUNED} {run.id}"
        yield Candidate(run.fine_tuned_model, label, run.finished_at)


def _checkpoints(subject: Subject, run: Run, ledger: Ledger) -> Iterator[Candidate]:
    """The checkpoints that answer, before the last step, which is the fine-tuned model itself."""
    of = "" if len(subject.runs) == 1 else f" of {run.id}"
    with ledger.database.read() as connection:
        found = records.checkpoints_of(connection, run.id)
        last = records.last_metrics(connection, [run.id]).get(run.id)
    for checkpoint in found:
        is_result = last is not None and checkpoint.step == last.total_steps
        if checkpoint.answers and checkpoint.model != run.fine_tuned_model and not is_result:
            yield Candidate(checkpoint.model, f"checkpoint {checkpoint.step}{of}", run.finished_at)
