"""What a submission would do, before it does anything: files, checks, tokens, cost."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from orchestrator.config import EndpointConfig, Workspace
from orchestrator.dataset.checks import CheckReport, Finding, check_file
from orchestrator.dataset.files import DataFile, inspect_file
from orchestrator.dataset.pricing import CostEstimate, training_cost
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.notices import notices
from orchestrator.errors import InvalidData
from orchestrator.jobfile import JobFile


@dataclass(frozen=True)
class CheckedFile:
    """A data file, the bytes it stands for, and what the checks found."""

    role: str
    file: DataFile
    report: CheckReport


@dataclass(frozen=True)
class Plan:
    """One job file on one endpoint."""

    job: JobFile
    config: EndpointConfig
    training: CheckedFile
    validation: CheckedFile | None
    cost: CostEstimate
    notices: tuple[str, ...]

    @property
    def files(self) -> tuple[CheckedFile, ...]:
        return (self.training, self.validation) if self.validation else (self.training,)

    @property
    def may_cost(self) -> bool:
        """Whether a user should be asked first."""
        return capabilities_of(self.config).charges

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that makes two runs the same: submitted again, the run is found, not paid again."""
        job = self.job
        identity = {
            "name": job.name,
            "endpoint": self.config.name,
            "model": job.model,
            "suffix": job.suffix,
            "seed": job.seed,
            "metadata": job.metadata,
            "method": job.method.model_dump(mode="json"),
            "training": self.training.file.sha256,
            "validation": self.validation.file.sha256 if self.validation else None,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def plan_job(job: JobFile, workspace: Workspace, endpoint: str | None = None) -> Plan:
    """Check a job file's data and price it, on its own endpoint or the one named.

    Raises UnknownEndpoint, EndpointNotUsable, the errors of unreadable data files, and InvalidData where the data
    has errors.
    """
    config = workspace.endpoint(endpoint or job.endpoint)
    config.require_usable()
    training = _check(job, "training", job.training_path)
    validation = _check(job, "validation", job.validation_path) if job.validation_path else None
    _require_clean([file for file in (training, validation) if file])
    return Plan(
        job=job,
        config=config,
        training=training,
        validation=validation,
        cost=training_cost(
            config.type, job.model, training.report.tokens, job.method.n_epochs, training.report.examples
        ),
        notices=tuple(notices(config, job.model, date.today())),
    )


def _check(job: JobFile, role: Literal["training", "validation"], path: Path) -> CheckedFile:
    file = inspect_file(path)
    report = check_file(path, method=job.method.type, purpose=role, model=job.model)
    return CheckedFile(role, file, report)


_SHOWN_PROBLEMS = 5


def _require_clean(files: list[CheckedFile]) -> None:
    if all(file.report.ok for file in files):
        return
    lines = []
    for checked in files:
        errors = checked.report.errors
        lines += [_sentence(checked, finding) for finding in errors[:_SHOWN_PROBLEMS]]
        if len(errors) > _SHOWN_PROBLEMS:
            lines.append(f"{checked.file.path}: {len(errors) - _SHOWN_PROBLEMS} more")
    raise InvalidData("\n".join([*lines, "Nothing was uploaded. Mend the data, then submit again."]))


def _sentence(checked: CheckedFile, finding: Finding) -> str:
    line = f":{finding.line}" if finding.line else ""
    return f"{checked.file.path}{line}: {finding.code} {finding.place}: {finding.reason} {finding.fix}"
