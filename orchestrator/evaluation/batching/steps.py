"""One function for each state of a batch. Each may be called any number of times.

A step reads the batch and the endpoint, does at most one thing that takes effect, and returns what to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.endpoints.interface import BATCH, RemoteBatch
from orchestrator.endpoints.objects import read_object
from orchestrator.engine.accounts import mark_for
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import (
    DataFileUnusable,
    EndpointBusy,
    EndpointError,
    OutcomeUnknown,
    OutputUnwritable,
    RequestRefused,
    UsageError,
)
from orchestrator.evaluation.answers import problem_of
from orchestrator.evaluation.batching.inputs import custom_id
from orchestrator.evaluation.batching.reconcile import (
    adopt_oldest,
    adopted,
    look_before_asking,
    look_for_batch,
    look_for_surplus,
    look_once,
    search_for,
    way_out,
)
from orchestrator.evaluation.batching.states import CANCEL, ENDED, MACHINE, REFUSED, Context, State
from orchestrator.ids import ulid
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.runs.waiting import LONGEST_PAUSE_SECONDS, wait_until
from orchestrator.store import batches as store, evaluations
from orchestrator.store.batches import BATCHES, Batch
from orchestrator.store.evaluations import Asked, RecordedAnswer

# --- The last step of a batch: its answers are recorded like single answers -----------------------------------


AT_ONCE = 500
"""Answers in one transaction."""
_OK = 200


@dataclass(frozen=True)
class AnswerLine:
    """A line of an output or error file: a completion, or the reason why there is none."""

    custom_id: str
    completion: Mapping[str, Any] | None
    error: str


async def collecting(batch: Batch, context: Context) -> Outcome:
    """Record every answer, and why the other questions have none. The files are read again each time; recorded
    answers stay as they are."""
    await look_for_surplus(batch, context)
    with context.database.read() as connection:
        expected = {custom_id(asked): asked for asked in store.questions_of(connection, batch.id)}
    errors = dict.fromkeys(expected.values(), f"its batch is {batch.remote_status} and has no answer to it")
    answered = 0
    for kind in ("output_file_id", "error_file_id"):
        file_id = (batch.remote_batch or {}).get(kind)
        if file_id:
            path = context.folder / f"{batch.id}.{kind.removesuffix('_id')}"
            await _download(context, str(file_id), path)
            for lines in _batched(read_answers(path)):
                answered += _record(batch, context, lines, expected, errors)
                await asyncio.sleep(0)  # lets the leases be renewed
            path.unlink()
    context.errors |= errors
    return _ending(batch, answered, len(expected))


def read_answers(path: Path) -> Iterator[AnswerLine]:
    """The lines of an output or error file that name their question."""
    with path.open("rb") as source:
        for text in source:
            try:
                line = read_object(text)
                yield _answer_line(line)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue  # its question is reported as unanswered


def _answer_line(line: Mapping[str, Any]) -> AnswerLine:
    response = line.get("response") or {}
    body, status = response.get("body"), response.get("status_code")
    if status == _OK and isinstance(body, dict):
        problem = problem_of(body)
        return AnswerLine(str(line["custom_id"]), None if problem else body, problem)
    said = line.get("error") or (body.get("error") if isinstance(body, dict) else None) or {}
    message = said.get("message") or said.get("code") or "no reason given"
    return AnswerLine(str(line["custom_id"]), None, f"{message} (HTTP {status})" if status else str(message))


async def _download(context: Context, file_id: str, path: Path) -> None:
    crash_point("before-batch-download")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await context.endpoint.batches.download(file_id, path)
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
    crash_point("after-batch-download")


def _record(
    batch: Batch,
    context: Context,
    lines: Sequence[AnswerLine],
    expected: Mapping[str, Asked],
    errors: dict[Asked, str],
) -> int:
    """Record these answers and remove their questions from `errors`; returns the number of answers."""
    found = []
    for line in lines:
        asked = expected.get(line.custom_id)
        if asked is None:
            continue  # not ours
        if line.completion is None:
            errors[asked] = line.error
        elif errors.pop(asked, None) is not None:
            found.append(RecordedAnswer(batch.endpoint, *asked, line.completion, None, context.now()))
    with context.database.write() as connection:
        BATCHES.note(connection, batch, context.owner, context.now(), {})
        evaluations.add_answers(connection, found)
        crash_point("before-commit-batch-answers")
    crash_point("after-commit-batch-answers")
    return len(found)


def _batched(lines: Iterator[AnswerLine]) -> Iterator[list[AnswerLine]]:
    while some := list(islice(lines, AT_ONCE)):
        yield some


def _ending(batch: Batch, answered: int, questions: int) -> Move:
    status = batch.remote_status
    reason = f"{answered:,} of {questions:,} answered"
    if status != "completed":
        reason = f"{status} on the endpoint; {reason}"
    return Move(State.CANCELLED if status == "cancelled" else State.DONE, reason)


# --------------------------------------------------------------------------------------------------------------


_SLOWEST_POLL = 60.0
_POLLS_BY_AGE = 60
"""A batch is polled again after this fraction of its age: after an hour, once a minute."""


async def uploading(batch: Batch, context: Context) -> Outcome:
    """Upload the file; when it is uploaded, commit the intent to create."""
    if batch.requested_action == CANCEL:
        return Move(State.CANCELLED, "cancelled before it was sent")
    try:
        found = await file_on_endpoint(context.uploader, Path(batch.input_path), batch.input_sha256, BATCH)
    except (DataFileUnusable, RequestRefused, UsageError) as error:
        return Move(State.FAILED, str(error))
    if isinstance(found, Wait):
        return found
    now = context.now()
    intent = {
        "input_file_id": found,
        "creation_token": batch.creation_token or ulid(context.random, now),
        "creation_started_at": now,
        "creation_attempts": batch.creation_attempts + 1,
        "creation_open": True,
        "account": batch.account or mark_for(context),
    }
    return Move(State.CREATING, "file uploaded; creating the batch", intent)


async def creating(batch: Batch, context: Context) -> Outcome:
    """Send the paid request only right after this process committed its intent; otherwise look for the batch."""
    intent = (batch.id, batch.version)
    if batch.creation_open and intent in context.fresh_intents:
        context.fresh_intents.discard(intent)
        return await _create(batch, context)
    if batch.creation_open:
        return await look_for_batch(batch, context)
    if batch.requested_action == CANCEL:
        return await _cancelled_before_it_was_made(batch, context)
    return await look_before_asking(batch, context)


async def _cancelled_before_it_was_made(batch: Batch, context: Context) -> Outcome:
    look = await look_once(batch, context)
    if look.found:
        return await adopt_oldest(batch, context, look.found)
    return Move(State.CANCELLED, "cancelled before it was made")


async def _create(batch: Batch, context: Context) -> Outcome:
    if not MACHINE.holds(context, batch):
        return Wait(context.now(), "create unconfirmed, looking for the batch")  # it slept past its lease
    try:
        made = await _request(batch, context)
    except OutcomeUnknown as error:
        context.last_words[batch.id] = error.facts["problem"]
        context.begin_search(search_for(batch))  # a request that timed out may still arrive
        return Wait(context.now(), f"create unconfirmed ({error.facts['problem']}), looking for the batch")
    except EndpointBusy as error:
        return _busy(batch, error, context)
    except RequestRefused as error:
        context.last_words[batch.id] = error.facts["problem"]
        context.refusals[search_for(batch)] = error
        reason = f"{context.config.name} refused the batch ({error.facts['problem']}); looking once"
        return Wait(context.now(), reason)
    except EndpointError:
        _close_attempt(batch, context)
        raise
    if owner := _other_owner(batch, made, context):
        reason = (
            f"{context.config.name} answered the create with batch {made.id}, which belongs to batch {owner}; "
            f"{way_out(batch, context)}"
        )
        return Move(State.UNKNOWN, reason)
    context.turned_away.pop(batch.id, None)
    return adopted(made, f"batch {made.id} created")


def _other_owner(batch: Batch, made: RemoteBatch, context: Context) -> str | None:
    with context.database.read() as connection:
        owner = store.owners_of_remotes(connection, batch.endpoint, [made.id]).get(made.id)
    return None if owner == batch.id else owner


def _busy(batch: Batch, error: EndpointBusy, context: Context) -> Wait:
    """No create request is sent before the time that the endpoint names; without one, the pauses grow."""
    context.last_words[batch.id] = error.facts["problem"]
    told = error.facts["retry_after"]
    if told is None:
        turn = context.turned_away[batch.id]
        context.turned_away[batch.id] = turn + 1
        told = min(LONGEST_PAUSE_SECONDS, max(1.0, context.config.poll_seconds) * 2 ** min(turn, 16))
    not_before = context.now() + told
    reason = f"{context.config.name} is at a limit ({error.facts['message']})"
    # If an earlier attempt's outcome is unknown, its batch must still be looked for.
    changes = {"creation_open": batch.creation_attempts > 1}
    return replace(wait_until(not_before, reason, context, changes), until=not_before)


async def _request(batch: Batch, context: Context) -> RemoteBatch:
    assert batch.input_file_id is not None
    assert batch.creation_token is not None
    crash_point("before-batch-create")
    try:
        metadata = {TOKEN_KEY: batch.creation_token}
        return await context.endpoint.batches.create(batch.input_file_id, metadata, batch.creation_token)
    finally:
        crash_point("after-batch-create")


def _close_attempt(batch: Batch, context: Context) -> None:
    """The request created nothing, by its answer (it was never sent, or the key or the account was refused); an
    earlier one with an unknown outcome stays open."""
    changes = {"creation_open": batch.creation_attempts > 1}
    with context.database.write(durable=True) as connection:
        BATCHES.note(connection, batch, context.owner, context.now(), changes)
        crash_point("before-commit-batch-attempt-closed")
    crash_point("after-commit-batch-attempt-closed")


async def waiting(batch: Batch, context: Context) -> Outcome:
    """Send the user's request to the endpoint, then poll the batch."""
    assert batch.remote_id is not None
    crash_point("before-batch-poll")
    remote = await _wished(batch, context) or await context.endpoint.batches.get(batch.remote_id)
    crash_point("after-batch-poll")
    changes = {
        "remote_status": remote.status,
        "remote_batch": dict(remote.raw),
        "completed": remote.completed,
        "failed": remote.failed,
    }
    if remote.status == REFUSED:
        return Move(State.FAILED, f"the endpoint refused the batch: {_problems(remote)}", changes)
    if remote.status in ENDED:
        return Move(State.COLLECTING, f"{remote.status} on the endpoint", changes)
    pause = max(context.config.poll_seconds, min(_SLOWEST_POLL, (context.now() - batch.created_at) / _POLLS_BY_AGE))
    until = context.now() + pause * context.random.uniform(0.9, 1.1)
    return Wait(until, f"{remote.status} on the endpoint", changes)


