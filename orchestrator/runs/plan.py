"""What a submission would do, before it does anything: files, checks, tokens, cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from orchestrator.config import EndpointConfig, Workspace
from orchestrator.dataset.checking.filesets import Announce, check_together
from orchestrator.dataset.checking.findings import CheckReport, Finding
from orchestrator.dataset.checking.limits import Limits, limits_of
from orchestrator.dataset.checking.sources import sources_of
from orchestrator.dataset.files import DataFile, inspect_file
from orchestrator.dataset.pricing import CostEstimate, training_cost
from orchestrator.dataset.variants import Variant
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.notices import notices
from orchestrator.errors import InvalidData
from orchestrator.jobfile import JobFile
from orchestrator.runs.recipe import FileFacts, Recipe


@dataclass(frozen=True)
class CheckedFile:
    """A data file, the bytes it stands for, and what the checks found."""

    role: str
    file: DataFile
    report: CheckReport
    variant: Variant
    """How its tool definitions are written."""

    @property
    def facts(self) -> FileFacts:
        return FileFacts(self.file.path.absolute(), self.file.sha256, self.report.examples, self.report.tokens)


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
        return self.recipe.fingerprint

    @property
    def recipe(self) -> Recipe:
        """What its run is recorded with."""
        validation = self.validation.facts if self.validation else None
        return Recipe(self.job, self.config, self.training.facts, validation, self.cost.usd)


def plan_job(
    job: JobFile, workspace: Workspace, endpoint: str | None = None, *, announce: Announce | None = None
) -> Plan:
    """Check a job file's data and price it, on its own endpoint or the one named. `announce` is told of each file.

    Raises UnknownEndpoint, EndpointNotUsable, the errors of unreadable data files, and InvalidData where the data
    has errors.
    """
    config = workspace.endpoint(endpoint or job.endpoint)
    config.require_usable()
    training, *others = _check(job, limits_of(config.type), announce)
    validation = others[0] if others else None
    _require_clean(job, [training, *others])
    return Plan(
        job=job,
        config=config,
        training=training,
        validation=validation,
        cost=training_cost(
            config.type,
            job.model,
            training.report.tokens,
            job.method.n_epochs,
            training.report.examples,
            method=job.method.type,
            prices=config.prices,
        ),
        notices=tuple(notices(config, job.model, date.today())),
    )


def _check(job: JobFile, limits: Limits, announce: Announce | None) -> list[CheckedFile]:
    sources = sources_of(job, limits)
    files = [inspect_file(source.path) for source in sources]
    checked = check_together(sources, announce=announce)
    return [
        CheckedFile(each.source.purpose, file, each.report, each.variant)
        for each, file in zip(checked, files, strict=True)
    ]


_SHOWN_PROBLEMS = 5


def _require_clean(job: JobFile, files: list[CheckedFile]) -> None:
    if all(file.report.ok for file in files):
        return
    lines = []
    for checked in files:
        shown = checked.report.errors[:_SHOWN_PROBLEMS]
        lines += [_sentence(checked, finding) for finding in shown]
        if left := checked.report.total("error") - len(shown):
            lines.append(f"{checked.file.path}: {left:,} more")
    advice = f"Nothing was uploaded. Mend the data, then submit again; all findings: ftorch data check {job.source}"
    raise InvalidData("\n".join([*lines, advice]))


def _sentence(checked: CheckedFile, finding: Finding) -> str:
    line = f":{finding.line}" if finding.line else ""
    within = f" {finding.within}:" if finding.within else ""
    return f"{checked.file.path}{line}: {finding.code}{within} {finding.reason} {finding.fix}"
