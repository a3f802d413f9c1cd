"""The last step of a batch: its answers are recorded as if each had been asked for alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.endpoints.objects import read_object
from orchestrator.errors import OutputUnwritable
from orchestrator.evaluation.answers import problem_of
from orchestrator.evaluation.batching.inputs import custom_id
from orchestrator.evaluation.batching.outcome import Move, Outcome, Scene
from orchestrator.evaluation.batching.reconcile import look_for_surplus
from orchestrator.evaluation.batching.states import State
from orchestrator.runs.crashpoints import crash_point
from orchestrator.store import batches as store, evaluations
from orchestrator.store.batches import Batch
from orchestrator.store.evaluations import Asked, RecordedAnswer

AT_ONCE = 500
"""Answers in one transaction."""
_OK = 200


@dataclass(frozen=True)
class AnswerLine:
    """A line of an output or error file: a completion, or why there is none."""

    custom_id: str
    completion: Mapping[str, Any] | None
    error: str


async def collecting(batch: Batch, scene: Scene) -> Outcome:
    """Record every answer, and why the other questions have none. The files are read anew each time: an answer that
    is recorded already stays as it is."""
    await look_for_surplus(batch, scene)
    with scene.world.database.read() as connection:
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


async def _download(scene: Scene, file_id: str, path: Path) -> None:
    crash_point("before-batch-download")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await scene.world.endpoint.batches.download(file_id, path)
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
    crash_point("after-batch-download")


def _record(
    batch: Batch,
    scene: Scene,
    lines: Sequence[AnswerLine],
    expected: Mapping[str, Asked],
    errors: dict[Asked, str],
) -> int:
    """Record these answers, and take what they settle out of `errors`; returns how many there were."""
    world, found = scene.world, []
    for line in lines:
        asked = expected.get(line.custom_id)
        if asked is None:
            continue  # not ours
        if line.completion is None:
            errors[asked] = line.error
        elif errors.pop(asked, None) is not None:
            found.append(RecordedAnswer(batch.endpoint, *asked, line.completion, None, world.now()))
    with world.database.write() as connection:
        store.note(connection, batch, world.owner, world.now(), {})
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
