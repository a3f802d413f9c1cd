"""One function for each state of a batch. Each may be called any number of times.

A step looks at the batch and the world, does at most one thing that takes effect, and returns what to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.endpoints.interface import BATCH, RemoteBatch
from orchestrator.endpoints.objects import read_object
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
    adopted,
    look_for_batch,
    look_for_surplus,
    next_attempt,
    search_for,
)
from orchestrator.evaluation.batching.states import CANCEL, ENDED, REFUSED, BatchContext, Move, Outcome, State, Wait
from orchestrator.runs import outcome as runs_outcome
from orchestrator.runs.context import Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.jobs import TOKEN_KEY
from orchestrator.runs.steps import new_token
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.store import batches as store, evaluations
from orchestrator.store.batches import Batch
from orchestrator.store.evaluations import Asked, RecordedAnswer

# --- The last step of a batch: its answers are recorded as if each had been asked for alone -------------------


AT_ONCE = 500
"""Answers in one transaction."""
_OK = 200


@dataclass(frozen=True)
class AnswerLine:
    """A line of an output or error file: a completion, or why there is none."""

    custom_id: str
    completion: Mapping[str, Any] | None
    error: str


async def collecting(batch: Batch, scene: BatchContext) -> Outcome:
    """Record every answer, and why the other questions have none. The files are read anew each time: an answer that
    is recorded already stays as it is."""
    await look_for_surplus(batch, scene)
    with scene.context.database.read() as connection:
        expected = {custom_id(asked): asked for asked in store.questions_of(connection, batch.id)}
    errors = dict.fromkeys(expected.values(), f"its batch is {batch.remote_status}, without an answer to it")
    answered = 0
    for kind in ("output_file_id", "error_file_id"):
        file_id = (batch.remote_batch or {}).get(kind)
        if file_id:
            path = scene.folder / f"{batch.id}.{kind.removesuffix('_id')}"
            await _download(scene, str(file_id), path)
            for lines in _batched(read_answers(path)):
                answered += _record(batch, scene, lines, expected, errors)
                await asyncio.sleep(0)  # leases are to be kept
            path.unlink()
    scene.errors |= errors
    return _ending(batch, answered, len(expected))


def read_answers(path: Path) -> Iterator[AnswerLine]:
    """The lines of an output or error file that say which question they are about."""
    with path.open("rb") as source:
        for text in source:
            try:
                line = read_object(text)
                yield _answer_line(line)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue  # its question stays without an answer, and is reported as such


def _answer_line(line: Mapping[str, Any]) -> AnswerLine:
    response = line.get("response") or {}
    body, status = response.get("body"), response.get("status_code")
    if status == _OK and isinstance(body, dict):
        problem = problem_of(body)
        return AnswerLine(str(line["custom_id"]), None if problem else body, problem)
    said = line.get("error") or (body.get("error") if isinstance(body, dict) else None) or {}
    message = said.get("message") or said.get("code") or "no reason given"
    return AnswerLine(str(line["custom_id"]), None, f"{message} (HTTP {status})" if status else str(message))


async def _download(scene: BatchContext, file_id: str, path: Path) -> None:
    crash_point("before-batch-download")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await scene.context.endpoint.batches.download(file_id, path)
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
    crash_point("after-batch-download")


def _record(
    batch: Batch,
    scene: BatchContext,
    lines: Sequence[AnswerLine],
    expected: Mapping[str, Asked],
    errors: dict[Asked, str],
) -> int:
    """Record these answers, and take what they settle out of `errors`; returns how many there were."""
    context, found = scene.context, []
    for line in lines:
        asked = expected.get(line.custom_id)
        if asked is None:
            continue  # not ours
        if line.completion is None:
            errors[asked] = line.error
        elif errors.pop(asked, None) is not None:
            found.append(RecordedAnswer(batch.endpoint, *asked, line.completion, None, context.now()))
    with context.database.write() as connection:
        store.note(connection, batch, context.owner, context.now(), {})
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
"""A batch is looked at again after this part of its age: one that has taken an hour may take a minute more."""


async def uploading(batch: Batch, scene: BatchContext) -> Outcome:
    """Bring the file up; when it is there, commit the intent to create."""
    context = scene.context
    if batch.requested_action == CANCEL:
        return Move(State.CANCELLED, "cancelled before it was sent")
    try:
        found = await file_on_endpoint(context, Path(batch.input_path), batch.input_sha256, BATCH)
    except (DataFileUnusable, RequestRefused, UsageError) as error:
        return Move(State.FAILED, str(error))
    if isinstance(found, runs_outcome.Wait):
        return Wait(found.until - context.now(), found.reason)
    now = context.now()
    intent = {
        "input_file_id": found,
        "creation_token": batch.creation_token or new_token(context.random, now),
        "creation_started_at": now,
        "creation_attempts": batch.creation_attempts + 1,
        "creation_open": True,
    }
    return Move(State.CREATING, "its file is there; asking for the batch", intent)


async def creating(batch: Batch, scene: BatchContext) -> Outcome:
    """Send the paid request only right after this process committed its intent; anything else is looked for."""
    context, intent = scene.context, (batch.id, batch.creation_attempts)
    if batch.creation_open and intent in context.fresh_intents:
        context.fresh_intents.discard(intent)
        return await _create(batch, context)
    if batch.creation_open:
        return await look_for_batch(batch, scene)
    if batch.requested_action == CANCEL:
        return Move(State.CANCELLED, "cancelled before it was sent")
    return next_attempt(batch, "the last request was refused for now")


async def _create(batch: Batch, context: Context) -> Outcome:
    if not _holds(batch, context):
        return Wait(0.0, "create unconfirmed, looking for the batch")  # it slept past its lease
    try:
        made = await _request(batch, context)
    except OutcomeUnknown as error:
        context.begin_search(search_for(batch))  # a request that was given up late can still land
        return Wait(0.0, f"create unconfirmed ({error.facts['problem']}), looking for the batch")
    except EndpointBusy as error:
        pause = error.facts["retry_after"] or context.config.poll_seconds
        return Wait(pause, str(error), {"creation_open": False})
    except RequestRefused as error:
        message = error.facts["message"]
        return Move(State.FAILED, f"the endpoint refused the batch: {message}", {"creation_open": False})
    except EndpointError:
        _close_attempt(batch, context)
        raise
    return adopted(made, f"batch {made.id} created")


async def _request(batch: Batch, context: Context) -> RemoteBatch:
    assert batch.input_file_id is not None
    assert batch.creation_token is not None
    crash_point("before-batch-create")
    try:
        return await context.endpoint.batches.create(batch.input_file_id, {TOKEN_KEY: batch.creation_token})
    finally:
        crash_point("after-batch-create")


def _close_attempt(batch: Batch, context: Context) -> None:
    """The request certainly created nothing (it never left, or the key or the account was refused)."""
    with context.database.write(durable=True) as connection:
        store.note(connection, batch, context.owner, context.now(), {"creation_open": False})
        crash_point("before-commit-batch-attempt-closed")
    crash_point("after-commit-batch-attempt-closed")


def _holds(batch: Batch, context: Context) -> bool:
    """Whether this worker's lease on the batch still lasts, by the database."""
    with context.database.read() as connection:
        current = store.get(connection, batch.id)
    return current.lease_owner == context.owner and (current.lease_expires_at or 0.0) > context.now()


