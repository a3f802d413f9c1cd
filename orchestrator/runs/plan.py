"""What a submission would do, before it does anything: files, checks, tokens, cost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from orchestrator.config import EndpointConfig, EndpointType, Workspace
from orchestrator.dataset.addresses import ImportedFile
from orchestrator.dataset.basemodels import doubt_about
from orchestrator.dataset.checking.filesets import Announce, check_together, sources_of
from orchestrator.dataset.checking.limits import Limits, limits_of
from orchestrator.dataset.checking.rendering import Base
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.files import DataFile, inspect_file
from orchestrator.dataset.pricing import CostEstimate, training_cost
from orchestrator.dataset.variants import WITHOUT_TOOLS, Variant
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.azure import fitting as azure
from orchestrator.endpoints.azure.fitting import training_type_for
from orchestrator.endpoints.fireworks import fitting as fireworks
from orchestrator.endpoints.fitting import lora_for, misfit_of
from orchestrator.endpoints.notices import notices
from orchestrator.endpoints.openweights import OpenWeights, problem_elsewhere, weights_of
from orchestrator.endpoints.together import fitting as together
from orchestrator.errors import InvalidData, JobFileNotFitting
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.addresses import Address
from orchestrator.jobfile.outside import files_outside
from orchestrator.runs.jobs import ID_EXAMPLE, marked_suffix


@dataclass(frozen=True)
class CheckedFile:
    """A data file, its contents, and what the checks found."""

    role: str
    file: DataFile
    report: CheckReport
    variant: Variant
    """The format of its tool definitions."""

    @property
    def facts(self) -> FileFacts:
        return FileFacts(self.file.path.absolute(), self.file.sha256, self.report.examples, self.report.tokens)


PlannedFile = CheckedFile | ImportedFile


def facts_of(file: PlannedFile) -> FileFacts:
    """What a run records about this file."""
    return file.facts if isinstance(file, CheckedFile) else FileFacts(file.address, file.sha256, 0, None)


@dataclass(frozen=True)
class Plan:
    """One job file on one endpoint."""

    job: JobFile
    config: EndpointConfig
    training: PlannedFile
    validation: PlannedFile | None
    evaluation: CheckedFile | None
    cost: CostEstimate
    notices: tuple[str, ...]
    weights: OpenWeights | None = None
    """The base model, if it is an open-weights one on this machine."""

    @property
    def files(self) -> tuple[CheckedFile, ...]:
        """Those that were checked on this machine."""
        named = (self.training, self.validation, self.evaluation)
        return tuple(file for file in named if isinstance(file, CheckedFile))

    @property
    def imports(self) -> tuple[ImportedFile, ...]:
        """Those that the endpoint fetches from an address."""
        return tuple(file for file in (self.training, self.validation) if isinstance(file, ImportedFile))

    @property
    def may_cost(self) -> bool:
        """Whether the user should be asked first."""
        return capabilities_of(self.config).charges

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that makes two runs the same: submitted again, the run is found, not paid again."""
        return self.recipe.fingerprint

    @property
    def recipe(self) -> Recipe:
        """What its run is recorded with."""
        validation = facts_of(self.validation) if self.validation else None
        return Recipe(self.job, self.config, facts_of(self.training), validation, self.cost.usd, self.weights)


def plan_job(
    job: JobFile, workspace: Workspace, endpoint: str | None = None, *, announce: Announce | None = None
) -> Plan:
    """Check a job file's data and price it, on its own endpoint or the one named. `announce` is called for each
    file.

    Raises UnknownEndpoint, EndpointNotUsable, JobFileNotFitting, what `weights_of` raises, the errors of unreadable
    data files, and InvalidData if the data has errors.
    """
    config = workspace.endpoint(endpoint or job.endpoint)
    config.require_set_up()
    _require_fitting(job, config, workspace)
    weights = weights_of(job, config, workspace.home)
    base = Base(weights.name, weights.folder) if weights else None
    checked = _check(job, limits_of(config.type), base, announce)
    _require_clean(job, checked)
    training, *others = _with_imports(job, checked)
    facts = facts_of(training)
    return Plan(
        job=job,
        config=config,
        training=training,
        validation=others[0] if others else None,
        evaluation=next((file for file in checked if file.role == "evaluation"), None),
        cost=training_cost(
            config.type,
            job.model,
            facts.tokens,
            epochs_of(job, config),
            facts.examples,
            method=job.method.type,
            tier=training_type(job, config),
            prices=config.prices,
        ),
        notices=(
            *_key_notices(config),
            *_outside_notices(job, workspace),
            *_suffix_notices(job, config),
            *([] if weights else _model_notices(job)),
            *_tool_notices(checked),
            *notices(config, job, date.today(), is_open_weights=weights is not None),
        ),
        weights=weights,
    )


