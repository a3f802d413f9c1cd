"""Checks a job's files before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.dataset.checking.checks import CheckReport, check_file
from orchestrator.server.jobrules import rules_of
from orchestrator.server.store import Store
from orchestrator.server.store.records import Failure, Job

SHOWN_NOTES = 5
_ADVICE = "FT6"
"""What only the whole file shows is for its author, before the upload; no service says such things of a job."""

Role = Literal["training_file", "validation_file"]


class JobFailedError(Exception):
    """This job cannot succeed; `failure` is what its object will carry."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Validated:
    """What the checks found: tokens of one epoch, and notes for the owner."""

    training_tokens: int
    notes: Sequence[str]


def validate_files(store: Store, job: Job, now: float) -> Validated:
    """Check the training file and, where there is one, the validation file.

    Raises JobFailedError with the first line that is wrong.
    """
    report = _check(store, job, "training_file", now)
    notes = _notes("Training file", report)
    if job.validation_file is not None:
        notes += _notes("Validation file", _check(store, job, "validation_file", now))
    return Validated(report.tokens or 0, notes)


def file_blob(store: Store, job: Job, role: Role, now: float) -> str:
    """The blob of the job's file; JobFailedError where the file was deleted after the job was created."""
    file_id = job.training_file if role == "training_file" else job.validation_file
    file = store.files.get(file_id or "", now)
    if file is None:
        message = f"The file {file_id} was deleted before it could be used."
        raise JobFailedError(Failure("file_not_found", message, role))
    return file.blob


def _check(store: Store, job: Job, role: Role, now: float) -> CheckReport:
    path = store.blobs.path(file_blob(store, job, role, now))
    report = check_file(
        path, method=job.method, purpose="training" if role == "training_file" else "validation", model=job.base
    )
    if not report.ok:
        raise JobFailedError(Failure(f"invalid_{role}", _complaint(role, report, path), role))
    failure = rules_of(job).screen(path)
    if failure is not None:
        raise JobFailedError(failure)
    return report


def _complaint(role: Role, report: CheckReport, path: Path) -> str:
    first = report.errors[0]
    place = "" if first.line else f" (up to line {_lines(path)}, its last)"
    others = report.total("error") - 1
    more = f" ({others} more in this file.)" if others else ""
    return f"The {role.replace('_', ' ')} is invalid. {first.message}{place}. {first.fix}{more}"


def _lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _notes(name: str, report: CheckReport) -> list[str]:
    told = [finding for finding in report.warnings if not finding.code.startswith(_ADVICE)]
    notes = [f"{name}: {finding.message}" for finding in told[:SHOWN_NOTES]]
    left = sum(report.counts[code] for code in {finding.code for finding in told}) - len(notes)
    if left:
        notes.append(f"{name}: {left} more warnings")
    return notes