async def waiting(batch: Batch, scene: BatchContext) -> Outcome:
    """Look how far the endpoint is; tell it first what the user wishes."""
    context = scene.context
    assert batch.remote_id is not None
    crash_point("before-batch-poll")
    remote = await _wished(batch, scene) or await context.endpoint.batches.get(batch.remote_id)
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
    return Wait(pause * context.random.uniform(0.9, 1.1), f"{remote.status} on the endpoint", changes)


async def _wished(batch: Batch, scene: BatchContext) -> RemoteBatch | None:
    """Cancel it, where that is wished and has not been asked for yet; None where there is nothing to ask."""
    if batch.requested_action != CANCEL or batch.remote_status == "cancelling":
        return None
    assert batch.remote_id is not None
    try:
        return await scene.context.endpoint.batches.cancel(batch.remote_id)
    except RequestRefused as error:
        scene.listener.warned(f"batch {batch.id} can't be cancelled: {error.facts['problem']}")
        return None


def _problems(remote: RemoteBatch) -> str:
    first = "; ".join(remote.problems[:3]) or "no reason given"
    more = len(remote.problems) - 3
    return f"{first}; and {more} more" if more > 0 else first


Step = Callable[[Batch, BatchContext], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {
    State.UPLOADING: uploading,
    State.CREATING: creating,
    State.WAITING: waiting,
    State.COLLECTING: collecting,
}
