"""From a request to a recorded deployment. After this commit it survives any crash."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.dataset.basemodels import is_fine_tuned
from orchestrator.deployments.states import RequestedAction, State, move
from orchestrator.deployments.subjects import Subject
from orchestrator.endpoints.azure.fitting import DATA_ZONE, needs_global
from orchestrator.endpoints.management import DeploymentRules, RemoteDeployment, gpus_of, rules_of
from orchestrator.engine.worker import LEASE_SECONDS, new_owner
from orchestrator.errors import DeploymentDiffers, DeploymentNotPossible
from orchestrator.ids import short_id
from orchestrator.jobfile import Deployment as Settings
from orchestrator.ledger import Ledger
from orchestrator.runs.states import State as RunState
from orchestrator.store import deployments as store, runs, submissions
from orchestrator.store.deployments import DEPLOYMENTS, Deployment
from orchestrator.store.runs import Run
from orchestrator.store.submissions import Provenance

SAME_NAME_SECONDS = 20.0
"""How long a name is not reused after a removal: a new deployment could be hit by the removal of the old one."""
_NO_DEVELOPER_TIER = ("gpt-4o",)
"""Model families that Microsoft's page "Deploy a fine-tuned model" (11 February 2026) doesn't list for that
tier."""


@dataclass(frozen=True)
class Terms:
    """How to deploy a model; None leaves it to the job file, then to the default."""

    name: str | None = None
    sku: str | None = None
    capacity: int | None = None
    temporary: bool = False


@dataclass(frozen=True)
class Planned:
    """A deployment as it would be recorded."""

    subject: Subject
    name: str
    sku: str
    capacity: int
    temporary: bool


@dataclass(frozen=True)
class Recorded:
    """`is_new` is False if the same was recorded before and is unfinished."""

    deployment: Deployment
    is_new: bool


def plan(subject: Subject, terms: Terms) -> Planned:
    """Settle the name and the terms. Raises DeploymentNotPossible for a name that the host does not accept."""
    rules = rules_of(subject.config)
    settings = None if terms.temporary else subject.settings
    wished_name = terms.name or (settings.name if settings and subject.step is None else None)
    name = wished_name or name_for(rules, subject.model, subject.run, subject.step, temporary=terms.temporary)
    if problem := name_problem(rules, name):
        raise DeploymentNotPossible(what=f'"{name}"', problem=f"{problem}; choose another --name")
    sku = terms.sku or (settings and settings.sku) or _usual_sku_there(subject, rules, terms)
    if (gpus_of(sku) is None and sku != UNSETTLED) == (not rules.skus):
        offered = " or ".join(rules.skus) or "hardware, such as 1xH200_141GB"
        raise DeploymentNotPossible(what=f'"{name}"', problem=f"{rules.host} has no sku {sku}; choose {offered}")
    capacity = terms.capacity or (settings and settings.capacity) or rules.capacity
    return Planned(subject, name, sku, capacity, terms.temporary)


def _usual_sku_there(subject: Subject, rules: DeploymentRules, terms: Terms) -> str:
    return usual_sku(subject, temporary=terms.temporary) if rules.skus else UNSETTLED


UNSETTLED = "default"
"""The sku of a deployment whose hardware the host chooses."""


def usual_sku(subject: Subject, *, temporary: bool = False) -> str:
    """The cheapest suitable hosting. What was trained in a data zone stays there; base and open-weight models need
    GlobalStandard; DeveloperTier, which charges no hosting, is for trying fine-tuned models."""
    model, run = subject.model, subject.run
    if run is not None and run.method.get("training_type") == DATA_ZONE:
        return DATA_ZONE
    if not is_fine_tuned(model) or needs_global(model):
        return "GlobalStandard"
    return "DeveloperTier" if temporary and not model.startswith(_NO_DEVELOPER_TIER) else "Standard"


def usual_sku_of_run(base: str, training_type: str | None) -> str:
    """The same for a model that will be tuned from this base, or from a model tuned before."""
    if training_type == DATA_ZONE:
        return DATA_ZONE
    return "GlobalStandard" if needs_global(base) else "Standard"


def find_same(ledger: Ledger, planned: Planned) -> Deployment | None:
    """The deployment that recording the plan would find again. Raises DeploymentDiffers if it is a different
    one."""
    with ledger.database.read() as connection:
        return _same(connection, planned)


def record(
    ledger: Ledger, planned: Planned, *, now: float, rng: random.Random, provenance: Provenance | None = None
) -> Recorded:
    """Record the planned deployment with its `provenance`, or find it again. Raises DeploymentDiffers if the name
    has a different one."""
    with ledger.database.write() as connection:
        recorded = record_in(connection, planned, now=now, rng=rng)
        if provenance is not None and recorded.is_new:
            submissions.record(connection, submissions.DEPLOYMENT, recorded.deployment.id, provenance, now)
    return recorded


def record_in(connection: Connection, planned: Planned, *, now: float, rng: random.Random) -> Recorded:
    """The same in the caller's transaction."""
    known = _same(connection, planned)
    if known is not None:
        return Recorded(known, is_new=False)
    deployment = _new(planned.subject.config, planned.name, planned.sku, planned.capacity, now, rng)
    deployment = replace(
        deployment,
        model=planned.subject.model,
        run_id=planned.subject.run.id if planned.subject.run else None,
        temporary=planned.temporary,
        due_at=_free_from(connection, planned, now),
    )
    store.add(connection, deployment)
    return Recorded(deployment, is_new=True)