async def _wished(batch: Batch, context: Context) -> RemoteBatch | None:
    """Cancel it if the user requested that and the endpoint was not asked yet; None if there is nothing to ask."""
    if batch.requested_action != CANCEL or batch.remote_status == "cancelling":
        return None
    assert batch.remote_id is not None
    try:
        return await context.endpoint.batches.cancel(batch.remote_id)
    except RequestRefused as error:
        context.warned(f"batch {batch.id} can't be cancelled: {error.facts['problem']}")
        return None


async def unknown(batch: Batch, context: Context) -> Outcome:
    """Look again, from time to time, for a batch with an unknown outcome. Only the user ends this."""
    if context.was_looked_for(batch) and batch.requested_action != CANCEL:
        return _given_up_or_unknown(batch, context)
    context.begin_search(("unknown", batch.id))
    if batch.remote_id is None:
        look = await look_once(batch, context)
        if look.found:
            return await adopt_oldest(batch, context, look.found)
        return _given_up_or_unknown(batch, context)
    try:
        remote = await context.endpoint.batches.get(batch.remote_id)
        for file_id in (remote.output_file, remote.error_file):
            if file_id is not None:
                await context.endpoint.file(file_id)
    except RequestRefused:
        return _given_up_or_unknown(batch, context)
    return adopted(remote, f"batch {remote.id} is seen again")


def _given_up_or_unknown(batch: Batch, context: Context) -> Outcome:
    if batch.requested_action == CANCEL:
        reason = "given up by the user; its outcome is unknown"
        return Move(State.CANCELLED, reason, {"creation_open": False})
    return Wait(context.now() + context.config.settling_seconds, batch.reason, blocked=True)


def _problems(remote: RemoteBatch) -> str:
    first = "; ".join(remote.problems[:3]) or "no reason given"
    more = len(remote.problems) - 3
    return f"{first}; and {more} more" if more > 0 else first


Step = Callable[[Batch, Context], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.UPLOADING: uploading,
    State.CREATING: creating,
    State.WAITING: waiting,
    State.COLLECTING: collecting,
    State.UNKNOWN: unknown,
}
