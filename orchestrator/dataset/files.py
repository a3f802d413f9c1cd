"""A data file as it is sent to an endpoint: which bytes, how many, and under which name."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.errors import DataFileEmpty, DataFileNotFound, DataFileUnreadable

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BLOCK_BYTES = 1 << 20
_NAME_CHARACTERS = 80
_HASH_CHARACTERS = 16


@dataclass(frozen=True)
class DataFile:
    """A local file and the identity of the bytes that an endpoint gets of it.

    `sha256` (hex) and `size` (bytes) are those of the bytes as sent; `lines` counts a last line without a newline
    too, and blank ones.
    """

    path: Path
    sha256: str
    size: int
    lines: int


def inspect_file(path: Path) -> DataFile:
    """Hash, measure and count `path` in one pass and constant memory.

    Raises DataFileNotFound, DataFileUnreadable (a directory, a pipe, no permission, a failing disk) or
    DataFileEmpty (nothing left to send).
    """
    digest = hashlib.sha256()
    size = newlines = 0
    block = b""
    with open_as_sent(path) as source:
        try:
            while found := source.read(_BLOCK_BYTES):
                block = found
                digest.update(block)
                size += len(block)
                newlines += block.count(b"\n")
        except OSError as error:
            raise DataFileUnreadable(path=path, problem=_problem(error)) from error
    if size == 0:
        raise DataFileEmpty(path=path)
    return DataFile(Path(path), digest.hexdigest(), size, newlines + (not block.endswith(b"\n")))


def open_as_sent(path: Path) -> BinaryIO:
    """Open `path` for reading the bytes as sent: the file without a leading UTF-8 byte-order mark.

    The mark is taken off because endpoints disagree about it and JSON forbids it (RFC 8259, section 8.1); nothing
    else is changed. Position 0 is the first byte as sent, and `seek` never brings the mark back: HTTP libraries
    rewind what they are given. Raises DataFileNotFound or DataFileUnreadable.
    """
    source = _open_regular(Path(path))
    try:
        has_mark = source.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        source.seek(0)
    except OSError as error:
        source.close()
        raise DataFileUnreadable(path=path, problem=_problem(error)) from error
    return io.BufferedReader(_BehindMark(source)) if has_mark else source


class _BehindMark(io.RawIOBase):
    """A file seen without its byte-order mark. It has no file descriptor, so nobody measures the mark with it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._source.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        skipped = len(BYTE_ORDER_MARK) if whence == io.SEEK_SET else 0
        return self._source.seek(offset + skipped, whence) - len(BYTE_ORDER_MARK)

    def tell(self) -> int:
        return self._source.tell() - len(BYTE_ORDER_MARK)

    def close(self) -> None:
        self._source.close()
        super().close()


def sent_name(data_file: DataFile) -> str:
    """The file name an upload carries, such as `ftorch-0123456789abcdef-train.jsonl`.

    It holds the start of the hash, so that an upload whose answer was lost is found again by listing. At most 80
    characters of `[A-Za-z0-9._-]`.
    """
    prefix = f"ftorch-{data_file.sha256[:_HASH_CHARACTERS]}-"
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", data_file.path.stem).strip("-.")
    room = _NAME_CHARACTERS - len(prefix) - len(".jsonl")
    return f"{prefix}{stem[:room] or 'data'}.jsonl"


def _open_regular(path: Path) -> BinaryIO:
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise DataFileNotFound(path=path) from None
    except (OSError, ValueError) as error:
        raise DataFileUnreadable(path=path, problem=_problem(error)) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise DataFileUnreadable(path=path, problem=_kind(mode))
    return os.fdopen(descriptor, "rb")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "it is a directory"
    if stat.S_ISFIFO(mode):
        return "it is a pipe, and its size and hash must be known before it is sent"
    return "it is a device or a socket"


def _problem(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
