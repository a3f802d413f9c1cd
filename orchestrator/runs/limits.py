"""Caps and budgets: checked in the transaction of the move they allow, so they hold across all processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, func, select

from orchestrator.config import EndpointConfig
from orchestrator.engine.machine import Wait
from orchestrator.runs.context import Context
from orchestrator.runs.states import SLOT_HOLDERS, State
from orchestrator.store import spending, sweeps as sweep_store
from orchestrator.store.runs import Run
from orchestrator.store.schema import runs
from orchestrator.store.spending import month_begins

_LOOK_AGAIN_SECONDS = 2.0


def admission(connection: Connection, run: Run, config: EndpointConfig, now: float) -> Wait | None:
    """Why this pending run may not begin yet; None when it may."""
    return (
        _over_budget(connection, run, now)
        or _over_month(connection, run, config, now)
        or _no_slot(connection, config, now)
        or _sweep_is_full(connection, run, config, now)
    )


def over_budget(connection: Connection, run: Run, config: EndpointConfig, now: float) -> str | None:
    """Why the budget holds back a run that has no job yet; None if it doesn't."""
    found = _over_budget(connection, run, now) or _over_month(connection, run, config, now)
    return found.reason if found else None


def free_slots(connection: Connection, config: EndpointConfig) -> int:
    """How many more runs may have a job on the endpoint now."""
    return max(0, config.max_active - _active(connection, config))


def full_sweeps(connection: Connection, config: EndpointConfig) -> list[str]:
    """The sweeps that may have no more jobs now, by their own `max_active`."""
    return sweep_store.full(connection, config.name, SLOT_HOLDERS)


def _active(connection: Connection, config: EndpointConfig) -> int:
    query = select(func.count()).where(runs.c.endpoint == config.name, runs.c.state.in_(SLOT_HOLDERS))
    return connection.execute(query).scalar_one()


def _no_slot(connection: Connection, config: EndpointConfig, now: float) -> Wait | None:
    active = _active(connection, config)
    if active < config.max_active:
        return None
    reason = f"waiting for a slot: {active} of {config.max_active} are taken on {config.name}"
    return Wait(_next_look(config, now), reason)


def _sweep_is_full(connection: Connection, run: Run, config: EndpointConfig, now: float) -> Wait | None:
    """A sweep's own `max_active` limits its runs together."""
    if run.sweep_id is None:
        return None
    most = sweep_store.get(connection, run.sweep_id).max_active
    query = select(func.count()).where(runs.c.sweep_id == run.sweep_id, runs.c.state.in_(SLOT_HOLDERS))
    active = connection.execute(query).scalar_one()
    if most is None or active < most:
        return None
    reason = f"waiting for a slot: {active} of the {most} that the sweep may take (max_active) are taken"
    return Wait(_next_look(config, now), reason)


def look_again_seconds(config: EndpointConfig) -> float:
    """How often a run that waits for a slot looks for one."""
    return min(_LOOK_AGAIN_SECONDS, config.poll_seconds)


def _next_look(config: EndpointConfig, now: float) -> float:
    """The same moment for all that wait, so that the oldest is checked first and takes the slot."""
    interval = look_again_seconds(config)
    return (now // interval + 1) * interval


def _over_budget(connection: Connection, run: Run, now: float) -> Wait | None:
    """A job file's `max_cost_usd` limits all its runs on the endpoint, by their actual or expected cost."""
    if run.max_cost_usd is None or run.estimated_cost_usd is None:
        return None
    spent = spending.of_endpoint(connection, run.endpoint, name=run.name, without=run.id).usd
    if spent + run.estimated_cost_usd <= run.max_cost_usd:
        return None
    reason = (
        f"over budget: {run.name} has used ${spent:.2f}, this run would add ${run.estimated_cost_usd:.2f}, "
        f"max_cost_usd is ${run.max_cost_usd:.2f}; raise it in the job file and submit again"
    )
    return Wait(now + 60.0, reason, blocked=True)


def _over_month(connection: Connection, run: Run, config: EndpointConfig, now: float) -> Wait | None:
    """An endpoint's `max_cost_usd_per_month` limits all runs started there in the calendar month (UTC)."""
    limit = config.max_cost_usd_per_month
    if limit is None or run.estimated_cost_usd is None:
        return None
    spent = spending.of_endpoint(connection, run.endpoint, since=month_begins(now), without=run.id).usd
    if spent + run.estimated_cost_usd <= limit:
        return None
    reason = (
        f"over budget: {config.name} has used ${spent:.2f} this month, this run would add "
        f"${run.estimated_cost_usd:.2f}, max_cost_usd_per_month is ${limit:.2f}; raise it in ftorch.toml, or wait "
        "for the next month"
    )
    return Wait(now + 60.0, reason, blocked=True)


def unpriced(run: Run) -> str:
    """What to add to the reason of a run that starts although its limit can't be enforced; "" if it can."""
    if run.max_cost_usd is None or run.estimated_cost_usd is not None:
        return ""
    return f"; its cost is unknown, so max_cost_usd (${run.max_cost_usd:.2f}) does not hold it back"


def told_apart(run: Run, context: Context) -> Callable[[Connection], Wait | None] | None:
    """The guard of an intent to create, if jobs carry marks instead of metadata or a chosen id."""
    if context.endpoint.capabilities.metadata or context.endpoint.capabilities.chosen_ids:
        return None
    return partial(lookalike, run=run, now=context.now())


def lookalike(connection: Connection, run: Run, now: float) -> Wait | None:
    """Why a run must not be created now on an endpoint without metadata: a similar one is unconfirmed there.

    Runs on the same file and base model are created one after another there: a host may return neither the seed nor
    the suffix that would tell them apart. If a run's outcome stays unknown, only the user can end the wait.
    """
    query = select(runs.c.id, runs.c.state).where(
        runs.c.endpoint == run.endpoint,
        runs.c.model == run.model,
        runs.c.training_sha256 == run.training_sha256,
        runs.c.creation_open,
        runs.c.finished_at.is_(None),
        runs.c.id != run.id,
    )
    alike = connection.execute(query).all()
    if not alike:
        return None
    other, state = min(alike, key=lambda row: row.state == State.UNKNOWN)
    if state == State.UNKNOWN:
        reason = f"waiting for run {other}, which looks the same to the endpoint and is unknown there"
        return Wait(now + 60.0, f"{reason}; settle that first: ftorch show {other}", blocked=True)
    return Wait(now + 1.0, f"waiting until run {other}, which looks the same to the endpoint, is confirmed there")
