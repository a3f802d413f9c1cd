"""Asking models that answer only while they are deployed: each is deployed for it where it is not already."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.deployments.serving import serving
from orchestrator.deployments.world import Listener as DeploymentListener
from orchestrator.endpoints import capabilities_of
from orchestrator.endpoints.management import manages
from orchestrator.evaluation.plan import Plan, batches
from orchestrator.evaluation.session import Asking, Listener, ask_missing, require_nothing_under_way
from orchestrator.runs.ledger import Ledger
from orchestrator.store.evaluations import Asked

_AT_ONCE = 3
"""Models that are deployed at the same time: an account has room for few."""


async def ask_plan(
    ledger: Ledger,
    plan: Plan,
    *,
    listener: Listener | None = None,
    deployments: DeploymentListener | None = None,
    stop: asyncio.Event | None = None,
) -> Asking:
    """Ask what has no recorded answer, as `ask_missing` does, with deployments where the endpoint needs them.

    Raises what `ask_missing` and `serving` raise.
    """
    if not capabilities_of(plan.config).needs_deployment or not manages(plan.config):
        return await ask_missing(ledger, plan, listener=listener, stop=stop)
    require_nothing_under_way(plan)
    answered, errors = 0, dict[Asked, str]()
    for models in batches(iter(plan.unanswered), _AT_ONCE):
        part = replace(plan, grid=replace(plan.grid, models=models))
        async with serving(ledger, plan.config, models, keep=plan.keep, listener=deployments, stop=stop) as called:
            asked = await ask_missing(ledger, part, listener=listener, stop=stop, called=called)
        answered, errors = answered + asked.answered, {**errors, **asked.errors}
        if not asked.is_complete:
            return Asking(answered, errors, False)
    return Asking(answered, errors, True)
