"""Models that answer while they are being asked: existing deployments, and temporary ones."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.deployments import recording
from orchestrator.deployments.context import Context, Listener
from orchestrator.deployments.driving import drive, open_context
from orchestrator.deployments.hosting import cost_per_day, cost_per_hour
from orchestrator.deployments.recording import Terms
from orchestrator.deployments.room import shortage
from orchestrator.deployments.states import RequestedAction, State
from orchestrator.deployments.steps import is_model
from orchestrator.deployments.subjects import Subject
from orchestrator.deployments.uses import begin_using, kept_in_use, live_users
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.management import DeploymentRules, Management, RemoteDeployment, manages, rules_of
from orchestrator.errors import DeploymentFailed, DeploymentNotReady
from orchestrator.ledger import Ledger
from orchestrator.store import deployments as store, records, runs
from orchestrator.store.database import Database
from orchestrator.store.deployments import Deployment

_ANSWERING = (State.DEPLOYING, State.DEPLOYED)


def notes(ledger: Ledger, config: EndpointConfig, models: Sequence[str], *, keep: bool = False) -> list[str]:
    """Sentences on what asking these models takes, by the records alone; the account may have more."""
    if models and capabilities_of(config).needs_dedicated:
        return list(_dedicated_notes(ledger, config, models))
    if not models or not capabilities_of(config).needs_deployment:
        return []
    if not manages(config):
        return [
            f"{config.name} answers to deployment names. Without subscription_id, resource_group and account in "
            f"{config.source}, ftorch makes no deployments: each model is asked as a deployment of the same name."
        ]
    with ledger.database.read() as connection:
        missing = [model for model in models if _recorded(connection, config, model) is None]
        subjects = [_subject(connection, config, model) for model in missing]
    return [_note(subject, keep) for subject in subjects]


def _dedicated_notes(ledger: Ledger, config: EndpointConfig, models: Sequence[str]) -> Iterator[str]:
    for model in models:
        if name := config.dedicated.get(model):
            yield f"{model} is asked as {name}, your dedicated endpoint, charged by the minute"
            continue
        with ledger.database.read() as connection:
            is_tuned = records.run_of_model(connection, config.name, model) is not None
        if is_tuned:
            yield (
                f"{model} answers only on a dedicated endpoint, charged by the minute: start one there, and name "
                f"it under dedicated in [endpoints.{config.name}] of {config.source}"
            )


def _note(subject: Subject, keep: bool) -> str:
    config, model, rules = subject.config, subject.model, rules_of(subject.config)
    if not rules.skus:
        end = "it is kept (--keep)" if keep else "it is removed afterwards"
        return (
            f"{model} has no recorded deployment: if it doesn't answer without one, one is made on hardware that "
            f"{rules.host} chooses, charged by the hour{_such_as(config, rules)}, and {end}."
        )
    sku = recording.usual_sku(subject, temporary=True)
    per_day = cost_per_day(config, model, sku)
    cost = "an unknown price" if per_day is None else "no charge" if per_day == 0 else f"${per_day:.2f} per day"
    until = ", until Azure removes it after 24 hours" if sku == "DeveloperTier" else ""
    end = f"it is kept (--keep){until}" if keep else "it is removed afterwards"
    return (
        f"{model} has no recorded deployment: if the account has none either, one is made ({sku}, hosted at "
        f"{cost}), and {end}."
    )


@asynccontextmanager
async def serving(
    ledger: Ledger,
    config: EndpointConfig,
    models: Sequence[str],
    *,
    keep: bool = False,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Mapping[str, str]]:
    """By model, the name to ask it by: of an existing deployment, or of one that is made now and removed
    afterwards, unless `keep`. While it is open nobody removes them; after a crash `leftovers` finds those to be
    removed.

    Raises DeploymentFailed, DeploymentNotReady, and what `open_context` and `drive` raise.
    """
    async with open_context(ledger, config, listener) as context:
        remote = await context.management.all()
        await drive(context, _vanished(ledger, config, models, remote))
        answering = [model for model in models if await context.management.answers(model)]
        asked = [model for model in models if model not in answering]
        skus = await _skus_there(context.management, asked)
        await _warn_of_shortages(ledger, context, asked, remote)
        names, ours = _found_or_made(ledger, context, asked, remote, keep, skus)
        names |= {model: model for model in answering}
        try:
            async with kept_in_use(
                ledger.database, [each.id for each in ours.values()], context.owner, context.now
            ):
                await _bring_up(context, ours, stop)
                names |= {model: each.name for model, each in ours.items()}
                try:
                    yield names
                finally:
                    _note_use(context, ours)
        finally:
            await _remove_unused(context, [each for each in ours.values() if each.temporary])


def _such_as(config: EndpointConfig, rules: DeploymentRules) -> str:
    per_hour = cost_per_hour(config, "", rules.usual_hardware)
    return "" if per_hour is None else f", such as ${per_hour:.2f} for {rules.usual_hardware}"


async def _skus_there(management: Management, models: Sequence[str]) -> dict[str, str | None]:
    """The hosting that the host would choose for each, so that its price is known."""
    return {model: await management.sku_for(model) for model in models}


def _vanished(
    ledger: Ledger, config: EndpointConfig, models: Sequence[str], remote: Sequence[RemoteDeployment]
) -> list[str]:
    """The ids of recorded deployments that the account no longer has, or has with another model: to be recorded."""
    there = {each.name: each.model for each in remote}
    with ledger.database.read() as connection:
        recorded = [_recorded(connection, config, model) for model in models]
        return [each.id for each in recorded if each is not None and not _is_there(connection, each, there)]


def _found_or_made(
    ledger: Ledger,
    context: Context,
    models: Sequence[str],
    remote: Sequence[RemoteDeployment],
    keep: bool,
    skus: Mapping[str, str | None],
) -> tuple[dict[str, str], dict[str, Deployment]]:
    """The names of deployments made elsewhere, and the recorded deployments, by model."""
    names: dict[str, str] = {}
    ours: dict[str, Deployment] = {}
    with ledger.database.write() as connection:
        for model in models:
            known = _recorded(connection, context.config, model)
            elsewhere = _elsewhere(connection, context.config, model, remote)
            if known is not None:
                ours[model] = known
            elif elsewhere is not None:
                names[model] = elsewhere
                continue
            else:
                ours[model] = _made(connection, context, model, keep, skus[model])
            begin_using(connection, ours[model].id, context.owner, context.now())
    return names, ours


def _recorded(connection: Connection, config: EndpointConfig, model: str) -> Deployment | None:
    active = store.newest(connection, endpoint=config.name, model=model, only_active=True)
    return next((each for each in active if each.state in _ANSWERING and each.requested_action is None), None)


def _is_there(connection: Connection, known: Deployment, there: Mapping[str, str]) -> bool:
    """Whether it is being created, or the account still has it with that model."""
    if known.state == State.DEPLOYING:
        return True
    found = there.get(known.name)
    return found is not None and is_model(connection, known.endpoint, found, str(known.model))


def _elsewhere(
    connection: Connection, config: EndpointConfig, model: str, remote: Sequence[RemoteDeployment]
) -> str | None:
    """The name of a deployment of the model, or of that very name, which ftorch did not record."""
    recorded = {each.name for each in store.newest(connection, endpoint=config.name, only_active=True)}
    for each in remote:
        fits = is_model(connection, config.name, each.model, model) or each.name == model
        if fits and each.name not in recorded and each.state.lower() == "succeeded":
            return each.name
    return None


async def _warn_of_shortages(
    ledger: Ledger, context: Context, models: Sequence[str], remote: Sequence[RemoteDeployment]
) -> None:
    """Say where the account has too little room for a deployment that will be made."""
    with ledger.database.read() as connection:
        missing = [
            _subject(connection, context.config, model)
            for model in models
            if _recorded(connection, context.config, model) is None
            and _elsewhere(connection, context.config, model, remote) is None
        ]
    for subject in missing:
        if words := await shortage(context.management, recording.plan(subject, Terms(temporary=True))):
            context.listener.warned(f"{subject.model}: {words}")


def _made(connection: Connection, context: Context, model: str, keep: bool, sku: str | None) -> Deployment:
    subject = _subject(connection, context.config, model)
    planned = recording.plan(subject, Terms(sku=sku, temporary=True))
    if keep:
        planned = replace(planned, temporary=False)
    return recording.record_in(connection, planned, now=context.now(), rng=random.SystemRandom()).deployment


def _subject(connection: Connection, config: EndpointConfig, model: str) -> Subject:
    """The model with its run, so that the deployment is named after it."""
    for known in records.models_newest(connection):
        if (known.endpoint, known.model) == (config.name, model):
            return Subject(config, model, runs.get(connection, known.run_id))
    return Subject(config, model, None)


async def _bring_up(context: Context, ours: Mapping[str, Deployment], stop: asyncio.Event | None) -> None:
    await drive(context, [each.id for each in ours.values()], stop)
    if stop is not None and stop.is_set():
        return
    with context.database.read() as connection:
        for each in (store.get(connection, deployment.id) for deployment in ours.values()):
            if each.is_over:
                raise DeploymentFailed(name=each.name, problem=each.error_message or each.reason)
            if each.state != State.DEPLOYED:
                raise DeploymentNotReady(name=each.name, problem=each.reason)


def _note_use(context: Context, ours: Mapping[str, Deployment]) -> None:
    with context.database.write() as connection:
        for each in ours.values():
            store.used(connection, each.id, context.now())


async def _remove_unused(context: Context, temporary: Sequence[Deployment]) -> None:
    """Remove what was made for this, unless another process uses it too: then the last one does."""
    unused = _wish_removal(context.database, temporary, context.now())
    if unused:
        await drive(context, unused)


def _wish_removal(database: Database, temporary: Sequence[Deployment], now: float) -> list[str]:
    with database.write() as connection:
        unused = [each.id for each in temporary if not live_users(connection, each.id, now)]
        return [each for each in unused if store.request_action(connection, each, RequestedAction.REMOVE)]


# --- Leftovers of a process that died ----------------------------------------------------------------------------


_UNDER_WAY = (State.DEPLOYING, State.UNDEPLOYING)


def leftovers(ledger: Ledger, run_ids: Collection[str] | None = None) -> list[Deployment]:
    """The deployments that need work, of all runs or of these.

    An unused deployment made for an evaluation is to be removed: this records it.
    """
    now = time.time()
    with ledger.database.write() as connection:
        found = []
        for each in store.newest(connection, run_ids=run_ids, only_active=True):
            if _is_abandoned(connection, each, now):
                store.request_action(connection, each.id, RequestedAction.REMOVE)
                found.append(store.get(connection, each.id))
            elif each.state in _UNDER_WAY or each.requested_action is not None:
                found.append(each)
    return found


def _is_abandoned(connection: Connection, deployment: Deployment, now: float) -> bool:
    if not deployment.temporary or deployment.state not in (State.DEPLOYING, State.DEPLOYED):
        return False
    return not live_users(connection, deployment.id, now)
