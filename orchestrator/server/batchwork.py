"""What is done for one batch, from its check to its files: in slices, so that it can be left between any two.

Everything is recorded before the slice ends. Whoever goes on, in this process or another, looks at the store alone.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from orchestrator.server import chatobjects, chatspec, ids
from orchestrator.server.apierror import ApiError, bad_request
from orchestrator.server.batchlines import Inspection, Line, read_lines
from orchestrator.server.completion import complete
from orchestrator.server.loaded import LoadedModels
from orchestrator.server.store import Store
from orchestrator.server.store.batches import Batch, BatchProblem, BatchStatus, LineAnswer
from orchestrator.server.store.records import File

SLICE_SECONDS = 0.05
"""About as long as one request to the endpoint takes; each slice ends with a commit."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchWork:
    """Works on the batches of a store."""

    store: Store
    models: LoadedModels
    now: Callable[[], float]

    def slices(self, batch_id: str) -> Iterator[None]:
        """Carry the batch on to its end; between two slices nothing is open but the input file."""
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
        for answers in _in_slices(map(self._answered, self._in_time(lines, batch))):
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
            asked = chatspec.read(line.body)
            if asked.stream:
                raise bad_request("A batch can't be streamed.", "stream", "unsupported_parameter")
            return chatobjects.completion_object(complete(asked, self.models.get(asked.model), self._seconds()))
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
        """Every line without an answer gets an error that says so, as OpenAI's guide of the Batch API has it."""
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
        """A file of these lines; None where there is none."""
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
        """The input file; where it was deleted the batch fails."""
        file = self.store.files.get(batch.input_file, self.now())
        if file is None:
            message = f"The input file {batch.input_file} was deleted."
            self.store.batches.fail(batch, [BatchProblem("file_not_found", message, None, None)], self._seconds())
        return file

    def _seconds(self) -> int:
        return int(self.now())


def _in_slices(items: Iterator[T]) -> Iterator[list[T]]:
    """The items, as many at a time as come within SLICE_SECONDS."""
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
