"""The lines of a batch's input file: reading them, and what is wrong with them before anything is answered.

The codes are those of Microsoft's page on Azure OpenAI batch deployments, which lists them; the limits are those of
OpenAI's API reference (batches, create).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.server.apierror import ApiError
from orchestrator.server.loaded import LoadedModels
from orchestrator.server.store.batches import Batch, BatchProblem

MAX_LINES = 50_000
MAX_BYTES = 200_000_000
PROBLEMS_TOLD = 100
"""A file with more wrong lines than that is wrong in one way; the rest says nothing new."""


@dataclass(frozen=True)
class Line:
    """One request of the file; `number` counts from 1."""

    number: int
    custom_id: str
    body: Mapping[str, Any]


def read_lines(path: Path, after: int = 0) -> Iterator[Line]:
    """The requests of a file that was found right, those behind line `after`."""
    for number, text in _numbered(path):
        if number > after:
            values = json.loads(text)
            yield Line(number, values["custom_id"], values["body"])


@dataclass
class Inspection:
    """Looks at the lines of a file one by one, and keeps what is wrong."""

    batch: Batch
    models: LoadedModels
    problems: list[BatchProblem] = field(default_factory=list)
    lines: int = 0
    model: str = ""
    """That of the first request: the others must name the same."""
    _ids: set[str] = field(default_factory=set)

    def look_at(self, path: Path) -> Iterator[None]:
        """Yields after each line, so that whoever looks may do something else between."""
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
            message = f"The custom_id '{custom_id[:200]}' stands on an earlier line too."
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
            message = f"The model '{model[:200]}' is not that of the first request; a file has one model."
            self._note(number, "model_mismatch", message, "body.model")

    def _check_model(self, number: int, model: str) -> None:
        try:
            self.models.get(model)
        except ApiError as error:
            self._note(number, error.code or "invalid_value", error.message, "body.model")

    def _note(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        self.problems.append(BatchProblem(code, message, param, line))


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with something on them."""
    with path.open("rb") as source:
        for number, text in enumerate(source, start=1):
            if text.strip():
                yield number, text
