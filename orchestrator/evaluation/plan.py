"""The plan of an evaluation: its questions, its models and its estimated cost, made before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model, doubt_about
from orchestrator.dataset.variants import WITHOUT_TOOLS, Variant
from orchestrator.deployments.serving import notes as deployment_notes
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.openweights import known_models, weights_of
from orchestrator.errors import FtorchError, NoBatches, NoEvaluationFile
from orchestrator.evaluation.asking import Grid, Question, chosen_variants, questions
from orchestrator.evaluation.casefile import CaseFile, check_cases
from orchestrator.evaluation.cases import Case, read_cases
from orchestrator.evaluation.leaks import compare_with_training, files_trained_on
from orchestrator.evaluation.pricing import Price, price_of
from orchestrator.evaluation.subjects import Candidate, Subject, candidates, find_subject
from orchestrator.evaluation.trained import definition_warnings
from orchestrator.jobfile import Evaluation as Settings, Override
from orchestrator.jobfile.tables import BASE, CHECKPOINTS, TUNED
from orchestrator.ledger import Ledger
from orchestrator.spelling import did_you_mean, nearest
from orchestrator.store import evaluations as store
from orchestrator.store.batches import under_way

T = TypeVar("T")
BATCH = 50
"""Questions looked up in the database at once; more would delay answers under way."""


@dataclass(frozen=True)
class Plan:
    """A checked evaluation, ready to run."""

    subject: Subject
    config: EndpointConfig
    settings: Settings
    cases: CaseFile
    candidates: Sequence[Candidate]
    grid: Grid
    missing: int
    """Questions without a recorded answer, except those under way."""
    unanswered: tuple[str, ...]
    """The models of these questions."""
    price: Price | None
    """Of the missing answers; None if the endpoint charges nothing."""
    notes: tuple[str, ...]
    under_way: Mapping[str, int] = field(default_factory=dict)
    """The number of unanswered questions that wait in a batch, by batch id."""
    in_batches: bool = False
    """Ask through the endpoint's Batch API."""
    twice: bool = False
    """Questions under way are asked again and count as missing."""
    keep: bool = False
    """Keep the deployments created for it."""
    is_rehearsal: bool = False
    """A stand-in on this machine answers for at least one of the models."""
    warnings: tuple[str, ...] = ()
    """Models asked with tool definitions that differ from those they were trained with."""

    @property
    def questions(self) -> int:
        return self.grid.count(self.cases.cases)

    @property
    def rejection_tools(self) -> frozenset[str]:
        return frozenset(self.settings.rejection_tools)

    @property
    def recorded_settings(self) -> Mapping[str, Any]:
        """The settings that the evaluation's record keeps."""
        is_real = self.config.type == "local" and not self.is_rehearsal
        return {
            **({"rehearsal": False} if is_real else {}),
            "models": [{"model": each.model, "label": each.label} for each in self.candidates],
            "variants": list(self.grid.variants),
            "samples": self.grid.samples,
            "temperature": self.settings.temperature,
            "rejection_tools": sorted(self.settings.rejection_tools),
            "metric": self.settings.metric,
        }


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of the command line; None keeps the job file's setting."""

    file: Path | None = None
    endpoint: str | None = None
    models: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    samples: int | None = None
    rejection_tools: tuple[str, ...] | None = None
    allow_leak: bool = False
    in_batches: bool = False
    """Ask through the endpoint's Batch API."""
    twice: bool = False
    """Also ask questions that wait in a batch."""
    keep: bool = False
    """Keep the deployments created for it."""
    overrides: Sequence[Override] = ()
    """Settings that replace the job file's."""


def plan_evaluation(ledger: Ledger, targets: Sequence[str], options: EvaluationOptions) -> Plan:
    """Find the models, check the cases, compare them with the training file, and count the unanswered questions.

    Raises the errors of `find_subject`, `check_cases` and `chosen_variants`, NoEvaluationFile, CasesInTraining,
    UnknownEndpoint, NoBatches.
    """
    return plan_subject(ledger, find_subject(ledger, targets, options.endpoint, options.overrides), options)


