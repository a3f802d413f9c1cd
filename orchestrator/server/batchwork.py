"""The work on one batch, from its check to its files: in slices, so that it can stop between any two.

Everything is recorded before the slice ends, so another process can continue from the store alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from orchestrator.server import chatrequest, completion, ids
from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.completion import LoadedModels, complete
from orchestrator.server.locks import job_lock
from orchestrator.server.store import Store
from orchestrator.server.store.batches import Batch, BatchProblem, BatchStatus, LineAnswer
from orchestrator.server.store.records import File

SLICE_SECONDS = 0.05
"""About the duration of one request to the endpoint; each slice ends with a commit."""

AT_ONCE = 16
"""Lines that are asked at the same time: open weights answer several in little more time than one."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchWork:
    """Works on the batches of a store."""

    store: Store
    models: LoadedModels
    now: Callable[[], float]

    def slices(self, batch_id: str) -> Iterator[None]:
        """Work on the batch until its end; between two slices only the input file is open."""
        steps = {
            BatchStatus.VALIDATING: self._validate,
            BatchStatus.IN_PROGRESS: self._answer_lines,
            BatchStatus.FINALIZING: self._complete,
            BatchStatus.CANCELLING: self._cancel,
        }
        while (batch := self.store.batches.get(batch_id)) is not None and batch.status in steps:
            yield from steps[batch.status](batch)
            yield

    def _validate(self, batch: Batch) -> Iterator[None]:
        file = self._input(batch)
        if file is None:
            return
        inspection = Inspection(batch, self.models)
        for _ in _in_slices(inspection.look_at(self.store.blobs.path(file.blob))):
            yield
        if inspection.problems:
            self.store.batches.fail(batch, inspection.problems, self._seconds())
        else:
            self.store.batches.begin(batch, inspection.model, inspection.lines, self._seconds())

    def _answer_lines(self, batch: Batch) -> Iterator[None]:
        file = self._input(batch)
        if file is None:
            return
        lines = read_lines(self.store.blobs.path(file.blob), after=self.store.batches.last_line(batch))
        for answers in _in_slices(self._answers(self._in_time(lines, batch))):
            if not self.store.batches.add_answers(batch, answers):
                return  # it is being cancelled
            yield
        if self.now() >= batch.expires_at:
            self._expire(batch)
        else:
            self.store.batches.finalize(batch, self._seconds())

    def _in_time(self, lines: Iterator[Line], batch: Batch) -> Iterator[Line]:
        """The lines, as long as the batch's completion window is open."""
        while self.now() < batch.expires_at and (line := next(lines, None)) is not None:
            yield line

    def _answers(self, lines: Iterator[Line]) -> Iterator[LineAnswer]:
        """The answers, in the order of the lines."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="batch") as pool:
            while group := list(islice(lines, AT_ONCE)):
                yield from pool.map(self._answered, group)

    def _answered(self, line: Line) -> LineAnswer:
        try:
            body = self._completion(line)
        except ApiError as error:
            return LineAnswer(line.number, _text(line, _response(error.status, error.body())), is_error=True)
        usage = body["usage"]
        text = _text(line, _response(200, body))
        return LineAnswer(line.number, text, False, usage["prompt_tokens"], usage["completion_tokens"])

    def _completion(self, line: Line) -> dict[str, Any]:
        try:
            asked = chatrequest.read(line.body)
            if asked.stream:
                raise bad_request("A batch can't be streamed.", "stream", "unsupported_parameter")
            return completion.completion_object(complete(asked, self.models.get(asked.model), self._seconds()))
        except ApiError:
            raise
        except Exception as error:  # one line must not stop the others
            log.exception("Line %d of a batch could not be answered", line.number)
            raise ApiError(500, "The endpoint had an error while it answered.", kind="server_error") from error

    # --- the end -------------------------------------------------------------------------------------------

    def _complete(self, batch: Batch) -> Iterator[None]:
        self._end(batch, BatchStatus.COMPLETED)
        yield

    def _cancel(self, batch: Batch) -> Iterator[None]:
        self._end(batch, BatchStatus.CANCELLED)
        yield

    def _expire(self, batch: Batch) -> None:
        """Every unanswered line gets an error that says so, as in OpenAI's guide of the Batch API."""
        file = self._input(batch)
        if file is not None:
            path, last = self.store.blobs.path(file.blob), self.store.batches.last_line(batch)
            self._end(batch, BatchStatus.EXPIRED, map(_not_in_time, read_lines(path, after=last)))

    def _end(self, batch: Batch, status: BatchStatus, more_errors: Iterable[str] = ()) -> None:
        answered = self.store.batches.answers(batch, errors=False)
        failed = chain(self.store.batches.answers(batch, errors=True), more_errors)
        files = self._file(batch, "output", answered), self._file(batch, "error", failed)
        if not self.store.batches.end(batch, status, *files, self._seconds()):
            for file in files:
                if file is not None:
                    self.store.blobs.delete(file.blob)

    def _file(self, batch: Batch, kind: str, texts: Iterable[str]) -> File | None:
        """A file of these lines; None if there are none."""
        with tempfile.TemporaryFile() as lines:
            lines.writelines(f"{text}\n".encode() for text in texts)
            size = lines.tell()
            if not size:
                return None
            lines.seek(0)
            blob = self.store.blobs.copy(lines)
        now = self._seconds()
        expires_at = None if batch.output_lifetime is None else now + batch.output_lifetime
        return File(ids.file_id(), now, expires_at, f"{batch.id}_{kind}.jsonl", size, "batch_output", blob)

    def _input(self, batch: Batch) -> File | None:
        """The input file; if it was deleted, the batch fails."""
        file = self.store.files.get(batch.input_file, self.now())
        if file is None:
            message = f"The input file {batch.input_file} was deleted."
            self.store.batches.fail(batch, [BatchProblem("file_not_found", message, None, None)], self._seconds())
        return file

    def _seconds(self) -> int:
        return int(self.now())