def _require_fitting(job: JobFile, config: EndpointConfig, workspace: Workspace) -> None:
    if problem := problem_elsewhere(job, config, workspace):
        raise JobFileNotFitting(path=job.place("model"), endpoint=config.name, problem=problem)
    problem = _PROBLEMS[config.type](job, config) if config.type in _PROBLEMS else None
    if problem:
        raise JobFileNotFitting(path=job.source, endpoint=config.name, problem=problem)
    if misfit := misfit_of(job, config):
        raise JobFileNotFitting(path=job.place(*misfit.key), endpoint=config.name, problem=misfit.problem)
    places = {"training_file": job.training_place, "validation_file": job.validation_place}
    for key, address in places.items():
        if isinstance(address, Address) and (problem := _import_problem(address, config)):
            raise JobFileNotFitting(path=job.place("data", key), endpoint=config.name, problem=problem)


_PROBLEMS: Mapping[EndpointType, Callable[[JobFile, EndpointConfig], str | None]] = {
    "azure": azure.problem_with,
    "together": together.problem_with,
    "fireworks": fireworks.problem_with,
}
"""Why a job can't run on an endpoint of this type, with the next step."""


def _import_problem(address: Address, config: EndpointConfig) -> str | None:
    """Why this endpoint is not asked to fetch the address, with the next step; None if it can be. Finding out sends
    nothing, not even a DNS query."""
    if not capabilities_of(config).imports:
        return f"it takes files, not addresses: download {address} and name the file, or choose an azure endpoint"
    return unlisted_variable(address, config) or (
        None if config.import_private else doubtful_address(address, address.doubt, config)
    )


def unlisted_variable(address: Address, config: EndpointConfig) -> str | None:
    """A sentence on a variable of the address that the configuration does not list, with the next step; else
    None."""
    unlisted = address.unlisted(config.import_variables)
    if not unlisted:
        return None
    listed = json.dumps([*config.import_variables, *unlisted])
    return (
        f"the value of {', '.join(unlisted)} would be sent to {config.name} and to {address.host}; "
        f"if that is intended, set import_variables = {listed} in [endpoints.{config.name}] of {config.source}"
    )


def doubtful_address(address: Address, doubt: str | None, config: EndpointConfig) -> str | None:
    """A sentence on an address that may be internal, with the next step; None without a `doubt`."""
    if doubt is None:
        return None
    return (
        f"{address} {doubt}; give a public https:// address, or set import_private = true in "
        f"[endpoints.{config.name}] of {config.source}"
    )


def _outside_notices(job: JobFile, workspace: Workspace) -> list[str]:
    """A sentence on files outside the job file's folder and project; submitting asks about them."""
    found = files_outside(job, workspace.root)
    return [f"outside the job file's folder and project: {', '.join(map(str, found))}."] if found else []


def _model_notices(job: JobFile) -> list[str]:
    doubt = doubt_about(job.model)
    return [doubt] if doubt else []


def _tool_notices(files: list[CheckedFile]) -> list[str]:
    """What to know if examples call functions that they do not define."""
    for file in files:
        calls = any(function.called for function in file.report.survey.tools.functions.values())
        if file.role == "training" and file.variant == "no-tools" and calls:
            return [f"{file.file.path} has no tools: {WITHOUT_TOOLS}"]
    return []


def _suffix_notices(job: JobFile, config: EndpointConfig) -> list[str]:
    """A sentence on a suffix that is not sent as written, else none."""
    capabilities = capabilities_of(config)
    if job.suffix is None or capabilities.metadata:
        return []
    sent = marked_suffix(job.suffix, ID_EXAMPLE, capabilities)
    if sent.startswith(f"{job.suffix}-"):
        return []
    shown = sent.removesuffix(ID_EXAMPLE)
    dots = "" if capabilities.suffix_takes_dots else " and no dots"
    return [
        f'{config.name} takes suffixes of at most {capabilities.longest_suffix} characters{dots}: "{job.suffix}" '
        f'is sent as "{shown}" with the run\'s id behind it.'
    ]


