"""Checks that a model is asked with the tool definitions it was trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.dataset.files import inspect_file
from orchestrator.dataset.shorten import in_variant
from orchestrator.dataset.variants import (
    Definitions,
    Variant,
    definitions_of_file,
    disagreement,
    variant_of_file,
)
from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable
from orchestrator.evaluation.asking import VARIANTS
from orchestrator.evaluation.cases import read_cases
from orchestrator.evaluation.pricing import origin_of
from orchestrator.evaluation.subjects import Candidate
from orchestrator.ledger import Ledger
from orchestrator.store import datachecks
from orchestrator.store.runs import Run


def is_unchanged(path: Path, sha256: str) -> bool:
    """Whether a file still exists with the recorded bytes."""
    try:
        return inspect_file(path).sha256 == sha256
    except (DataFileNotFound, DataFileUnreadable, DataFileEmpty):
        return False


def trained_variant(ledger: Ledger, run: Run) -> Variant | None:
    """How the training file defined its tools: as recorded before the upload, else from the file if unchanged; None
    if neither is known."""
    with ledger.database.read() as connection:
        check = datachecks.find(connection, run.training_sha256, "training")
    recorded = next((variant for variant in VARIANTS if check and check.variant == variant), None)
    if recorded is not None:
        return recorded
    path = Path(run.training_path)
    return variant_of_file(path) if is_unchanged(path, run.training_sha256) else None


def variant_of_model(ledger: Ledger, endpoint: str, model: str) -> Variant | None:
    """The same for a model or checkpoint; None if no recorded run trained it."""
    run = origin_of(ledger, endpoint, model).run
    return trained_variant(ledger, run) if run else None


def definition_warnings(
    ledger: Ledger, endpoint: str, asked: Sequence[Candidate], variants: Sequence[Variant], cases: Path
) -> Iterator[str]:
    """A sentence, with advice, for each trained model whose questions have other definitions than its training."""
    file_variant = variant_of_file(cases)
    told = set()
    for candidate in asked:
        run = origin_of(ledger, endpoint, candidate.model).run
        trained = trained_variant(ledger, run) if run else None
        if run is None or trained is None or run.id in told:
            continue
        told.add(run.id)
        others = [variant for variant in variants if variant != trained]
        if trained not in variants:
            can_be_made = VARIANTS.index(trained) >= VARIANTS.index(file_variant)
            do = f"add --variants {trained}" if can_be_made else f"use a --file with {trained} definitions"
            yield f"{candidate.label} was trained with {trained} definitions but is asked with {_and(others)}: {do}"
        elif others:
            never = f"never saw {_and(others)}: judge it with {trained}"
            yield f"{candidate.label} was trained with {trained} definitions and {never}"
        elif reason := _difference(run, trained, cases):
            yield f"{candidate.label} was trained with other definitions: {reason}"


def unlike_training(path: Path, trained: Variant, variants: Sequence[Variant], cases: Path) -> Iterator[str]:
    """A sentence if a model to be trained on a file will be asked with other definitions than the file has."""
    others = [variant for variant in variants if variant != trained]
    if others:
        yield f"{path} has {trained} definitions, but the cases are asked with {_and(others)}"
    elif reason := _disagreement(path, trained, cases):
        yield f"the cases have other definitions than the training file: {reason}"


def _difference(run: Run, variant: Variant, cases: Path) -> str:
    """Where the training file and the questions define a function differently; "" if nowhere, or if the training
    file has changed or is gone."""
    path = Path(run.training_path)
    return _disagreement(path, variant, cases) if is_unchanged(path, run.training_sha256) else ""


def _disagreement(path: Path, variant: Variant, cases: Path) -> str:
    questions = Definitions(str(cases))
    for case in read_cases(cases):
        questions.add(case.line, in_variant(dict(case.request), variant))
    found = disagreement(definitions_of_file(path), questions)
    return found.reason if found else ""


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