def _in_slices(items: Iterator[T]) -> Iterator[list[T]]:
    """The items, in groups that take at most SLICE_SECONDS."""
    found: list[T] = []
    began = time.monotonic()
    for item in items:
        found.append(item)
        if time.monotonic() - began >= SLICE_SECONDS:
            yield found
            found, began = [], time.monotonic()
    if found:
        yield found


def _text(line: Line, response: dict[str, Any] | None, error: dict[str, Any] | None = None) -> str:
    answer = {"id": ids.batch_answer_id(), "custom_id": line.custom_id, "response": response, "error": error}
    return json.dumps(answer)


def _response(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": ids.request_id(), "body": body}


def _not_in_time(line: Line) -> str:
    message = "This request could not be executed before the completion window expired."
    return _text(line, None, {"code": "batch_expired", "message": message})


# --- Running batches in the background ------------------------------------------------------------------------
#
# One slice of each in turn, so that a long batch delays no other. As with jobs, any number of processes may do so
# for the same store: a file lock says which of them works on a batch.


IDLE_SECONDS = 1.0
"""Between two looks while there is nothing to do; a batch created in this process is noticed at once."""


class BatchRunner:
    """Works on batches while it is `running`."""

    def __init__(self, work: BatchWork) -> None:
        self._work = work
        self._begun: dict[str, Generator[None, None, None]] = {}
        self._news: asyncio.Event | None = None
        self._is_leaving = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For the duration of the block; unfinished batches are continued by the next process that runs."""
        self._news, self._is_leaving = asyncio.Event(), False
        loop = asyncio.create_task(self._loop(self._news), name="ftorch endpoint batches")
        try:
            yield
        finally:
            self._is_leaving = True  # not cancelled: a working thread would continue on its own
            self.wake()
            await loop

    def wake(self) -> None:
        """There is a new batch; call it on the event loop."""
        if self._news is not None:
            self._news.set()

    async def _loop(self, news: asyncio.Event) -> None:
        while not self._is_leaving:
            try:
                is_busy = await self._look()
            except Exception:
                log.exception("The batches of %s could not be continued", self._work.store.folder)
                self._leave()
                is_busy = False
            if not is_busy:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), IDLE_SECONDS)
                news.clear()
        self._leave()

    async def _look(self) -> bool:
        """One slice of every batch that nobody else works on; returns whether there was any."""
        for batch_id in await run_in_threadpool(self._work.store.batches.unfinished):
            if batch_id not in self._begun:
                self._begin(batch_id)
        ours = list(self._begun)
        for batch_id in ours:
            if self._is_leaving:
                break
            if await run_in_threadpool(next, self._begun[batch_id], _OVER) is _OVER:
                del self._begun[batch_id]
        return bool(ours)

    def _begin(self, batch_id: str) -> None:
        lock = job_lock(self._work.store.locks, batch_id)
        if not lock.acquire():
            return

        def locked() -> Generator[None, None, None]:
            try:
                yield from self._work.slices(batch_id)
                lock.discard()
            finally:
                lock.release()

        self._begun[batch_id] = locked()

    def _leave(self) -> None:
        for work in self._begun.values():
            work.close()
        self._begun.clear()


_OVER = object()


# --- Checking the lines of the input file ---------------------------------------------------------------------
#
# The codes are those of Microsoft's page on Azure OpenAI batch deployments, which lists them; the limits are
# those of OpenAI's API reference (batches, create).


MAX_LINES = 50_000
MAX_BYTES = 200_000_000
PROBLEMS_TOLD = 100
"""After this many wrong lines, a file is wrong throughout, and more errors add nothing."""


@dataclass(frozen=True)
class Line:
    """One request of the file; `number` counts from 1."""

    number: int
    custom_id: str
    body: Mapping[str, Any]


def read_lines(path: Path, after: int = 0) -> Iterator[Line]:
    """The requests of a valid file, after line `after`."""
    for number, text in _numbered(path):
        if number > after:
            values = json.loads(text)
            yield Line(number, values["custom_id"], values["body"])


@dataclass
class Inspection:
    """Checks the lines of a file one by one, and collects the errors."""

    batch: Batch
    models: LoadedModels
    problems: list[BatchProblem] = field(default_factory=list)
    lines: int = 0
    model: str = ""
    """The model of the first request: all others must name the same."""
    _ids: set[str] = field(default_factory=set)

    def look_at(self, path: Path) -> Iterator[None]:
        """Check the lines; yields after each, so that the caller may do something else in between."""
        if path.stat().st_size > MAX_BYTES:
            self._note(None, "file_too_large", f"The file has more than {MAX_BYTES} bytes.")
            return
        for number, text in _numbered(path):
            self.lines += 1
            if self.lines > MAX_LINES:
                self._note(number, "too_many_tasks", f"The file has more than {MAX_LINES} requests.")
                return
            self._check(number, text)
            if len(self.problems) >= PROBLEMS_TOLD:
                return
            yield
        if not self.lines:
            self._note(None, "empty_file", "The file has no request.")

    def _check(self, number: int, text: bytes) -> None:
        try:
            values = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            self._note(number, "invalid_json_line", "This line is not a JSON object.")
            return
        self._check_id(number, values.get("custom_id"))
        if values.get("method") != "POST":
            self._note(number, "invalid_value", "The method must be 'POST'.", "method")
        if values.get("url") != self.batch.endpoint:
            message = f"The URL must be that of the batch, {self.batch.endpoint}."
            self._note(number, "url_mismatch", message, "url")
        self._check_body(number, values.get("body"))

    def _check_id(self, number: int, custom_id: object) -> None:
        if not isinstance(custom_id, str) or not custom_id:
            self._note(number, "missing_required_parameter", "A custom_id is required.", "custom_id")
        elif custom_id in self._ids:
            message = f"The custom_id '{custom_id[:200]}' is also on an earlier line."
            self._note(number, "duplicate_custom_id", message, "custom_id")
        else:
            self._ids.add(custom_id)

    def _check_body(self, number: int, body: object) -> None:
        model = body.get("model") if isinstance(body, dict) else None
        if not isinstance(model, str) or not model:
            message = "A body with a model is required."
            self._note(number, "missing_required_parameter", message, "body.model")
        elif not self.model:
            self.model = model
            self._check_model(number, model)
        elif model != self.model:
            message = f"The model '{model[:200]}' differs from that of the first request; a file has one model."
            self._note(number, "model_mismatch", message, "body.model")

    def _check_model(self, number: int, model: str) -> None:
        try:
            self.models.get(model)
        except ApiError as error:
            self._note(number, error.code or "invalid_value", error.message, "body.model")

    def _note(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        self.problems.append(BatchProblem(code, message, param, line))


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with contents."""
    with path.open("rb") as source:
        for number, text in enumerate(source, start=1):
            if text.strip():
                yield number, text
