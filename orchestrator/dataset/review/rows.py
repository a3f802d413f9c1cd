"""Where the rows of a file are, and which bytes each has: enough to show any of them, and to notice a change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from orchestrator.dataset.checking.formats import (
    CONVERT,
    HEAD_BYTES,
    looks_like_training,
    note_foreign_file,
)
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import Notes, with_command_for, without_content
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, numbered_lines, parse_line
from orchestrator.dataset.toollists import Reader
from orchestrator.errors import DataFileEmpty, LineUnreadable, NotExamples, RowChanged


@dataclass(frozen=True, slots=True)
class RowPlace:
    """One line that is not blank."""

    line: int
    """Its number, from 1; blank lines count."""
    sha256: str
    """Of its bytes, in hex, without white space around them: a file with other line ends has the same rows."""
    offset: int
    """Where to read, in bytes as sent; blank lines before the row belong to it."""
    size: int


def rows_of(path: Path) -> tuple[RowPlace, ...]:
    """Every row of a file, each of them one JSON object.

    Raises LineUnreadable (a line is no JSON object), NotExamples (no line looks like a training example),
    DataFileNotFound, DataFileUnreadable and DataFileEmpty.
    """
    with open_as_sent(path) as stream:
        _refuse_foreign(path, stream)
        rows, reader, is_training = [], Reader(), False
        start = 0
        for number, line in numbered_lines(stream):
            _require_object(path, number, line, reader)
            assert line is not None
            is_training = is_training or looks_like_training(line)
            end = stream.tell()
            rows.append(RowPlace(number, sha256(line).hexdigest(), start, end - start))
            start = end
    if not rows:
        raise DataFileEmpty(path=path)
    if not is_training:
        raise NotExamples(
            path=path, problem="no line looks like a training example", fix=with_command_for(CONVERT, path)
        )
    return tuple(rows)


def read_row(path: Path, row: RowPlace) -> bytes:
    """The bytes of a row, without white space around them.

    Raises RowChanged where they are no longer those that were read first, DataFileNotFound and DataFileUnreadable.
    """
    with open_as_sent(path) as stream:
        return read_line(stream, path, row).strip()


def read_line(stream: BinaryIO, path: Path, row: RowPlace) -> bytes:
    """The whole line of a row, with its white space and its line end if it has one. Raises RowChanged."""
    stream.seek(row.offset, os.SEEK_SET)
    content = stream.read(row.size)
    if sha256(content.strip()).hexdigest() != row.sha256:
        raise RowChanged(path=path, line=row.line)
    return content[content.rfind(b"\n", 0, len(content.rstrip())) + 1 :]


def _refuse_foreign(path: Path, stream: BinaryIO) -> None:
    notes = Notes()
    if note_foreign_file(stream.read(HEAD_BYTES), notes):
        found = notes.findings[0]
        raise NotExamples(path=path, problem=found.reason, fix=with_command_for(found.fix, path))
    stream.seek(0)


def _require_object(path: Path, number: int, line: bytes | None, reader: Reader) -> None:
    if line is None:
        problem = f"the line is longer than {LONGEST_LINE_BYTES >> 20} MiB"
        raise LineUnreadable(path=path, line=number, problem=problem)
    notes = Notes(line=number)
    if parse_line(line, reader, notes) is None:
        found = notes.findings[0] if looks_like_training(line) else without_content(notes.findings[0])
        raise LineUnreadable(path=path, line=number, problem=found.reason)
