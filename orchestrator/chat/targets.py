"""The model to talk to, and its origin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import base_model
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.openweights import keep, known_models, require_there, weights_of
from orchestrator.errors import BaseUnknown, NoTunedModel, SeveralModels
from orchestrator.evaluation.session import NEW_MODEL_SECONDS
from orchestrator.evaluation.subjects import Subject, candidates, find_subject
from orchestrator.jobfile.addresses import Address, is_address
from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.tables import BASE, TUNED
from orchestrator.ledger import Ledger
from orchestrator.store import deployments
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Target:
    """A model to talk to."""

    model: str
    config: EndpointConfig
    run: Run | None
    """The recorded run that trained it, if any; for a base model the run that starts from it."""
    rejection_tools: frozenset[str]
    """Rejection tools from the job file's `[evaluation]`."""
    deployment: str | None = None
    """Its deployment's name, if its endpoint needs a deployment and one is recorded."""
    job: JobFile | None = None
    """The job file, if nothing was trained from it yet."""
    is_base: bool = False
    is_rehearsal: bool = False
    """A stand-in on this machine answers in place of the model."""

    @property
    def is_new(self) -> bool:
        """True if its endpoint may not know it yet."""
        finished = self.run.finished_at if self.run and not self.is_base else None
        return finished is not None and time.time() - finished < NEW_MODEL_SECONDS

    @property
    def training_place(self) -> Path | Address | None:
        """Its training file, as recorded with the run."""
        if self.run:
            path = self.run.training_path
            return Address(path) if is_address(path) else Path(path)
        return self.job.training_place if self.job else None


def find_target(ledger: Ledger, target: str, endpoint: str | None = None) -> Target:
    """The model of a job file, a run's id or name, or a model name, as in an evaluation.

    Raises what `find_subject` and `weights_of` raise, NoTunedModel, SeveralModels for a sweep, UnknownEndpoint, and
    BaseModelGone.
    """
    return _tuned(ledger, _subject(ledger, target, endpoint))


def find_pair(
    ledger: Ledger, target: str, endpoint: str | None = None, *, base: bool | None = None
) -> tuple[Target, ...]:
    """The base and the tuned model, if they exist; `base` False leaves the base out.

    A job file without a tuned model gives only its base model; a model that ftorch did not train gives only itself.
    Raises what `find_target` raises, and BaseUnknown if `base` is True and no base model is known.
    """
    subject = _subject(ledger, target, endpoint)
    if base and not subject.base_models:
        raise BaseUnknown(model=target)
    bases = [_base(ledger, subject)] if subject.base_models and base is not False else []
    if bases and not subject.runs and not subject.models:
        return tuple(bases)
    return (*bases, _tuned(ledger, subject))


def _subject(ledger: Ledger, target: str, endpoint: str | None) -> Subject:
    with _trained_first():
        return find_subject(ledger, [target], endpoint)


def _tuned(ledger: Ledger, subject: Subject) -> Target:
    with _trained_first():
        found = candidates(subject, [TUNED], ledger)
    if len(found) > 1:
        raise SeveralModels(key=subject.name, count=len(found))
    return _target(ledger, subject, found[0].model)


def _base(ledger: Ledger, subject: Subject) -> Target:
    found = candidates(subject, [BASE], ledger)[0]
    return replace(_target(ledger, subject, found.model), is_base=True)


def _target(ledger: Ledger, subject: Subject, model: str) -> Target:
    settings = subject.job.evaluation if subject.job else None
    config = ledger.workspace.endpoint(subject.endpoint)
    return Target(
        model=model,
        config=config,
        run=subject.runs[0] if subject.runs else None,
        rejection_tools=frozenset(settings.rejection_tools if settings else ()),
        deployment=_deployment(ledger, config, model),
        job=subject.job,
        is_rehearsal=_is_rehearsal(ledger, config, subject, model),
    )


def _is_rehearsal(ledger: Ledger, config: EndpointConfig, subject: Subject, model: str) -> bool:
    """Also records what a job's model means, and checks that open weights are there to be asked."""
    if config.type != "local":
        return False
    home, job = ledger.workspace.home, subject.job
    if job is not None and job.model == model:
        keep(weights_of(job, config, home), home)
    require_there([model], config, home)
    trained = next((run for run in subject.runs if run.fine_tuned_model == model and run.job_file), None)
    if trained is not None:
        return trained.base_folder is None
    return base_model(model) not in known_models(config, home)


@contextmanager
def _trained_first() -> Iterator[None]:
    """The error without the advice for evaluations."""
    try:
        yield
    except NoTunedModel as error:
        facts = error.facts
        found_nothing = f"{facts['what']} has no fine-tuned model on {facts['endpoint']} yet"
        raise NoTunedModel(f"{found_nothing}. Train it first: {facts['command']}", **facts) from None


def _deployment(ledger: Ledger, config: EndpointConfig, model: str) -> str | None:
    """The name of the model's deployment, which is marked as used now."""
    if not capabilities_of(config).needs_deployment:
        return None
    with ledger.database.write() as connection:
        found = deployments.answering(connection, config.name, model)
        if found is not None:
            deployments.used(connection, found.id, time.time())
    return found.name if found else None
