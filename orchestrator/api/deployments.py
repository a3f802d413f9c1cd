"""What a user can do with deployments: the functions behind the commands, and those that a notebook imports."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.deployments import recording
from orchestrator.deployments.account import Survey, find_elsewhere, survey
from orchestrator.deployments.context import Listener
from orchestrator.deployments.driving import settle
from orchestrator.deployments.recording import Planned, Recorded, Terms
from orchestrator.deployments.states import State
from orchestrator.deployments.subjects import find_subject
from orchestrator.deployments.uses import IN_USE
from orchestrator.endpoints.management import manages, require_manageable
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import (
    AmbiguousDeployment,
    DeploymentFailed,
    DeploymentInUse,
    DeploymentNotReady,
    NoSuchDeployment,
    NoSuchRun,
)
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment


def deploy(
    target: str | Path,
    *,
    checkpoint: int | None = None,
    endpoint: str | None = None,
    name: str | None = None,
    sku: str | None = None,
    capacity: int | None = None,
    listener: Listener | None = None,
) -> Deployment:
    """Make a run's model, a job file's newest one, or a model by its name answer; returns the deployment then.

    Nobody is asked about cost, and hosting is charged by the hour until `undeploy`. What is deployed already is
    found again. Raises what `plan` raises, DeploymentDiffers, DeploymentFailed, DeploymentNotReady, EndpointError.
    """
    start = Path(target).parent if str(target).endswith(".toml") else None
    with open_ledger(start, create=True) as ledger:
        terms = Terms(name, sku, capacity)
        planned = plan(ledger, str(target), terms, checkpoint=checkpoint, endpoint=endpoint)
        recorded = record(ledger, planned)
        [settled] = run_blocking(lambda: settle(ledger, [recorded.deployment], listener=listener))
        require_answering(settled)
        return settled


def undeploy(key: str, *, endpoint: str | None = None, listener: Listener | None = None) -> list[Deployment]:
    """Remove a deployment by its name, or those of a run; returns them as they ended. What was made elsewhere goes
    only by its exact name. Raises NoSuchDeployment, AmbiguousDeployment, DeploymentInUse and EndpointError."""
    with open_ledger(create=True) as ledger:
        found = find(ledger, key, endpoint) or [find_made_elsewhere(ledger, key, endpoint)]
        return remove(ledger, found, listener=listener)


def deployments() -> Survey:
    """All deployments: those recorded and not over, and those that the accounts have besides."""
    with open_ledger() as ledger:
        return run_blocking(lambda: survey(ledger))


# --- the parts that the commands use as well ----------------------------------------------------------------


def plan(
    ledger: Ledger, target: str, terms: Terms, *, checkpoint: int | None = None, endpoint: str | None = None
) -> Planned:
    """What deploying the target would ask for; nothing is recorded or sent. Raises what `find_subject` and
    `require_manageable` raise."""
    subject = find_subject(ledger, target, endpoint=endpoint, checkpoint=checkpoint)
    require_manageable(subject.config)
    return recording.plan(subject, terms)


def record(ledger: Ledger, planned: Planned) -> Recorded:
    """Record the planned deployment, or find it again. Raises DeploymentDiffers."""
    return recording.record(ledger, planned, now=time.time(), rng=random.SystemRandom())


def find(ledger: Ledger, key: str, endpoint: str | None = None) -> list[Deployment]:
    """The recorded deployments of that name, or of the run of that id or name, that are not over.

    Raises AmbiguousDeployment where they are on several endpoints.
    """
    with ledger.database.read() as connection:
        found = store.newest(connection, name=key, endpoint=endpoint, only_active=True)
    if not found:
        found = _of_runs(ledger, key, endpoint)
    places = sorted({each.endpoint for each in found})
    if len(places) > 1:
        raise AmbiguousDeployment(key=key, endpoints=", ".join(places))
    return found


def _of_runs(ledger: Ledger, key: str, endpoint: str | None) -> list[Deployment]:
    try:
        run_ids = [run.id for run in ledger.runs(key)]
    except NoSuchRun:
        return []
    with ledger.database.read() as connection:
        return store.newest(connection, run_ids=run_ids, endpoint=endpoint, only_active=True)


def find_made_elsewhere(ledger: Ledger, name: str, endpoint: str | None = None) -> Deployment:
    """Record the account's deployment of exactly this name, which no record here made, so that it can be removed.

    Raises NoSuchDeployment, and what asking the account raises.
    """
    for config in ledger.workspace.endpoints.values():
        if endpoint not in (None, config.name) or not manages(config):
            continue
        remote = run_blocking(lambda config=config: find_elsewhere(config, name))  # type: ignore[misc]
        if remote is not None:
            return recording.record_found(ledger, config, remote, now=time.time(), rng=random.SystemRandom())
    raise NoSuchDeployment(key=name)


def remove(ledger: Ledger, found: Sequence[Deployment], *, listener: Listener | None = None) -> list[Deployment]:
    """Remove these; returns them as they ended. Raises DeploymentInUse where one answers an evaluation."""
    for each in found:
        recording.request_removal(ledger, each, now=time.time(), rng=random.SystemRandom())
    begun = [each for each in found if each.state != State.WANTED]
    ended = run_blocking(lambda: settle(ledger, begun, listener=listener))
    for each in ended:
        if not each.is_over and each.reason == IN_USE:
            raise DeploymentInUse(name=each.name)
    return ended


def require_answering(deployment: Deployment) -> None:
    """Raises DeploymentFailed or DeploymentNotReady where it does not answer."""
    if deployment.state in (State.FAILED, State.UNDEPLOYED):
        raise DeploymentFailed(name=deployment.name, problem=deployment.error_message or deployment.reason)
    if deployment.state != State.DEPLOYED:
        raise DeploymentNotReady(name=deployment.name, problem=deployment.reason)