def _key_notices(config: EndpointConfig) -> list[str]:
    missing = [name for name in config.variables if not os.environ.get(name)]
    if not missing:
        return []
    verb = "is" if len(missing) == 1 else "are"
    return [f"{' and '.join(missing)} {verb} not set: the plan needs no key, but submitting does"]


def _check(job: JobFile, limits: Limits, base: Base | None, announce: Announce | None) -> list[CheckedFile]:
    sources = sources_of(job, limits, base)
    files = [inspect_file(source.path) for source in sources]
    checked = check_together(sources, announce=announce)
    return [
        CheckedFile(each.source.purpose, file, each.report, each.variant)
        for each, file in zip(checked, files, strict=True)
    ]


def _with_imports(job: JobFile, checked: list[CheckedFile]) -> list[PlannedFile]:
    """The training file, and the validation file if there is one."""
    by_role = {file.role: file for file in checked}
    places = {"training": job.training_place, "validation": job.validation_place}
    return [
        ImportedFile(role, place) if isinstance(place, Address) else by_role[role]
        for role, place in places.items()
        if place is not None
    ]


_SHOWN_PROBLEMS = 5


def _require_clean(job: JobFile, files: list[CheckedFile]) -> None:
    if all(file.report.ok for file in files):
        return
    lines = []
    for checked in files:
        shown = checked.report.errors[:_SHOWN_PROBLEMS]
        lines += [finding.said_of(checked.file.path) for finding in shown]
        if left := checked.report.total("error") - len(shown):
            lines.append(f"{checked.file.path}: {left:,} more")
    advice = f"Nothing was uploaded. Fix the data and submit again. All findings: ftorch data check {job.source}"
    raise InvalidData("\n".join([*lines, advice]))


# --- What identifies a run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileFacts:
    """What a run knows about a data file: its path, its SHA-256 as sent, its size in examples and in tokens.

    A file behind an address is not counted: no examples, and an unknown number of tokens.
    """

    path: Path | Address
    sha256: str
    examples: int
    tokens: int | None


@dataclass(frozen=True)
class Recipe:
    """Everything recorded with a run."""

    job: JobFile
    config: EndpointConfig
    training: FileFacts
    validation: FileFacts | None
    cost_usd: float | None
    """The estimate; None if unknown."""
    weights: OpenWeights | None = None
    """The base model, if it is an open-weights one on this machine."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings of the training by their API names, as its job is requested with."""
        return hyperparameters_of(self.job, self.config)

    @property
    def training_type(self) -> str | None:
        """Azure's training type; None if none is set."""
        return training_type(self.job, self.config)

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
            "method": job.method.model_dump(mode="json", exclude={"learning_rate"}),
            "training": self.training.sha256,
            "validation": self.validation.sha256 if self.validation else None,
        }
        if self.training_type:
            identity["training_type"] = self.training_type
        lora = lora_for(job, self.config)
        if job.method.learning_rate != "auto":
            lora["learning_rate"] = job.method.learning_rate  # where it has always been
        if lora:
            identity["lora"] = lora
        if own := _of_azure(job, self.config):
            identity["azure"] = own
        if self.weights:
            identity["base"] = self.weights.mark
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def epochs_of(job: JobFile, config: EndpointConfig) -> int | Literal["auto"]:
    """The epochs of the job: if the job file sets none, the endpoint's usual number; "auto" if it has none."""
    asked = job.method.n_epochs
    return (capabilities_of(config).default_epochs or asked) if asked == "auto" else asked


def training_type(job: JobFile, config: EndpointConfig) -> str | None:
    """Azure's training type of this job, which its price depends on; None if none is set."""
    return training_type_for(job.model, job.azure.training_type) if config.type == "azure" else None


def hyperparameters_of(job: JobFile, config: EndpointConfig) -> dict[str, Any]:
    """The hyperparameters that a job's request names on this endpoint: those of `[method]`, and those of `[lora]`
    and `[azure]` where they have an effect."""
    numbers = {**job.method.hyperparameters, **lora_for(job, config), **_of_azure(job, config)}
    if "learning_rate_multiplier" in numbers and not capabilities_of(config).learning_rate_multiplier:
        del numbers["learning_rate_multiplier"]  # "auto": a number is refused
    return numbers


def _of_azure(job: JobFile, config: EndpointConfig) -> dict[str, float]:
    return job.azure.hyperparameters if config.type == "azure" else {}
