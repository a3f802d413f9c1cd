"""The files that a job has already: what stands in them is not written again, and never on the other side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.methods import Purpose
from orchestrator.dataset.survey.leaks import leaks_between
from orchestrator.dataset.survey.prompts import Prompts
from orchestrator.evaluation.subjects import Subject

KnownFiles = Mapping[Path, Purpose]
"""Files that exist, and what they are for."""


def known_files(subject: Subject) -> KnownFiles:
    """The data files of what is evaluated: those of its job file, and those its runs were trained on."""
    found: dict[Path, Purpose] = {}
    if job := subject.job:
        found |= {path: "training" for path in [job.training_path] if path}
        found |= {path: "validation" for path in [job.validation_path] if path}
        found |= {path: "evaluation" for path in [job.evaluation_path] if path}
    for run in subject.runs:
        found.setdefault(Path(run.training_path), "training")
        if run.validation_path:
            found.setdefault(Path(run.validation_path), "validation")
    resolved = {path.resolve(): purpose for path, purpose in found.items() if path.exists()}
    return {_shown(path): purpose for path, purpose in resolved.items()}


def _shown(path: Path) -> Path:
    """Relative to the current folder where it lies inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@dataclass
class Alike:
    """What the known files hold of the requests of a log, by their index."""

    problems: dict[int, str] = field(default_factory=dict)
    """Why a request is not written at all."""
    sides: dict[int, set[Purpose]] = field(default_factory=dict)
    """The files that hold nearly the same request: it may go nowhere else."""


def alike(known: KnownFiles, log: Prompts) -> Alike:
    """Compare the requests of a log with the known files. Raises DataFileUnreadable."""
    found = Alike()
    places = {line: index for index, line in enumerate(log.lines)}
    for path, purpose in known.items():
        prompts = check_file(path, method=None, purpose=purpose, count_tokens=False).survey.prompts
        answers = {line: prompts.answers[index] for index, line in enumerate(prompts.lines)}
        for leak in leaks_between(prompts, log):
            index = places[leak.line]
            if not leak.exact:
                found.sides.setdefault(index, set()).add(purpose)
            elif answers[leak.other_line] == log.answers[index]:
                found.problems.setdefault(index, f"it stands in {path} already, on line {leak.other_line}")
            else:
                text = f"line {leak.other_line} of {path} answers the same request otherwise: correct it there"
                found.problems[index] = text
    return found
