"""Checks that a model is not evaluated on what it was trained on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.profile.leaks import leaks_between
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.errors import CasesInTraining
from orchestrator.evaluation.casefile import CaseFile
from orchestrator.evaluation.subjects import Subject
from orchestrator.evaluation.trained import is_unchanged
from orchestrator.jobfile.addresses import is_address

_SHOWN = 5


def compare_with_training(cases: CaseFile, subject: Subject, *, allow_leak: bool) -> Iterator[str]:
    """Yield a note for each training file that has nearly the same requests, or that can no longer be checked.

    Raises CasesInTraining if one has the same requests; with `allow_leak` that is a note as well.
    """
    for path, sha256 in {run.training_path: run.training_sha256 for run in subject.runs}.items():
        if not is_unchanged(Path(path), sha256):
            why = "was read elsewhere" if is_address(path) else "has moved or changed"
            yield f"the training file {path} {why}: it was not checked for these cases"
            continue
        yield from _notes(cases, Path(path), allow_leak)


def compare_with_files(cases: CaseFile, training: Collection[Path], *, allow_leak: bool) -> Iterator[str]:
    """The same for files not trained on yet. Raises CasesInTraining."""
    for path in training:
        yield from _notes(cases, path, allow_leak)


def _notes(cases: CaseFile, training: Path, allow_leak: bool) -> Iterator[str]:
    leaks = list(leaks_between(_prompts(training), cases.prompts))
    same, near = ([leak for leak in leaks if leak.exact is exact] for exact in (True, False))
    if same and not allow_leak:
        where = ", ".join(f"line {leak.line} is line {leak.other_line} there" for leak in same[:_SHOWN])
        more = ", …" if len(same) > _SHOWN else ""
        facts = {"path": cases.path, "count": len(same), "of": cases.cases, "training": training}
        raise CasesInTraining(**facts, where=where + more)
    if same:
        yield f"{len(same)} of {cases.cases} cases also appear in {training}: correct answers to them prove nothing"
    if near:
        first = near[0]
        yield (
            f"{len(near)} of {cases.cases} cases are nearly the same as examples of {training}; "
            f"the first: line {first.line} is like line {first.other_line} there"
        )


def _prompts(path: Path) -> Prompts:
    return check_file(path, method=None, purpose="evaluation", count_tokens=False).survey.prompts
