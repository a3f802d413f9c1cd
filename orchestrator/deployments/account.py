"""The present deployments: the recorded ones, checked against those on the accounts."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.deployments import hosting
from orchestrator.deployments.context import Listener
from orchestrator.deployments.driving import settle
from orchestrator.deployments.states import State
from orchestrator.deployments.steps import is_model
from orchestrator.deployments.uses import live_users
from orchestrator.endpoints import open_management
from orchestrator.endpoints.management import RemoteDeployment, manages
from orchestrator.errors import FtorchError
from orchestrator.ledger import Ledger
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment

FAILED_SECONDS = 7 * 86_400.0
"""How long a failed deployment is listed with its reason, unless its name is used again."""


@dataclass(frozen=True)
class Standing:
    """One deployment. Times are seconds since the epoch; money is US dollars for hosting, None where unknown."""

    endpoint: str
    name: str
    model: str | None
    state: str
    """One of ftorch's states, or Azure's word for a deployment made elsewhere."""
    reason: str
    sku: str | None
    capacity: int | None
    recorded: Deployment | None
    """None: found on the account, made elsewhere."""
    in_use: bool
    cost_usd: float | None
    cost_usd_per_day: float | None
    last_used_at: float | None
    """By ftorch's requests."""
    ends_at: float | None
    """When Azure removes it automatically if it stays unused."""
    is_idle: bool = False


@dataclass(frozen=True)
class Survey:
    """All deployments, and why an account could not be asked."""

    standings: Sequence[Standing]
    troubles: Sequence[str]

    def only(self, standings: Sequence[Standing]) -> Survey:
        """The same with only these deployments."""
        return replace(self, standings=standings)


def recorded_standings(
    ledger: Ledger, *, idle_seconds: float = hosting.IDLE_SECONDS, absent: Collection[str] = ()
) -> list[Standing]:
    """Unfinished recorded deployments, and those that failed in the last days, newest first, without asking any
    account. Those with an id in `absent` are known to be on none, and cost nothing."""
    now = time.time()
    with ledger.database.read() as connection:
        active = store.newest(connection, only_active=True)
        failed = [each for each in store.failed(connection) if now - (each.finished_at or 0.0) < FAILED_SECONDS]
        used = {each.id for each in active if live_users(connection, each.id, now)}
    there = {each.id for each in active} - {*absent}
    return [
        _standing(ledger, each, each.id in used, now, idle_seconds, is_there=each.id in there)
        for each in [*active, *failed]
    ]


async def survey(
    ledger: Ledger,
    endpoints: Collection[str] | None = None,
    *,
    idle_seconds: float = hosting.IDLE_SECONDS,
    listener: Listener | None = None,
) -> Survey:
    """The deployments on the endpoints that can be asked (or on these), ours and others'.

    One that was removed without ftorch is recorded as gone, and reported to the listener. Errors of the accounts
    are reported, not raised.
    """
    configs = ledger.workspace.endpoints.values()
    asked = [each for each in configs if manages(each) and (endpoints is None or each.name in endpoints)]
    others: list[Standing] = []
    absent: set[str] = set()
    troubles: list[str] = []
    by_account = {_account(config): config for config in reversed(asked)}
    for config in reversed(by_account.values()):
        try:
            found, missing = await _elsewhere(ledger, config, listener)
            others += found
            absent |= missing
        except FtorchError as error:
            troubles.append(str(error))
    ours = [
        each
        for each in recorded_standings(ledger, idle_seconds=idle_seconds, absent=absent)
        if endpoints is None or each.endpoint in endpoints
    ]
    return Survey([*ours, *others], troubles)


async def find_elsewhere(config: EndpointConfig, name: str) -> RemoteDeployment | None:
    """The account's deployment of exactly this name. Raises what `open_management` and its `get` raise."""
    async with open_management(config) as management:
        return await management.get(name)


async def sku_there(config: EndpointConfig, model: str) -> str | None:
    """The hosting that the host would choose for a deployment of the model; None if we choose."""
    async with open_management(config) as management:
        return await management.sku_for(model)


async def _elsewhere(
    ledger: Ledger, config: EndpointConfig, listener: Listener | None
) -> tuple[list[Standing], set[str]]:
    """The account's deployments that ftorch did not make (several endpoints may lead to the same account), and the
    ids of the recorded ones that it was asked for and does not have."""
    async with open_management(config) as management:
        remote = {each.name: each for each in await management.all()}
    with ledger.database.read() as connection:
        active = [
            each
            for way in ledger.workspace.endpoints.values()
            if _account(way) == _account(config)
            for each in store.newest(connection, endpoint=way.name, only_active=True)
        ]
        gone = [each for each in active if each.state == State.DEPLOYED and not _is_in(connection, each, remote)]
    if gone:
        await settle(ledger, gone, listener=listener)
    ours = {each.name for each in active if each.requested_at is not None and each not in gone}
    asked_for = [each for each in active if each.requested_at is not None and each.provisioned_at is None]
    absent = {each.id for each in asked_for if each.name not in remote}
    return [_found(config, each) for name, each in remote.items() if name not in ours], absent


def _is_in(connection: Connection, each: Deployment, remote: Mapping[str, RemoteDeployment]) -> bool:
    found = remote.get(each.name)
    return found is not None and is_model(connection, each.endpoint, found.model, str(each.model))


def _account(config: EndpointConfig) -> tuple[str | None, ...]:
    if config.type != "azure":
        return config.base_url, config.api_key_env, config.account
    return config.arm_url, config.subscription_id, config.resource_group, config.account


def _standing(
    ledger: Ledger, each: Deployment, in_use: bool, now: float, idle_seconds: float, *, is_there: bool
) -> Standing:
    config = ledger.workspace.endpoints.get(each.endpoint)
    is_priced = config is not None and each.model is not None
    return Standing(
        endpoint=each.endpoint,
        name=each.name,
        model=each.model,
        state=each.state,
        reason=each.reason,
        sku=each.sku,
        capacity=each.capacity,
        recorded=each,
        in_use=in_use,
        cost_usd=_usd(hosting.cost_so_far(config, each, now) if config else None, is_there),
        cost_usd_per_day=_usd(
            hosting.cost_per_day(config, str(each.model), each.sku) if config and is_priced else None, is_there
        ),
        last_used_at=each.last_used_at,
        ends_at=hosting.ends_at(config, each) if config else None,
        is_idle=hosting.is_idle(each, now, idle_seconds) and is_there and not in_use,
    )


def _usd(cost: float | None, is_there: bool) -> float | None:
    return cost if is_there else 0.0


def _found(config: EndpointConfig, remote: RemoteDeployment) -> Standing:
    return Standing(
        endpoint=config.name,
        name=remote.name,
        model=remote.model,
        state=remote.state,
        reason="made elsewhere",
        sku=remote.sku,
        capacity=remote.capacity,
        recorded=None,
        in_use=False,
        cost_usd=None,
        cost_usd_per_day=hosting.cost_per_day(config, remote.model, remote.sku or "Standard"),
        last_used_at=None,
        ends_at=None,
    )