def plan_subject(ledger: Ledger, subject: Subject, options: EvaluationOptions) -> Plan:
    """The same for a known subject."""
    config = ledger.workspace.endpoint(subject.endpoint)
    if options.in_batches and not capabilities_of(config).batch:
        raise NoBatches(endpoint=config.name)
    settings, path = _settings(subject, options)
    asked = candidates(subject, settings.models, ledger)
    cases = check_cases(path, frozenset(settings.rejection_tools))
    variants = chosen_variants(path, settings.variants)
    grid = Grid([each.model for each in asked], variants, settings.samples, {"temperature": settings.temperature})
    notes = [
        *doubtful_names(settings, cases),
        *without_tools(variants, cases),
        *compare_with_training(
            cases, files_trained_on(ledger, subject, asked), allow_leak=settings.allow_leak or options.allow_leak
        ),
    ]
    price = Price() if capabilities_of(config).charges else None
    missing, batched = Counter[str](), Counter[str]()
    for question, batch_id in open_questions(ledger, config.name, path, settings, grid):
        if batch_id is None or options.twice:
            missing[question.model] += 1
            price = price.plus(price_of(question, config, batch=options.in_batches)) if price else None
        else:
            batched[batch_id] += 1
    return Plan(
        subject,
        config,
        settings,
        cases,
        asked,
        grid,
        missing.total(),
        tuple(missing),
        price,
        (*notes, *deployment_notes(ledger, config, tuple(missing), keep=options.keep)),
        batched,
        in_batches=options.in_batches,
        twice=options.twice,
        keep=options.keep,
        is_rehearsal=_is_rehearsal(ledger, config, subject, asked),
        warnings=tuple(definition_warnings(ledger, config.name, asked, variants, path)),
    )


def _is_rehearsal(ledger: Ledger, config: EndpointConfig, subject: Subject, asked: Sequence[Candidate]) -> bool:
    if config.type != "local":
        return False
    known = set(known_models(config, ledger.workspace.home))
    with suppress(FtorchError):  # raised before anything is asked
        if subject.job and weights_of(subject.job, config, ledger.workspace.home):
            known.add(base_model(subject.job.model))
    # An adopted job's record doesn't say what trained it.
    stand_ins = {run.fine_tuned_model for run in subject.runs if run.job_file and run.base_folder is None}
    return any(each.model in stand_ins or base_model(each.model) not in known for each in asked)


def recounted(ledger: Ledger, plan: Plan) -> Plan:
    """The plan counted again, as other processes may have recorded answers or put questions into batches."""
    missing, batched = Counter[str](), Counter[str]()
    for question, batch_id in open_questions(ledger, plan.config.name, plan.cases.path, plan.settings, plan.grid):
        if batch_id is None or plan.twice:
            missing[question.model] += 1
        else:
            batched[batch_id] += 1
    return replace(plan, missing=missing.total(), unanswered=tuple(missing), under_way=batched)


def all_questions(path: Path, settings: Settings, grid: Grid) -> Iterator[tuple[Case, Question]]:
    """Every question with its case, in file order."""
    return questions(read_cases(path, frozenset(settings.rejection_tools)), grid)


def open_questions(
    ledger: Ledger, endpoint: str, path: Path, settings: Settings, grid: Grid
) -> Iterator[tuple[Question, str | None]]:
    """The questions without a recorded answer, each with the batch in which it waits, if any; equal questions
    appear once."""
    drawn: set[store.Asked] = set()
    for batch in batches(all_questions(path, settings, grid), BATCH):
        keys = {asked_as(question): question for _, question in batch}
        with ledger.database.read() as connection:
            known = store.known(connection, endpoint, list(keys))
            waiting = under_way(connection, endpoint, list(keys))
        fresh = {key: question for key, question in keys.items() if key not in known and key not in drawn}
        drawn.update(fresh)
        yield from ((question, waiting.get(key)) for key, question in fresh.items())


def asked_as(question: Question) -> store.Asked:
    """The key of its recorded answer."""
    return question.model, question.sha256, question.sample


def batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    while batch := list(islice(items, size)):
        yield batch


def _settings(subject: Subject, options: EvaluationOptions) -> tuple[Settings, Path]:
    """The job file's `[evaluation]` with the command line's changes, and the path of its cases."""
    job = subject.job
    table = job.evaluation if job else None
    path = options.file or (job.evaluation_path if job else None)
    if path is None:
        raise NoEvaluationFile(what=job.source if job else subject.name)
    given: dict[str, Any] = {
        "models": options.models or (None if subject.runs or job else ()),
        "variants": options.variants,
        "samples": options.samples,
        "rejection_tools": options.rejection_tools,
    }
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    changes = {name: value for name, value in lists.items() if value is not None}
    return (table or Settings(file=str(path))).model_copy(update=changes), path


def without_tools(variants: Collection[Variant], cases: CaseFile) -> list[str]:
    """A note if calls are expected for requests without tools."""
    return [f"no-tools: {WITHOUT_TOOLS}"] if "no-tools" in variants and cases.tools else []


def doubtful_names(settings: Settings, cases: CaseFile) -> Iterator[str]:
    """Warnings about names that look misspelt and would silently change the metrics."""
    for model in settings.models:
        near = nearest(model, (BASE, TUNED, CHECKPOINTS), cutoff=0.8)
        if near and near != model:
            yield f'"{model}" is used as a model name; did you mean "{near}"?'
        elif doubt := doubt_about(model):
            yield doubt
    for tool in settings.rejection_tools:
        if tool not in cases.tools:
            hint = did_you_mean(tool, cases.tools, '; did you mean "{}"?')
            yield f'no case declares or expects the rejection tool "{tool}"{hint}'
