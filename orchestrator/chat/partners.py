"""Whom a chat is with: from a job file, a run or a model's name to one model of one endpoint."""

from __future__ import annotations

import time
from dataclasses import dataclass

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import capabilities_of
from orchestrator.errors import NoTunedModel, SeveralModels
from orchestrator.evaluation.session import NEW_MODEL_SECONDS
from orchestrator.evaluation.subjects import candidates, find_subject
from orchestrator.jobfile.evaluation import TUNED
from orchestrator.runs.ledger import Ledger
from orchestrator.store import deployments
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Partner:
    """The model that is spoken to."""

    model: str
    config: EndpointConfig
    run: Run | None
    """The run that it comes from, where ftorch trained it."""
    rejection_tools: frozenset[str]
    """Those of the job file's `[evaluation]`: their call rejects a request."""
    deployment: str | None = None
    """The name it is asked by, where its endpoint needs a deployment and one is recorded."""

    @property
    def is_new(self) -> bool:
        """True where its endpoint may not know it yet."""
        finished = self.run.finished_at if self.run else None
        return finished is not None and time.time() - finished < NEW_MODEL_SECONDS


def find_partner(ledger: Ledger, target: str, endpoint: str | None = None) -> Partner:
    """The model that a job file, a run's id or name, or a model's own name stands for, as an evaluation finds it.

    Raises what `find_subject` raises, NoTunedModel, SeveralModels for a sweep, UnknownEndpoint.
    """
    try:
        subject = find_subject(ledger, [target], endpoint)
        found = candidates(subject, [TUNED], ledger)
    except NoTunedModel as error:
        facts = error.facts
        found_nothing = f"{facts['what']} has no fine-tuned model on {facts['endpoint']} yet"
        raise NoTunedModel(f"{found_nothing}. Train it first: {facts['command']}", **facts) from None
    if len(found) > 1:
        raise SeveralModels(key=subject.name, count=len(found))
    settings = subject.job.evaluation if subject.job else None
    config = ledger.workspace.endpoint(subject.endpoint)
    return Partner(
        model=found[0].model,
        config=config,
        run=subject.runs[0] if subject.runs else None,
        rejection_tools=frozenset(settings.rejection_tools if settings else ()),
        deployment=_deployment(ledger, config, found[0].model),
    )


def _deployment(ledger: Ledger, config: EndpointConfig, model: str) -> str | None:
    """The name of the model's deployment, which counts as used from here on."""
    if not capabilities_of(config).needs_deployment:
        return None
    with ledger.database.write() as connection:
        found = deployments.answering(connection, config.name, model)
        if found is not None:
            deployments.used(connection, found.id, time.time())
    return found.name if found else None
