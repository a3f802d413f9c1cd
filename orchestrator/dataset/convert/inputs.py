"""What kind of file it is that examples come from, and its rows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, Literal

from orchestrator.dataset.convert.cells import ColumnNames
from orchestrator.dataset.convert.changes import Changes
from orchestrator.dataset.convert.documents import Row, json_rows, jsonl_rows
from orchestrator.dataset.convert.tables import csv_rows, parquet_rows
from orchestrator.dataset.files import BYTE_ORDER_MARK, open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.errors import DataFileEmpty, DataFileUnreadable

Container = Literal["JSONL", "JSON", "CSV", "Parquet"]
STANDARD_INPUT = Path("-")

_HEAD_BYTES = 1 << 16
_OTHER = (
    (b"\x1f\x8b", "it is a gzip file; unpack it with gunzip"),
    (b"PK\x03\x04", "it is a ZIP or Excel file; unpack it, or save the sheet as CSV"),
    (b"\xff\xfe", "it is UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16 text; save it as UTF-8"),
)


@dataclass(frozen=True)
class Input:
    """An open file to convert, at its beginning, behind the byte-order mark where it has one."""

    path: Path
    stream: BinaryIO
    marked: bool
    container: Container

    def rows(self, names: ColumnNames, changes: Changes) -> Iterator[Row]:
        """What the file holds, row by row; see the reader of each container for what is raised."""
        if self.container == "JSONL":
            return jsonl_rows(self.stream, changes)
        if self.container == "JSON":
            return json_rows(self.stream)
        read = csv_rows if self.container == "CSV" else parquet_rows
        return read(self.stream, self.path, names)


@contextmanager
def opened(path: Path, container: Container | None = None) -> Iterator[Input]:
    """Open `path`, or standard input for "-"; its container is the given one, else what its first bytes show.

    Raises DataFileNotFound, DataFileUnreadable or DataFileEmpty.
    """
    with _on_disk(path) as file, open_as_sent(file) as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(0)
        if not head:
            raise DataFileEmpty(path=path)
        with file.open("rb") as raw:
            marked = raw.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        yield Input(path, stream, marked, container or _container(head, path))


@contextmanager
def _on_disk(path: Path) -> Iterator[Path]:
    """The path; for standard input that of a copy, since its kind is known only after a first look."""
    if path != STANDARD_INPUT:
        yield path
        return
    with NamedTemporaryFile(prefix="ftorch-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def _container(head: bytes, path: Path) -> Container:
    if head.startswith(b"PAR1"):
        return "Parquet"
    for magic, problem in _OTHER:
        if head.startswith(magic):
            raise DataFileUnreadable(path=path, problem=problem)
    text = head.lstrip()
    if text.startswith(b"["):
        return "JSON"
    if text.startswith(b"{"):
        return "JSON" if _goes_over_lines(text) else "JSONL"
    if b"\0" in text:
        raise DataFileUnreadable(path=path, problem="it contains NUL bytes, so it is not text")
    return "CSV"


def _goes_over_lines(text: bytes) -> bool:
    """True where the first line breaks off inside a value, as pretty-printed JSON does."""
    first, newline, _ = text.partition(b"\n")
    first = first.rstrip()
    if not newline or not first.endswith((b"{", b"[", b",", b":")):
        return False
    try:
        parse_json(first.rstrip(b",").decode("utf-8", "replace"))
    except NotJson:
        return True
    return False
