"""After a job succeeded: record its events, metrics, checkpoints and model before the run counts as succeeded."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from orchestrator.dataset.pricing import trained_tokens_cost
from orchestrator.endpoints.interface import RemoteJob
from orchestrator.endpoints.objects import read_job
from orchestrator.endpoints.refusals import shortened
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import EndpointUnreachable, PricesUnreadable, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import checkpoint_of, event_of, job_changes, metrics_of
from orchestrator.runs.reconcile import look_for_surplus
from orchestrator.runs.serving import already_served, serve
from orchestrator.runs.states import State
from orchestrator.store import records, runs as store
from orchestrator.store.records import Checkpoint, Event, Metric, Model
from orchestrator.store.runs import Run

T = TypeVar("T")
_MODEL_PATIENCE_POLLS = 5
"""How many polls a succeeded job may go without its model id, if that is longer than the settling window."""


@dataclass(frozen=True)
class Harvest:
    """Everything that a finished job left behind."""

    events: list[Event]
    metrics: list[Metric]
    checkpoints: list[Checkpoint]
    missing: tuple[str, ...] = ()
    """What could not be fetched, and why."""

    @property
    def lacks(self) -> str:
        """The same as the end of a reason, for the run's history."""
        return "".join(f"; {each}" for each in self.missing)

    def write(self, connection: Connection) -> None:
        records.add_events(connection, self.events)
        records.add_metrics(connection, self.metrics)
        records.add_checkpoints(connection, self.checkpoints)


async def collecting(run: Run, context: Context) -> Outcome:
    """Fetch everything, then write it in one transaction with the move to succeeded."""
    crash_point("before-collection")
    await look_for_surplus(run, context)
    try:
        job = await _job(run, context)
        harvest = await gather(run, job, context)
    except EndpointUnreachable as error:
        if "status" not in error.facts:
            raise
        # The endpoint is available; missing results are this run's problem alone.
        reason = f"the job succeeded; its results can't be fetched yet: {error.facts['problem']}"
        return Wait(context.now() + max(context.config.poll_seconds, 1.0), reason)
    crash_point("after-collection")
    if job.fine_tuned_model:
        return _succeed(run, job, harvest, job.fine_tuned_model, context)
    if harvest.checkpoints and context.config.result != "model":
        last = max(harvest.checkpoints, key=lambda checkpoint: checkpoint.step)
        model = await _of_checkpoint(last, run, context)
        return model if isinstance(model, Wait) else _succeed(run, job, harvest, model, context)
    patience = max(_MODEL_PATIENCE_POLLS * context.config.poll_seconds, context.config.settling_seconds)
    if context.now() < _since(run, context) + patience:
        return Wait(context.now() + context.config.poll_seconds, "the job succeeded; waiting for its model id")
    return _without_model(run, job, harvest, context)


async def _of_checkpoint(last: Checkpoint, run: Run, context: Context) -> str | Wait:
    """The model of a job whose last checkpoint this is, as the endpoint's table says. Of a job that was adopted,
    nothing is served that isn't yet."""
    if context.config.result != "served-checkpoint":
        return last.model
    return await serve(run, last, context) if run.job_file else await already_served(run, last, context)


def _without_model(run: Run, job: RemoteJob, harvest: Harvest, context: Context) -> Move:
    """A checkpoint is a separate model, and is never recorded as the job's result."""
    count = len(harvest.checkpoints)
    had = f"; it has {count} checkpoint{'s' * (count != 1)}: ftorch show {run.id}" if count else ""
    said = f"{context.config.name} says {job.status}, but gives no model id{had}"
    reason = f"{said}; ftorch resume looks again{harvest.lacks}"
    return Move(State.UNKNOWN, reason, job_changes(job), also=harvest.write)


async def _job(run: Run, context: Context) -> RemoteJob:
    """The job as it is now, or as last seen if the endpoint no longer returns it."""
    assert run.job_id is not None
    found = await _optional(run, context, f"job {run.job_id}", context.endpoint.job(run.job_id), [])
    return found or read_job(run.remote_job or {"id": run.job_id})


async def gather(run: Run, job: RemoteJob, context: Context) -> Harvest:
    """What the endpoint still has of this job; a part it refuses is left out with a warning."""
    endpoint = context.endpoint
    with context.database.read() as connection:
        known = records.known_event_ids(connection, run.id)
        has_metrics = bool(records.last_metrics(connection, [run.id]))
    missing: list[str] = []
    events = await _optional(run, context, "the events", endpoint.events(job.id, known), missing) or []
    checkpoints = await _optional(run, context, "the checkpoints", endpoint.checkpoints(job.id), missing) or []
    rows = [event.data for event in events if event.data]
    for file_id in job.result_files:
        fetched = endpoint.result_rows(file_id)
        rows += await _optional(run, context, f"result file {file_id}", fetched, missing) or []
    if not rows and not has_metrics:  # on hosts that measure nothing else
        rows = [{"step": each.step, **each.metrics} for each in checkpoints]
    return Harvest(
        events=[event_of(run, event) for event in events],
        metrics=metrics_of(run, rows),
        checkpoints=[checkpoint_of(run, checkpoint) for checkpoint in checkpoints],
        missing=tuple(missing),
    )


async def _optional(run: Run, context: Context, what: str, fetched: Awaitable[T], missing: list[str]) -> T | None:
    """What was fetched; None, with one more entry in `missing`, if it is refused, or can't be fetched for a whole
    settling window."""
    try:
        return await fetched
    except (RequestRefused, EndpointUnreachable) as error:
        is_final = isinstance(error, RequestRefused)
        if not is_final and context.now() < _since(run, context) + context.config.settling_seconds:
            raise
        said = f"{what} can't be fetched from {context.config.name}: {error.facts['problem']}"
        context.warn_once(f"run {run.id}: {said}")
        missing.append(shortened(said))
        return None


def _since(run: Run, context: Context) -> float:
    """When the run entered this state."""
    with context.database.read() as connection:
        return store.history(connection, run.id)[-1].at


def _cost(run: Run, trained_tokens: int, context: Context) -> float | None:
    """US dollars; a broken price table must not prevent a trained model from being recorded."""
    method, tier = run.method["type"], run.method.get("training_type")
    try:
        return trained_tokens_cost(
            run.endpoint_type, run.model, trained_tokens, method=method, tier=tier, prices=context.config.prices
        )
    except PricesUnreadable as error:
        context.listener.warned(f"the cost of {run.id} is not recorded: {error}")
        return None


def _succeed(run: Run, job: RemoteJob, harvest: Harvest, model: str, context: Context) -> Move:
    cost = job.cost_usd
    if cost is None and job.trained_tokens is not None:
        cost = _cost(run, job.trained_tokens, context)
    recorded = Model(run.endpoint, model, run.id, run.model, context.now())

    def also(connection: Connection) -> None:
        harvest.write(connection)
        records.add_model(connection, recorded)

    changes = {**job_changes(job), "fine_tuned_model": model, "cost_usd": cost, "create_not_before": None}
    return Move(State.SUCCEEDED, f"model {model}{harvest.lacks}", changes, also=also)