def _same(connection: Connection, planned: Planned) -> Deployment | None:
    config = planned.subject.config
    for known in store.newest(connection, endpoint=config.name, name=planned.name, only_active=True):
        if known.state == State.WANTED:
            continue
        if known.requested_action is not None or known.state == State.UNDEPLOYING:
            raise DeploymentDiffers(name=known.name, found="being removed", requested="to stay")
        found = {"model": known.model, "sku": known.sku, "capacity": known.capacity}
        requested = {"model": planned.subject.model, "sku": planned.sku, "capacity": planned.capacity}
        if found == requested:
            return known
        other = [key for key in found if found[key] != requested[key]]
        raise DeploymentDiffers(name=known.name, found=_said(found, other), requested=_said(requested, other))
    return None


def _said(facts: Mapping[str, object], keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {facts[key]}" for key in keys)


def _free_from(connection: Connection, planned: Planned, now: float) -> float | None:
    """When the name may be used again, if it was given up a moment ago."""
    named = store.newest(connection, endpoint=planned.subject.config.name, name=planned.name, limit=1)
    ended = named[0].finished_at if named else None
    return None if ended is None or ended + SAME_NAME_SECONDS <= now else ended + SAME_NAME_SECONDS


# --- Deployments requested by a job file -------------------------------------------------------------------------


def want(
    connection: Connection,
    config: EndpointConfig,
    settings: Settings | None,
    run: Run,
    *,
    now: float,
    rng: random.Random,
) -> Deployment | None:
    """Record that the run's model is to be deployed after success, if the job file's `settings` say so and nothing
    is recorded yet."""
    if (
        settings is None
        or not settings.auto
        or not rules_of(config).is_in_job_file
        or store.newest(connection, run_ids=[run.id])
    ):
        return None
    rules = rules_of(config)
    name = settings.name or name_for(rules, run.model, run)
    sku = settings.sku or usual_sku_of_run(run.model, run.method.get("training_type"))
    wanted = replace(
        _new(config, name, sku, settings.capacity or rules.capacity, now, rng),
        run_id=run.id,
        state=State.WANTED,
        reason="waiting for its run to succeed",
    )
    store.add(connection, wanted)
    item, origin = (submissions.DEPLOYMENT, wanted.id), (submissions.RUN, run.id)
    submissions.inherit(connection, item, of=origin, at=now)
    return wanted


def due(ledger: Ledger, run_ids: Collection[str] | None, *, now: float, rng: random.Random) -> list[Deployment]:
    """Start the pending deployments whose runs have succeeded, of all runs or of these; end those of runs that did
    not succeed. Returns the ones started."""
    owner = new_owner(rng)
    begun = []
    with ledger.database.write() as connection:
        active = store.newest(connection, run_ids=run_ids, only_active=True)
        wanted = [each.id for each in active if each.state == State.WANTED]
        for each in _claimed(connection, wanted, owner, now):
            run = runs.get(connection, str(each.run_id))
            if run.state == RunState.SUCCEEDED and run.fine_tuned_model:
                changes = {"model": run.fine_tuned_model}
                reason = "its run has succeeded"
                begun.append(move(connection, each, State.DEPLOYING, reason, owner=owner, now=now, changes=changes))
            elif run.is_over:
                reason = f"its run is {run.state}, so there was nothing to deploy"
                move(connection, each, State.UNDEPLOYED, reason, owner=owner, now=now)
        DEPLOYMENTS.release(connection, owner)
    return begun


def _claimed(connection: Connection, ids: Collection[str], owner: str, now: float) -> list[Deployment]:
    """Those of these deployments that no other process works on, leased to `owner`."""
    DEPLOYMENTS.claim(connection, owner, now + LEASE_SECONDS, now, ids=ids)
    return [each for each in DEPLOYMENTS.by_ids(connection, ids) if each.lease_owner == owner]


# --- Removal -----------------------------------------------------------------------------------------------------


def request_removal(ledger: Ledger, deployment: Deployment, *, now: float, rng: random.Random) -> None:
    """Record that the deployment is to be removed; the process that drives it carries that out. A deployment that
    only waits for its run is withdrawn at once."""
    owner = new_owner(rng)
    with ledger.database.write() as connection:
        store.request_action(connection, deployment.id, RequestedAction.REMOVE)
        if store.get(connection, deployment.id).state != State.WANTED:
            return
        for each in _claimed(connection, [deployment.id], owner, now):
            move(connection, each, State.UNDEPLOYED, "withdrawn before its run succeeded", owner=owner, now=now)


def record_found(
    ledger: Ledger, config: EndpointConfig, found: RemoteDeployment, *, now: float, rng: random.Random
) -> Deployment:
    """Record a deployment that was made elsewhere, so that its removal has a history too."""
    recorded = replace(
        _new(config, found.name, found.sku or "unknown", found.capacity or 0, now, rng),
        model=found.model,
        made_elsewhere=True,
        state=State.DEPLOYED,
        reason="found on the account; made elsewhere",
        requested_at=found.created_at or now,
        provisioned_at=found.created_at,
    )
    with ledger.database.write() as connection:
        store.add(connection, recorded)
    return recorded


def _new(
    config: EndpointConfig, name: str, sku: str, capacity: int, now: float, rng: random.Random, **others: Any
) -> Deployment:
    return Deployment(
        id=short_id(rng),
        endpoint=config.name,
        name=name,
        model=None,
        run_id=None,
        sku=sku,
        capacity=capacity,
        temporary=False,
        state=State.DEPLOYING,
        reason="recorded",
        version=1,
        created_at=now,
        updated_at=now,
        **others,
    )


# --- Names -------------------------------------------------------------------------------------------------------


_SHORTEST = 2
_TEMPORARY = "-eval"
"""The ending of the names of deployments made for an evaluation."""


def name_for(
    rules: DeploymentRules, model: str, run: Run | None, step: int | None = None, *, temporary: bool = False
) -> str:
    """A name that the host accepts: of the run and its id, or of the model if it has no run; a checkpoint's ends
    with its step."""
    longest = rules.longest_name
    ending = (f"-step-{step}" if step is not None else "") + (_TEMPORARY if temporary else "")
    if run is not None:
        ending = f"-{run.id}{ending}"
        return (_cut(run.name, longest - len(ending), rules) + ending).lstrip("-")
    whole = _cut(model, 2 * longest, rules) + ending
    if len(whole) <= longest:
        return whole
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"{_cut(model, longest - len(ending) - 9, rules)}-{digest}{ending}"


def name_problem(rules: DeploymentRules, name: str) -> str | None:
    """Why the host would not accept the name; None if it would."""
    if not _SHORTEST <= len(name) <= rules.longest_name:
        return (
            f"a deployment's name has {_SHORTEST} to {rules.longest_name} characters, and this one has {len(name)}"
        )
    inner = f"{rules.allowed}*"
    if not re.fullmatch(f"(?!{_EDGE}){inner}(?<!{_EDGE})", name):
        return f"a deployment's name has {rules.names_are}"
    return None


_EDGE = "[._-]"


def _cut(text: str, room: int, rules: DeploymentRules) -> str:
    """Only the characters that a name may have, starting with a letter or digit."""
    spelled = text.lower() if rules.lower_case else text
    fitting = re.sub(f"[^{rules.allowed[1:-1]}]+", "-", spelled).lstrip("._-")
    return fitting[:room].rstrip("._-")
