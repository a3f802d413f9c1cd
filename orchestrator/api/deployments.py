"""Deployments: planning and making one, bringing recorded ones to their requested state, removing them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orchestrator.api.host import Host
from orchestrator.bookkeeping.provenance import provenance_of
from orchestrator.deployments import driving, recording
from orchestrator.deployments.account import Survey, find_elsewhere, sku_there, survey as survey_accounts
from orchestrator.deployments.hosting import IDLE_SECONDS
from orchestrator.deployments.recording import Planned, Recorded, Terms
from orchestrator.deployments.room import look_for_room
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
    EndpointError,
    NoSuchDeployment,
    NoSuchRun,
    Stopped,
)
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment


def deploy(
    target: str | Path,
    terms: Terms,
    host: Host,
    *,
    checkpoint: int | None = None,
    endpoint: str | None = None,
    wait: bool = True,
) -> Deployment:
    """Deploy a run's model, a job file's newest one, or a model by its name; returns the deployment as it is then.

    An existing deployment is found again. Before anything else the user is asked, since hosting is charged by the
    hour. Without `wait` the deployment is only requested. Raises what `plan` raises, DeploymentDiffers,
    DeploymentFailed, DeploymentNotReady, Stopped, EndpointError.
    """
    start = Path(target).parent if str(target).endswith(".toml") else None  # a job file determines its project
    with open_ledger(start, create=True) as ledger:
        planned = settled_hardware(plan(ledger, str(target), terms, checkpoint=checkpoint, endpoint=endpoint))
        known = recording.find_same(ledger, planned)
        host.show_deployment_plan(planned, known)
        if known is None:
            _warn_of_shortage(planned, host)
            host.confirm("Deploy it?")
        [settled] = settle(ledger, [record(ledger, planned).deployment], host, wait=wait)
        if wait or settled.is_over:
            require_answering(settled)
        host.show_deployment(settled, ledger.workspace.endpoint(settled.endpoint))
        return settled


def _warn_of_shortage(planned: Planned, host: Host) -> None:
    """An account that can't be asked is met by the request for the deployment."""
    with suppress(EndpointError):
        if words := run_blocking(lambda: look_for_room(planned)):
            host.say(f"Warning: {words}")


def plan(
    ledger: Ledger, target: str, terms: Terms, *, checkpoint: int | None = None, endpoint: str | None = None
) -> Planned:
    """What deploying the target would request; nothing is recorded or sent. Raises what `find_subject` and
    `require_manageable` raise."""
    subject = find_subject(ledger, target, endpoint=endpoint, checkpoint=checkpoint)
    require_manageable(subject.config)
    return recording.plan(subject, terms)


def settled_hardware(planned: Planned) -> Planned:
    """The plan with the hardware that the host would choose, where it does, so that its price is known. Nothing is
    made. Raises EndpointError."""
    if planned.sku != recording.UNSETTLED:
        return planned
    subject = planned.subject
    found = run_blocking(lambda: sku_there(subject.config, subject.model))
    return replace(planned, sku=found) if found else planned


def record(ledger: Ledger, planned: Planned) -> Recorded:
    """Record the planned deployment, or find it again. Raises DeploymentDiffers."""
    by = provenance_of(None)
    return recording.record(ledger, planned, now=time.time(), rng=random.SystemRandom(), provenance=by)


def settle(ledger: Ledger, found: Sequence[Deployment], host: Host, *, wait: bool = True) -> list[Deployment]:
    """Drive these to their requested state; returns them as they are then. Raises Stopped and EndpointError."""
    listener = host.deployments()
    settled, is_stopped = host.run(
        lambda stop: driving.settle(ledger, found, listener=listener, stop=stop, wait=wait)
    )
    if is_stopped:
        raise Stopped("stopped waiting; nothing is lost; continue with: ftorch resume")
    return settled


def undeploy(key: str, host: Host, endpoint: str | None = None) -> list[Deployment]:
    """Remove a deployment by its name, or those of a run; returns them as they ended. A deployment made elsewhere
    is removed only by its exact name, after a question. Raises NoSuchDeployment, AmbiguousDeployment,
    DeploymentInUse and EndpointError."""
    with open_ledger(create=True) as ledger:
        found = find(ledger, key, endpoint) or [find_made_elsewhere(ledger, key, endpoint)]
        for each in found:
            if each.made_elsewhere:
                host.confirm(f"{each.name} ({each.model}) was not made by ftorch. Remove it anyway?")
        return remove(ledger, found, host)


def survey(ledger: Ledger, host: Host, idle_seconds: float | None = None) -> Survey:
    """All deployments: the unfinished recorded ones, and the others on the accounts; with `idle_seconds` only those
    that ftorch has not used for that long."""
    seconds = IDLE_SECONDS if idle_seconds is None else idle_seconds
    listener = host.deployments()
    found = run_blocking(lambda: survey_accounts(ledger, idle_seconds=seconds, listener=listener))
    return found if idle_seconds is None else found.only([each for each in found.standings if each.is_idle])


def find(ledger: Ledger, key: str, endpoint: str | None = None) -> list[Deployment]:
    """The unfinished recorded deployments of that name, or of the run of that id or name.

    Raises AmbiguousDeployment if they are on several endpoints.
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
    """Record the account's deployment of exactly this name, which ftorch did not make, so that it can be removed.

    Raises NoSuchDeployment, and what asking the account raises.
    """
    for config in ledger.workspace.endpoints.values():
        if endpoint not in (None, config.name) or not manages(config):
            continue
        remote = run_blocking(lambda config=config: find_elsewhere(config, name))  # type: ignore[misc]
        if remote is not None:
            return recording.record_found(ledger, config, remote, now=time.time(), rng=random.SystemRandom())
    raise NoSuchDeployment(key=name)


def remove(ledger: Ledger, found: Sequence[Deployment], host: Host) -> list[Deployment]:
    """Remove these; returns them as they ended. Raises DeploymentInUse if one is answering an evaluation."""
    for each in found:
        recording.request_removal(ledger, each, now=time.time(), rng=random.SystemRandom())
    begun = [each for each in found if each.state != State.WANTED]
    listener = host.deployments()
    ended = run_blocking(lambda: driving.settle(ledger, begun, listener=listener))
    for each in ended:
        if not each.is_over and each.reason == IN_USE:
            raise DeploymentInUse(name=each.name)
    return ended


def require_answering(deployment: Deployment) -> None:
    """Raises DeploymentFailed or DeploymentNotReady if it does not answer."""
    if deployment.state in (State.FAILED, State.UNDEPLOYED):
        raise DeploymentFailed(name=deployment.name, problem=deployment.error_message or deployment.reason)
    if deployment.state != State.DEPLOYED:
        raise DeploymentNotReady(name=deployment.name, problem=deployment.reason)
