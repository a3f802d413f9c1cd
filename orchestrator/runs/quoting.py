"""What the endpoint says a job will cost: in the plan, if its files are there, and before it is requested."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from orchestrator.endpoints import visit_endpoint
from orchestrator.endpoints.interface import TRAINING, Quote
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Wait
from orchestrator.errors import EndpointBusy, EndpointError, EndpointUnreachable, RequestRefused
from orchestrator.runs import limits
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import request_for
from orchestrator.runs.plan import Plan
from orchestrator.runs.states import State
from orchestrator.runs.submission import new_run
from orchestrator.store import uploads
from orchestrator.store.database import Database
from orchestrator.store.runs import Run

_PATIENCE_SECONDS = 7200.0
"""How long an endpoint may take until it can price a job: it checks the files first."""
_LOOK_AGAIN_SECONDS = 60.0


async def quote_for(plan: Plan, home: Path, database: Database) -> Quote | None:
    """What the endpoint says that the plan's job will cost; None if its files aren't uploaded yet, or if it doesn't
    say."""
    ids = _uploaded(plan, database)
    if ids is None:
        return None
    run = replace(new_run(plan.recipe, "", 0.0, random.Random(0)), **ids, creation_token="")
    try:
        async with visit_endpoint(plan.config, home) as endpoint:
            estimates = endpoint.estimates
            return await estimates.price(request_for(run, endpoint.capabilities)) if estimates else None
    except EndpointError:
        return None  # a plan needs no endpoint; submitting shows what is wrong with it


def _uploaded(plan: Plan, database: Database) -> dict[str, Any] | None:
    """The ids of the plan's files on the endpoint; None if one is not there."""
    files = {"training_file_id": plan.recipe.training, "validation_file_id": plan.recipe.validation}
    with database.read() as connection:
        found = {
            key: uploads.find(connection, plan.config.name, TRAINING, facts.sha256)
            for key, facts in files.items()
            if facts is not None
        }
    ids = {key: upload.file_id if upload else None for key, upload in found.items()}
    return None if None in ids.values() else ids


# --- Before the paid request -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Priced:
    """What to record with the intent to create: the columns, and the run as the budget sees it."""

    changes: dict[str, Any]
    run: Run

    def over_budget(self, connection: Connection, context: Context) -> Wait | None:
        """Why the budget holds back the run at this price; None if it doesn't."""
        if not self.changes:
            return None
        reason = limits.over_budget(connection, self.run, context.config, context.now())
        return Wait(context.now() + _LOOK_AGAIN_SECONDS, reason, blocked=True) if reason else None


async def priced(run: Run, context: Context) -> Priced | Wait | Move:
    """The run with the endpoint's own price in place of the estimate, if the endpoint has one; otherwise what to
    wait for, or the end of a run whose file it found unusable. `run` has the ids of its files and its token.

    An endpoint that does not answer this question alone holds back nothing: the estimate stays.
    """
    estimates = context.endpoint.estimates
    if estimates is None or not context.endpoint.capabilities.quotes:
        return Priced({}, run)
    crash_point("before-price")
    try:
        quote = await estimates.price(request_for(run, context.endpoint.capabilities))
    except (EndpointBusy, EndpointUnreachable, RequestRefused) as error:
        if "status" not in error.facts:
            raise  # it can't be reached at all
        context.warn_once(f"run {run.id}: {context.config.name} gives no price: {error.facts['problem']}")
        return Priced({}, run)
    finally:
        crash_point("after-price")
    return _held(run, quote, context) or _with(run, quote)


def _with(run: Run, quote: Quote) -> Priced:
    if quote.usd is None:
        return Priced({}, run)
    return Priced({"estimated_cost_usd": quote.usd}, replace(run, estimated_cost_usd=quote.usd))


def _held(run: Run, quote: Quote, context: Context) -> Wait | Move | None:
    """Why the job is not requested now, or ever."""
    name = context.config.name
    if quote.is_refused:
        reason = f"{name} can't train with a file of this run: {quote.reason}"
        return Move(State.FAILED, reason, {"error_code": "file", "error_message": reason})
    if quote.is_early and context.searched_seconds(("price", run.id)) < _PATIENCE_SECONDS:
        return Wait(context.now() + context.config.poll_seconds, f"{name} is still checking the files")
    if quote.is_over_limit:
        return Wait(context.now() + _LOOK_AGAIN_SECONDS, _over_limit(name, quote), blocked=True)
    return None


def _over_limit(name: str, quote: Quote) -> str:
    cost = "an unknown amount" if quote.usd is None else f"${quote.usd:.2f}"
    limit = "" if quote.limit_usd is None else f" of ${quote.limit_usd:.2f}"
    return (
        f"the job would cost {cost}, which exceeds this account's limit{limit} on {name}; add credit or raise the "
        "limit there, then resume"
    )
