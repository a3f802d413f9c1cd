"""After a job ended well: record its events, metrics, checkpoints and model before calling the run succeeded."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from orchestrator.dataset.pricing import trained_tokens_cost
from orchestrator.endpoints.interface import RemoteJob
from orchestrator.endpoints.objects import read_job
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import EndpointUnreachable, PricesUnreadable, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import checkpoint_of, event_of, job_changes, metrics_of
from orchestrator.runs.reconcile import look_for_surplus
from orchestrator.runs.states import State
from orchestrator.store import records, runs as store
from orchestrator.store.records import Checkpoint, Event, Metric, Model
from orchestrator.store.runs import Run

T = TypeVar("T")
_MODEL_PATIENCE_POLLS = 5
"""How many polls' time a succeeded job may go without its model id before its checkpoints are looked at."""


@dataclass(frozen=True)
class Harvest:
    """All that a finished job left."""

    events: list[Event]
    metrics: list[Metric]
    checkpoints: list[Checkpoint]

    def write(self, connection: Connection) -> None:
        records.add_events(connection, self.events)
        records.add_metrics(connection, self.metrics)
        records.add_checkpoints(connection, self.checkpoints)


async def collecting(run: Run, context: Context) -> Outcome:
    """Fetch everything, then write it all together with the move to succeeded."""
    crash_point("before-collection")
    await look_for_surplus(run, context)
    job = await _job(run, context)
    harvest = await gather(run, job, context)
    crash_point("after-collection")
    model = job.fine_tuned_model or _late_model(run, harvest, context)
    if model is None:
        return Wait(context.now() + context.config.poll_seconds, "the job succeeded; waiting for its model id")
    if not model:
        message = "the endpoint says the job succeeded, but gives no model id and no checkpoint"
        return Move(State.FAILED, message, {"error_code": "no_model", "error_message": message})
    return _succeed(run, job, harvest, model, context)


async def _job(run: Run, context: Context) -> RemoteJob:
    """The job as it is now, or as it was last seen where the endpoint gives it no more."""
    assert run.job_id is not None
    try:
        return await context.endpoint.job(run.job_id)
    except RequestRefused as error:
        context.listener.warned(
            f"job {run.job_id} can't be had from {context.config.name}: {error.facts['problem']}"
        )
        return read_job(run.remote_job or {"id": run.job_id})


async def gather(run: Run, job: RemoteJob, context: Context) -> Harvest:
    """What the endpoint still has of this job; a part it refuses to give is warned about and left out."""
    endpoint = context.endpoint
    with context.database.read() as connection:
        known = records.known_event_ids(connection, run.id)
    events = await _optional(run, context, "events", endpoint.events(job.id, known)) or []
    checkpoints = await _optional(run, context, "checkpoints", endpoint.checkpoints(job.id)) or []
    rows = [event.data for event in events if event.data]
    for file_id in job.result_files:
        rows += await _optional(run, context, "result file", endpoint.result_rows(file_id)) or []
    return Harvest(
        events=[event_of(run, event) for event in events],
        metrics=metrics_of(run, rows),
        checkpoints=[checkpoint_of(run, checkpoint) for checkpoint in checkpoints],
    )


async def _optional(run: Run, context: Context, what: str, fetched: Awaitable[T]) -> T | None:
    """What was fetched; None where it is refused, or can't be had for a whole settling window."""
    try:
        return await fetched
    except (RequestRefused, EndpointUnreachable) as error:
        is_final = isinstance(error, RequestRefused)
        if not is_final and context.now() < _since(run, context) + context.config.settling_seconds:
            raise
        context.listener.warned(f"the {what} can't be had from {context.config.name}: {error.facts['problem']}")
        return None


def _since(run: Run, context: Context) -> float:
    """When the run came into this state."""
    with context.database.read() as connection:
        return store.history(connection, run.id)[-1].at


def _late_model(run: Run, harvest: Harvest, context: Context) -> str | None:
    """Without a model id: None while it may still come, then the last checkpoint's, else ""."""
    if context.now() < _since(run, context) + _MODEL_PATIENCE_POLLS * context.config.poll_seconds:
        return None
    return harvest.checkpoints[-1].model if harvest.checkpoints else ""


def _cost(run: Run, trained_tokens: int, context: Context) -> float | None:
    """US dollars; a broken table of prices must not keep a model that is trained from being recorded."""
    method, tier = run.method["type"], run.method.get("training_type")
    try:
        return trained_tokens_cost(
            run.endpoint_type, run.model, trained_tokens, method=method, tier=tier, prices=context.config.prices
        )
    except PricesUnreadable as error:
        context.listener.warned(f"the cost of {run.id} is not recorded: {error}")
        return None


def _succeed(run: Run, job: RemoteJob, harvest: Harvest, model: str, context: Context) -> Move:
    cost = None if job.trained_tokens is None else _cost(run, job.trained_tokens, context)
    recorded = Model(run.endpoint, model, run.id, run.model, context.now())

    def also(connection: Connection) -> None:
        harvest.write(connection)
        records.add_model(connection, recorded)

    changes = {**job_changes(job), "fine_tuned_model": model, "cost_usd": cost}
    return Move(State.SUCCEEDED, f"model {model}", changes, also=also)
