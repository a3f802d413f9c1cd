"""What to deploy: from a job file, a run or a model's name to one model on one endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import DeploymentNotPossible, FtorchError, NeedsNoDeployment, NoSuchRun
from orchestrator.jobfile import Deployment as Settings, load_job_file
from orchestrator.ledger import Ledger
from orchestrator.store import records
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Subject:
    """A model that can be deployed."""

    config: EndpointConfig
    model: str
    run: Run | None
    step: int | None = None
    """Of the checkpoint, if it is one."""
    settings: Settings | None = None
    """The job file's deployment settings."""


def find_subject(
    ledger: Ledger, target: str, *, endpoint: str | None = None, checkpoint: int | None = None
) -> Subject:
    """The model of a target: a job file, the id or name of a run, or a model; `endpoint` is needed for a model
    without a recorded run, if there are several endpoints.

    Raises what `load_job_file` raises, AmbiguousRun, UnknownEndpoint, DeploymentNotPossible, NeedsNoDeployment.
    """
    run = _run_of(ledger, target, endpoint)
    if run is None:
        return _of_model(ledger, target, endpoint)
    config = ledger.workspace.endpoint(run.endpoint)
    model = _checkpoint(ledger, run, checkpoint) if checkpoint is not None else run.fine_tuned_model
    if not model:
        how = f"ftorch resume {run.id}" if not run.is_over else f"ftorch submit {run.job_file}"
        problem = f"it is {run.state} and has no fine-tuned model; train it first: {how}"
        raise DeploymentNotPossible(what=f"run {run.id}", problem=problem)
    _require_need(config, model)
    return Subject(config, model, run, checkpoint, settings_of(run))


def settings_of(run: Run) -> Settings | None:
    """The deployment settings of the run's job file, if the file still exists and has any."""
    try:
        job = load_job_file(Path(run.job_file))
    except FtorchError:
        return None
    return job.azure.deployment


def _run_of(ledger: Ledger, target: str, endpoint: str | None) -> Run | None:
    if target.endswith(".toml"):
        return _run_of_job(ledger, Path(target), endpoint)
    try:
        return ledger.run(target)
    except NoSuchRun:
        pass
    models = (each for each in ledger.models() if each.model == target and endpoint in (None, each.endpoint))
    found = next(models, None)
    return ledger.run(found.run_id) if found else None


def _run_of_job(ledger: Ledger, path: Path, endpoint: str | None) -> Run:
    job = load_job_file(path)
    place = endpoint or job.endpoint
    with_model = [
        run
        for run in ledger.runs()
        if (run.name, run.endpoint) == (job.name, place) and run.sweep_id is None and run.fine_tuned_model
    ]
    if job.sweep is not None:
        problem = f"it is a sweep; deploy its best run: ftorch deployments create $(ftorch sweep best {job.name})"
        raise DeploymentNotPossible(what=str(path), problem=problem)
    if not with_model:
        problem = f"it has no fine-tuned model on {place} yet; train it first: ftorch submit {path}"
        raise DeploymentNotPossible(what=str(path), problem=problem)
    return with_model[0]


def _of_model(ledger: Ledger, model: str, endpoint: str | None) -> Subject:
    if endpoint is None:
        configs = ledger.workspace.endpoints.values()
        managed = [each.name for each in configs if capabilities_of(each).needs_deployment]
        if len(managed) != 1:
            problem = "there is no run or recorded model of that name; for another model, name its endpoint"
            raise DeploymentNotPossible(what=f'"{model}"', problem=f"{problem}: --endpoint NAME")
        endpoint = managed[0]
    config = ledger.workspace.endpoint(endpoint)
    _require_need(config, model)
    return Subject(config, model, None)


def _require_need(config: EndpointConfig, model: str) -> None:
    if not capabilities_of(config).needs_deployment:
        if capabilities_of(config).needs_dedicated:
            problem = f"ftorch starts no endpoints on {config.name}; start one there, as docs/endpoints.md shows"
            raise DeploymentNotPossible(what=model, problem=problem)
        raise NeedsNoDeployment(endpoint=config.name, type=config.type, model=model)


def _checkpoint(ledger: Ledger, run: Run, step: int) -> str:
    with ledger.database.read() as connection:
        found = {each.step: each.model for each in records.checkpoints_of(connection, run.id)}
    if step in found:
        return found[step]
    known = ", ".join(str(each) for each in found) or "none"
    raise DeploymentNotPossible(
        what=f"checkpoint {step} of run {run.id}", problem=f"no such checkpoint is recorded; recorded: {known}"
    )
