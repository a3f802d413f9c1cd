"""One function per state that ftorch itself drives. Each may be called any number of times.

A step looks at the run and the world, has at most one effect outside, and returns what to write.
States that follow the endpoint's status (queued, running, paused) are moved by `polling`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from orchestrator.endpoints.interface import RemoteJob
from orchestrator.engine.accounts import mark_for
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
from orchestrator.runs.quoting import Priced, priced
from orchestrator.runs.reconcile import (
    adopt,
    look_before_asking,
    look_for_job,
    look_once,
    next_attempt,
    search_for,
    warn_of,
    way_out,
)
from orchestrator.runs.states import FINAL, MACHINE, RequestedAction, State, state_of
from orchestrator.runs.uploading import file_on_endpoint, is_on_the_way
from orchestrator.runs.waiting import LONGEST_PAUSE_SECONDS, wait_until
from orchestrator.store import runs as store
from orchestrator.store.runs import RUNS, Run


async def pending(run: Run, context: Context) -> Outcome:
    """Start, if a slot is free and the budget allows it."""
    guard = partial(limits.admission, run=run, config=context.config, now=context.now())
    return Move(State.UPLOADING, f"started{limits.unpriced(run)}", guard=guard)


async def uploading(run: Run, context: Context) -> Outcome:
    """Upload the files; once they are there, commit the intent to create. A grader is checked before."""
    if refusal := await _refused_grader(run, context):
        problem = (
            f"{context.config.name} refuses the grader: {refusal.facts['problem']}. Nothing was uploaded; fix "
            f"[method.grader] in {run.job_file}, then submit it again"
        )
        return Move(State.FAILED, problem, {"error_code": "grader", "error_message": problem})
    ids: dict[str, Any] = {}
    waits: list[Wait] = []  # while one file is being processed, the other can be uploaded
    for role, place, sha256 in _files(run):
        try:
            found = await file_on_endpoint(context, place, sha256)
        except (DataFileUnusable, RequestRefused, UsageError) as error:
            if isinstance(error, RequestRefused) and is_on_the_way(error):
                raise  # the loop holds the run: the file itself is fine
            return Move(State.FAILED, str(error), {"error_code": "file", "error_message": str(error)})
        if isinstance(found, Wait):
            waits.append(found)
        else:
            ids[f"{role}_file_id"] = found
    if waits:
        return waits[0]
    now = context.now()
    token = run.creation_token or ulid(context.random, now)
    price = await priced(replace(run, **ids, creation_token=token), context)
    if not isinstance(price, Priced):
        return price
    intent = {
        **price.changes,
        "creation_token": token,
        "creation_started_at": now,
        "creation_attempted_at": now,
        "creation_attempts": run.creation_attempts + 1,
        "creation_open": True,
        "account": run.account or mark_for(context),
    }
    return Move(
        State.CREATING,
        "files are ready; requesting the job",
        {**ids, **intent},
        guard=partial(_may_create, run=run, price=price, context=context),
    )


def _may_create(connection: Connection, *, run: Run, price: Priced, context: Context) -> Wait | None:
    """Why the job must not be requested now; None if it may be."""
    apart = limits.told_apart(run, context)
    return price.over_budget(connection, context) or (apart(connection) if apart else None)


async def _refused_grader(run: Run, context: Context) -> RequestRefused | None:
    """The refusal of the run's grader, while it costs nothing; None if it has none or the endpoint doesn't tell."""
    grader = run.method.get("grader")
    if grader is None or not context.endpoint.capabilities.checks_graders or run.id in context.checked_graders:
        return None
    try:
        await context.endpoint.check_grader(grader)
    except RequestRefused as error:
        return error
    context.checked_graders.add(run.id)
    return None


def _files(run: Run) -> list[tuple[str, Path | Address, str]]:
    files = [("training", place_of(run.training_path), run.training_sha256)]
    if run.validation_path and run.validation_sha256:
        files.append(("validation", place_of(run.validation_path), run.validation_sha256))
    return files


async def creating(run: Run, context: Context) -> Outcome:
    """Send the paid request only right after this process committed its intent; otherwise look for its job."""
    intent = (run.id, run.version)
    if run.creation_open and intent in context.fresh_intents:
        context.fresh_intents.discard(intent)
        return await _create(run, context)
    if run.creation_open:
        return await look_for_job(run, context)
    return await look_before_asking(run, context)


async def _create(run: Run, context: Context) -> Outcome:
    if not MACHINE.holds(context, run):
        return Wait(context.now(), "create unconfirmed, looking for the job")  # it was suspended past its lease
    try:
        job = await _request(run, context)
    except OutcomeUnknown as error:
        if error.facts.get("status") == HTTPStatus.CONFLICT and not _is_of_an_attempt(error):
            return _refused(run, RequestRefused(**error.facts), context)
        given_up = context.now()
        context.last_words[run.id] = error.facts["problem"]
        context.begin_search(search_for(run))  # a request that timed out can still arrive
        reason = f"create unconfirmed ({error.facts['problem']}), looking for the job"
        return Wait(given_up, reason, {"creation_attempted_at": given_up})
    except EndpointBusy as error:
        return _busy(run, error, context)
    except RequestRefused as error:
        return _refused(run, error, context)
    except EndpointError:
        _close_attempt(run, context)
        raise
    if owner := _other_owner(run, job, context):
        reason = f"{context.config.name} answered the create with job {job.id}, which belongs to run {owner}"
        return Move(State.UNKNOWN, f"{reason}; {way_out(run)}")
    context.turned_away.pop(run.id, None)
    warn_of(departures(run, job), run, job, context)
    created = move_to_status(job, f"job {job.id} created: ")
    # A job that has ended already is moved on by polling, which fetches the events with the reason.
    to = State.QUEUED if created.to in FINAL else created.to
    return Move(to, created.reason, {**created.changes, "creation_open": False})


def _other_owner(run: Run, job: RemoteJob, context: Context) -> str | None:
    with context.database.read() as connection:
        owner = store.owners_of_jobs(connection, context.config.name, [job.id]).get(job.id)
    return None if owner == run.id else owner


def _refused(run: Run, error: RequestRefused, context: Context) -> Wait:
    """A gateway may have passed the request on and answered for itself: the refusal is believed after one look. One
    that only says that a new file is not ready yet is waited out."""
    context.last_words[run.id] = error.facts["problem"]
    if _is_about_a_new_file(run, error, context):
        return _file_not_ready(run, error, context)
    context.refusals[search_for(run)] = error
    return Wait(context.now(), f"{context.config.name} refuses the job ({error.facts['problem']}); looking once")


def _is_of_an_attempt(error: EndpointError) -> bool:
    """Whether a conflict is with an earlier create request, or with this one: then there may be a job."""
    return _ATTEMPT_WORDS.search(f"{error.facts['code']} {error.facts['message']}") is not None


_ATTEMPT_WORDS = re.compile(
    r"in[ _-]progress|already[ _](exists|running|submitted|created|being)|duplicate|idempoten|concurrent"
    r"|(earlier|previous|another|same) (request|attempt)",
    re.IGNORECASE,
)


def _file_not_ready(run: Run, error: EndpointError, context: Context) -> Wait:
    until = context.now() + context.config.poll_seconds
    changes = {"creation_open": run.creation_attempts > 1}
    return Wait(until, f"{context.config.name} can't use the file yet: {error.facts['problem']}", changes)


def _is_about_a_new_file(run: Run, error: EndpointError, context: Context) -> bool:
    started = run.creation_started_at or 0.0
    said = f"{error.facts['code']} {error.facts['message']}".lower()
    names_it = any(
        file_id and file_id.lower() in said for file_id in (run.training_file_id, run.validation_file_id)
    )
    is_passing = any(sign in said for sign in _NOT_READY_SIGNS)
    is_about_files = names_it or "file" in said or "dataset" in said
    return context.now() < started + _NEW_FILE_SECONDS and is_about_files and is_passing


_NEW_FILE_SECONDS = 600.0
_NOT_READY_SIGNS = (
    *("not ready", "not_ready", "being processed", "still process", "try again", "not found", "does not exist"),
    *("no such file", "pending"),
)


def _busy(run: Run, error: EndpointBusy, context: Context) -> Wait:
    """No create request goes out before the time set by the endpoint; without one, the pauses grow."""
    context.last_words[run.id] = error.facts["problem"]
    told = error.facts["retry_after"]
    if told is None:
        turn = context.turned_away[run.id]
        context.turned_away[run.id] = turn + 1
        told = min(LONGEST_PAUSE_SECONDS, max(1.0, context.config.poll_seconds) * 2 ** min(turn, 16))
    not_before = context.now() + min(told, _LONGEST_TOLD_SECONDS)
    # If an earlier attempt's outcome is unknown, its job still has to be looked for.
    changes = {"creation_open": run.creation_attempts > 1, "create_not_before": not_before}
    reason = f"{context.config.name} is at a limit ({error.facts['problem']})"
    return wait_until(not_before, reason, context, changes)


_LONGEST_TOLD_SECONDS = 7 * 86_400.0


async def _request(run: Run, context: Context) -> RemoteJob:
    crash_point("before-create")
    try:
        return await context.endpoint.create(request_for(run, context.endpoint.capabilities))
    finally:
        crash_point("after-create")


def _close_attempt(run: Run, context: Context) -> None:
    """The request created nothing, as far as its answer can be believed (it was never sent, or the key or the
    account was refused); an earlier one with an unknown outcome stays open."""
    changes = {"creation_open": run.creation_attempts > 1}
    with context.database.write(durable=True) as connection:
        RUNS.note(connection, run, context.owner, context.now(), changes)
        crash_point("before-commit-attempt-closed")
    crash_point("after-commit-attempt-closed")


async def unknown(run: Run, context: Context) -> Outcome:
    """Look again at a run whose outcome is unknown. Only the user ends this for good."""
    if run.job_id is None:
        look = await look_once(run, context)
        if look.found:
            return await adopt(run, context, look.found)
        if run.requested_action == RequestedAction.AGAIN:
            return next_attempt(run, context, "no job was found, and the user requested it again")
        return _still_unknown(run, context)
    try:
        job = await context.endpoint.job(run.job_id)
        has_checkpoints = context.config.result != "model" and bool(await context.endpoint.checkpoints(job.id))
    except RequestRefused:
        return _still_unknown(run, context)
    state = state_of(job)
    names_its_model = job.fine_tuned_model or has_checkpoints
    if state is State.COLLECTING and not names_its_model:
        return _still_unknown(run, context)
    seen = move_to_status(job, "seen again: ")
    return Move(State.QUEUED if seen.to in FINAL else seen.to, seen.reason, seen.changes)


def _still_unknown(run: Run, context: Context) -> Wait:
    return Wait(context.now() + context.config.settling_seconds, run.reason, blocked=True)


Step = Callable[[Run, Context], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.PENDING: pending,
    State.UPLOADING: uploading,
    State.CREATING: creating,
    State.COLLECTING: collecting,
    State.UNKNOWN: unknown,
}
