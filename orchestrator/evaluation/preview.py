"""The evaluation that follows a submission automatically, checked before anything is paid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model
from orchestrator.dataset.variants import Variant
from orchestrator.endpoints import capabilities_of
from orchestrator.evaluation.asking import Grid, chosen_variants, questions
from orchestrator.evaluation.casefile import CaseFile, check_cases
from orchestrator.evaluation.cases import read_cases
from orchestrator.evaluation.leaks import TrainingFile, compare_with_files, compare_with_training
from orchestrator.evaluation.plan import doubtful_names, without_tools
from orchestrator.evaluation.pricing import Price, price_of
from orchestrator.jobfile import Evaluation as Settings, JobFile
from orchestrator.jobfile.tables import BASE, CHECKPOINTS, TUNED

CHECKPOINTS_KEPT = 2
"""Without the last one, which is the fine-tuned model: OpenAI's guide says that the last three are kept."""


@dataclass(frozen=True)
class Preview:
    """What will be asked, of which models, and the estimated cost."""

    cases: CaseFile
    settings: Settings
    models: int
    """In total, with the usual number of kept checkpoints."""
    variants: tuple[Variant, ...]
    questions: int
    price: Price | None
    """Of all questions, including any answered before, which are not asked again; None if nothing is charged."""
    notes: tuple[str, ...]


def preview(
    job: JobFile, config: EndpointConfig, training: Collection[Path], *, tuned_models: int = 1
) -> Preview | None:
    """Check the evaluation file of a job with automatic evaluation, and price it; None for any other job.

    `training` are the files to be trained on, `tuned_models` the number of resulting models. Raises
    CasesInTraining, InvalidCases, VariantNotThere, and the errors of unreadable data files.
    """
    table, path = job.evaluation, job.evaluation_path
    is_ranked_by_it = job.sweep is not None and job.sweep.by_evaluation
    if table is None or path is None or not (table.auto or is_ranked_by_it):
        return None
    cases = check_cases(path, frozenset(table.rejection_tools))
    variants = chosen_variants(path, table.variants)
    notes = [
        *doubtful_names(table, cases),
        *without_tools(variants, cases),
        *compare_with_files(cases, training, allow_leak=table.allow_leak),
    ]
    counted = _models(job, table, tuned_models)
    models = sum(counted.values())
    return Preview(
        cases=cases,
        settings=table,
        models=models,
        variants=tuple(variants),
        questions=models * len(variants) * table.samples * cases.cases,
        price=_price(path, table, variants, counted, config) if capabilities_of(config).charges else None,
        notes=tuple(notes),
    )


def compared(preview: Preview, parents: Collection[TrainingFile]) -> Preview:
    """The preview with its cases compared with the files that the base model was trained on. Raises
    CasesInTraining."""
    notes = compare_with_training(preview.cases, parents, allow_leak=preview.settings.allow_leak)
    return replace(preview, notes=(*preview.notes, *notes))


def _models(job: JobFile, table: Settings, tuned_models: int) -> dict[str, int]:
    """The number of models priced under each name."""
    tuned = f"ft:{base_model(job.model)}:::preview"
    found: dict[str, int] = {}
    for word in table.models:
        number = {TUNED: tuned_models, CHECKPOINTS: tuned_models * CHECKPOINTS_KEPT}.get(word, 1)
        name = tuned if word in (TUNED, CHECKPOINTS) else job.model if word == BASE else word
        found[name] = found.get(name, 0) + number
    return found


def _price(
    path: Path, table: Settings, variants: Collection[Variant], counted: dict[str, int], config: EndpointConfig
) -> Price:
    """The price of each case once per kind of model, times how often it is asked."""
    grid = Grid(list(counted), list(variants), 1, {})
    total = Price()
    for _, question in questions(read_cases(path, frozenset(table.rejection_tools)), grid):
        total = total.plus(price_of(question, config).times(counted[question.model] * table.samples))
    return total
