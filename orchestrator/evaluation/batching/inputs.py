"""The input files of batches: one model in each, within the limits of the Batch API.

One JSON object per line: {custom_id, method, url, body}. Limits from OpenAI's API reference (batches, create):
50,000 requests and 200 MB per file. Files are cut at 100 MB, so that each is uploaded in one request.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.dataset.profile.fingerprints import json_text
from orchestrator.errors import OutputUnwritable
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.plan import asked_as
from orchestrator.evaluation.session import new_id
from orchestrator.store.evaluations import Asked

MAX_REQUESTS = 50_000
MAX_BYTES = 100_000_000
FOLDER = "batches"
"""The folder of the input files, in the state directory. Each is kept until its batch has ended."""
_URL = "/v1/chat/completions"
_ID_CHARACTERS = 40


@dataclass(frozen=True)
class InputFile:
    """A written file and its contents. Its batch has the same id."""

    id: str
    path: Path
    model: str
    sha256: str
    asked: list[Asked]


def custom_id(asked: Asked) -> str:
    """The key of a question's answer: 160 bits of the question's hash, and the sample.

    Its length limit is undocumented; the lowest reported is 64 characters.
    """
    _, sha256, sample = asked
    return f"{sha256[:_ID_CHARACTERS]}-{sample}"


def write_inputs(questions: Iterable[Question], folder: Path) -> list[InputFile]:
    """Write the questions into one file per model, or more where limits require. Raises OutputUnwritable.

    Each returned file is complete and synced to disk, so that a batch recorded afterwards never lacks it.
    """
    writing: dict[str, _Writing] = {}
    written: list[InputFile] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for question in questions:
            text = json_text(_request(question)) + b"\n"
            current = writing.get(question.model)
            if current is not None and not current.has_room(text):
                written.append(current.finish())
                current = None
            if current is None:
                current = writing[question.model] = _Writing(question.model, folder)
            current.add(question, text)
        written += [each.finish() for each in writing.values()]
    except OSError as error:
        for each in writing.values():
            each.discard()
        raise OutputUnwritable(path=folder, problem=error.strerror or str(error)) from error
    return written


def _request(question: Question) -> Mapping[str, Any]:
    return {"custom_id": custom_id(asked_as(question)), "method": "POST", "url": _URL, "body": question.request}


@dataclass
class _Writing:
    model: str
    folder: Path
    id: str = field(default_factory=new_id)
    asked: list[Asked] = field(default_factory=list)
    _size: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._unfinished = self.folder / f"{self.id}.part"
        descriptor = os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._target: BinaryIO = os.fdopen(descriptor, "wb")

    def has_room(self, text: bytes) -> bool:
        return len(self.asked) < MAX_REQUESTS and self._size + len(text) <= MAX_BYTES

    def add(self, question: Question, text: bytes) -> None:
        self._target.write(text)
        self._digest.update(text)
        self._size += len(text)
        self.asked.append(asked_as(question))

    def finish(self) -> InputFile:
        self._target.flush()
        os.fsync(self._target.fileno())
        self._target.close()
        path = self._unfinished.with_suffix(".jsonl").absolute()
        self._unfinished.replace(path)
        return InputFile(self.id, path, self.model, self._digest.hexdigest(), self.asked)

    def discard(self) -> None:
        """Delete an unfinished file."""
        with suppress(OSError):
            self._target.close()
        self._unfinished.unlink(missing_ok=True)
