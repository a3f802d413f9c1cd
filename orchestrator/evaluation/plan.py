"""What an evaluation is going to ask, of whom, and what that may cost: settled before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import NoEvaluationFile
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.casefile import CaseFile, check_cases
from orchestrator.evaluation.cases import Case, read_cases
from orchestrator.evaluation.leaks import compare_with_training
from orchestrator.evaluation.pricing import Price, price_of
from orchestrator.evaluation.questions import Grid, chosen_variants, questions
from orchestrator.evaluation.subjects import Candidate, Subject, candidates, find_subject
from orchestrator.jobfile import Evaluation as Settings
from orchestrator.jobfile.evaluation import BASE, CHECKPOINTS, TUNED
from orchestrator.runs.ledger import Ledger
from orchestrator.store import evaluations as store

T = TypeVar("T")
BATCH = 50
"""Questions that are looked up in the database at once; more would keep answers under way waiting."""


@dataclass(frozen=True)
class Plan:
    """An evaluation that can be carried out."""

    subject: Subject
    config: EndpointConfig
    settings: Settings
    cases: CaseFile
    candidates: Sequence[Candidate]
    grid: Grid
    missing: int
    """Questions without a recorded answer."""
    price: Price | None
    """Of the missing answers; None where the endpoint charges nothing."""
    notes: tuple[str, ...]

    @property
    def questions(self) -> int:
        return self.grid.count(self.cases.cases)

    @property
    def rejection_tools(self) -> frozenset[str]:
        return frozenset(self.settings.rejection_tools)

    @property
    def recorded_settings(self) -> Mapping[str, Any]:
        """What the record of the evaluation keeps."""
        return {
            "models": [{"model": each.model, "label": each.label} for each in self.candidates],
            "variants": list(self.grid.variants),
            "samples": self.grid.samples,
            "temperature": self.settings.temperature,
            "rejection_tools": sorted(self.settings.rejection_tools),
            "metric": self.settings.metric,
        }


@dataclass(frozen=True)
class Wishes:
    """What the command line says beside the job file; None leaves the job file's word."""

    file: Path | None = None
    endpoint: str | None = None
    models: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    samples: int | None = None
    rejection_tools: tuple[str, ...] | None = None
    allow_leak: bool = False


def plan_evaluation(ledger: Ledger, targets: Sequence[str], wishes: Wishes) -> Plan:
    """Find the models, check the cases, compare them with the training file, and count what is not answered yet.

    Raises what `find_subject`, `check_cases` and `chosen_variants` raise, NoEvaluationFile, CasesInTraining,
    UnknownEndpoint.
    """
    subject = find_subject(ledger, targets, wishes.endpoint)
    config = ledger.workspace.endpoint(subject.endpoint)
    settings, path = _settings(subject, wishes)
    asked = candidates(subject, settings.models, ledger)
    cases = check_cases(path, frozenset(settings.rejection_tools))
    variants = chosen_variants(path, settings.variants)
    grid = Grid([each.model for each in asked], variants, settings.samples, {"temperature": settings.temperature})
    notes = [
        *_doubtful_names(settings, cases),
        *compare_with_training(cases, subject, allow_leak=settings.allow_leak or wishes.allow_leak),
    ]
    charges = capabilities_of(config).charges
    price = Price() if charges else None
    missing = 0
    for question in missing_questions(ledger, config.name, path, settings, grid):
        missing += 1
        price = price.plus(price_of(question, config)) if price else None
    return Plan(subject, config, settings, cases, asked, grid, missing, price, tuple(notes))


def all_questions(path: Path, settings: Settings, grid: Grid) -> Iterator[tuple[Case, Question]]:
    """Every question with its case, in the order of the file."""
    return questions(read_cases(path, frozenset(settings.rejection_tools)), grid)


def missing_questions(
    ledger: Ledger, endpoint: str, path: Path, settings: Settings, grid: Grid
) -> Iterator[Question]:
    """The questions without a recorded answer; of equal ones the first."""
    drawn: set[store.Asked] = set()
    for batch in batches(all_questions(path, settings, grid), BATCH):
        keys = {asked_as(question): question for _, question in batch}
        with ledger.database.read() as connection:
            known = store.known(connection, endpoint, list(keys))
        fresh = {key: question for key, question in keys.items() if key not in known and key not in drawn}
        drawn.update(fresh)
        yield from fresh.values()


def asked_as(question: Question) -> store.Asked:
    """What its answer is found by."""
    return question.model, question.sha256, question.sample


def batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    while batch := list(islice(items, size)):
        yield batch


def _settings(subject: Subject, wishes: Wishes) -> tuple[Settings, Path]:
    """The job file's `[evaluation]` with what the command line says instead, and where its cases are."""
    job = subject.job
    table = job.evaluation if job else None
    path = wishes.file or (job.evaluation_path if job else None)
    if path is None:
        raise NoEvaluationFile(what=job.source if job else subject.name)
    given: dict[str, Any] = {
        "models": wishes.models or (None if subject.runs or job else ()),
        "variants": wishes.variants,
        "samples": wishes.samples,
        "rejection_tools": wishes.rejection_tools,
    }
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    changes = {name: value for name, value in lists.items() if value is not None}
    return (table or Settings(file=str(path))).model_copy(update=changes), path


def _doubtful_names(settings: Settings, cases: CaseFile) -> Iterator[str]:
    """Names that are taken as they stand, and would quietly give other figures where they are misspelt."""
    for model in settings.models:
        near = get_close_matches(model, (BASE, TUNED, CHECKPOINTS), n=1, cutoff=0.8)
        if near and near[0] != model:
            yield f'"{model}" is taken for the name of a model; did you mean "{near[0]}"?'
    for tool in settings.rejection_tools:
        if tool not in cases.tools:
            near = get_close_matches(tool, cases.tools, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            yield f'no case declares or expects the rejection tool "{tool}"{hint}'
