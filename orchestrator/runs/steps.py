"""One function for each state that ftorch itself drives. Each may be called any number of times.

A step looks at the run and the world, does at most one thing outside that takes effect, and returns what to write.
States that follow the endpoint's status (queued, running, paused) are moved by `polling`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from orchestrator.endpoints.interface import RemoteJob
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import (
    DataFileUnusable,
    EndpointBusy,
    EndpointError,
    OutcomeUnknown,
    RequestRefused,
    UsageError,
)
from orchestrator.ids import ulid
from orchestrator.jobfile.addresses import Address, place_of
from orchestrator.runs import limits
from orchestrator.runs.collecting import collecting
from orchestrator.runs.context import Context
from orchestrator.runs.jobs import departures, move_to_status, request_for
from orchestrator.runs.reconcile import look_for_job, next_attempt, search_for
from orchestrator.runs.states import FINAL, MACHINE, State
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.store.runs import RUNS, Run

_WIND_DOWN = (
    "OpenAI takes no new fine-tuning jobs from this account any more. The job file runs unchanged on another "
    "endpoint: Azure OpenAI, a compatible host, or `--endpoint local` for a rehearsal"
)


async def pending(run: Run, context: Context) -> Outcome:
    """Begin, if a slot is free and the budget allows it."""
    guard = partial(limits.admission, run=run, config=context.config, now=context.now())
    return Move(State.UPLOADING, f"a slot is free{limits.unpriced(run)}", guard=guard)


async def uploading(run: Run, context: Context) -> Outcome:
    """Bring the files up; when they are there, commit the intent to create."""
    ids: dict[str, str] = {}
    waits: list[Wait] = []  # while one file is being processed, the other can go up
    for role, place, sha256 in _files(run):
        try:
            found = await file_on_endpoint(context, place, sha256)
        except (DataFileUnusable, RequestRefused, UsageError) as error:
            return Move(State.FAILED, str(error), {"error_code": "file", "error_message": str(error)})
        if isinstance(found, Wait):
            waits.append(found)
        else:
            ids[f"{role}_file_id"] = found
    if waits:
        return waits[0]
    now = context.now()
    intent = {
        "creation_token": run.creation_token or ulid(context.random, now),
        "creation_started_at": now,
        "creation_attempted_at": now,
        "creation_attempts": run.creation_attempts + 1,
        "creation_open": True,
    }
    guard = limits.told_apart(run, context)
    return Move(State.CREATING, "files are there; asking for the job", {**ids, **intent}, guard=guard)


def _files(run: Run) -> list[tuple[str, Path | Address, str]]:
    files = [("training", place_of(run.training_path), run.training_sha256)]
    if run.validation_path and run.validation_sha256:
        files.append(("validation", place_of(run.validation_path), run.validation_sha256))
    return files


async def creating(run: Run, context: Context) -> Outcome:
    """Send the paid request only right after this process committed its intent; anything else is looked for."""
    intent = (run.id, run.version)
    if run.creation_open and intent in context.fresh_intents:
        context.fresh_intents.discard(intent)
        return await _create(run, context)
    if run.creation_open:
        return await look_for_job(run, context)
    return next_attempt(run, context, "the last request was refused for now")


async def _create(run: Run, context: Context) -> Outcome:
    if not MACHINE.holds(context, run):
        return Wait(context.now(), "create unconfirmed, looking for the job")  # it slept past its lease
    try:
        job = await _request(run, context)
    except OutcomeUnknown as error:
        given_up = context.now()
        context.begin_search(search_for(run))  # a request that was given up late can still land
        reason = f"create unconfirmed ({error.facts['problem']}), looking for the job"
        return Wait(given_up, reason, {"creation_attempted_at": given_up})
    except EndpointBusy as error:
        pause = error.facts["retry_after"] or context.config.poll_seconds
        return Wait(context.now() + pause, str(error), {"creation_open": False})
    except RequestRefused as error:
        return _refused(error)
    except EndpointError:
        _close_attempt(run, context)
        raise
    for departure in departures(run, job):
        context.listener.warned(f"run {run.id}: {departure} (job {job.id})")
    created = move_to_status(job, f"job {job.id} created: ")
    # A job that is over already is moved on by polling, which fetches the events that say why.
    to = State.QUEUED if created.to in FINAL else created.to
    return Move(to, created.reason, {**created.changes, "creation_open": False})


async def _request(run: Run, context: Context) -> RemoteJob:
    crash_point("before-create")
    try:
        return await context.endpoint.create(request_for(run, context.endpoint.capabilities))
    finally:
        crash_point("after-create")


def _refused(error: RequestRefused) -> Move:
    facts = error.facts
    message = facts["message"]
    if facts["code"] == "training_not_available":
        message = f"{message} {_WIND_DOWN}"
    changes = {
        "creation_open": False,
        "error_code": facts["code"] or f"http_{facts['status']}",
        "error_message": message,
        "error_param": facts["param"],
    }
    return Move(State.FAILED, f"the endpoint refused the job: {message}", changes)


def _close_attempt(run: Run, context: Context) -> None:
    """The request certainly created nothing (it never left, or the key or the account was refused)."""
    with context.database.write(durable=True) as connection:
        RUNS.note(connection, run, context.owner, context.now(), {"creation_open": False})
        crash_point("before-commit-attempt-closed")
    crash_point("after-commit-attempt-closed")


Step = Callable[[Run, Context], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.PENDING: pending,
    State.UPLOADING: uploading,
    State.CREATING: creating,
    State.COLLECTING: collecting,
}
