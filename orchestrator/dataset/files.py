"""A data file as it is sent to an endpoint: which bytes, how many, and under which name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.errors import (
    DataFileEmpty,
    DataFileNotFound,
    DataFileUnreadable,
    OutputExists,
    OutputUnwritable,
)

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
    prefix = sent_prefix(data_file.sha256)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", data_file.path.stem).strip("-.")
    room = _NAME_CHARACTERS - len(prefix) - len(".jsonl")
    return f"{prefix}{stem[:room] or 'data'}.jsonl"


def sent_prefix(sha256: str) -> str:
    """What the name of an upload of these bytes begins with."""
    return f"ftorch-{sha256[:_HASH_CHARACTERS]}-"


def hash_in(name: str) -> str | None:
    """The start of the hash that the name of an upload holds, as `sent_name` put it there."""
    found = re.match(rf"ftorch-([0-9a-f]{{{_HASH_CHARACTERS}}})-", name)
    return found[1] if found else None


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


# --- Writing a data file: whole or not at all --------------------------------------------------------------------


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_files(paths: Sequence[Path], *, replace: bool = False) -> Iterator[list[BinaryIO]]:
    """Open a file for each of `paths`; all of them appear under their names when the block ends well.

    Until then the bytes stand beside them under other names, and an exception in the block takes them away again.
    Missing folders are made. Raises OutputExists where a name is taken and `replace` is not given, and
    OutputUnwritable (no permission, no room, a folder of that name).
    """
    for path in paths:
        if path.is_dir():
            raise OutputUnwritable(path=path, problem="it is a folder")
        if not replace and path.exists():
            raise OutputExists(path=path)
    with ExitStack() as drafts:
        written = [drafts.enter_context(_draft(path)) for path in paths]
        yield [stream for _, stream in written]
        for path, (draft, stream) in zip(paths, written, strict=True):
            with _explained(path):
                _put_in_place(draft, stream, path, replace)


def json_line(value: Any) -> bytes:
    """The value as JSON on one line, without blanks between its parts and without a line end.

    Raises ValueError where it can't be written: numbers that are not finite, values that JSON has no form for.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except TypeError as error:
        raise ValueError(str(error)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair can be written only escaped, as it was read.
        return json.dumps(value, separators=(",", ":")).encode()


@contextmanager
def _draft(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = draft.open("xb")
    try:
        with stream:
            yield draft, stream
    except OSError as error:
        # The block reads files too, but only writing runs out of room.
        if error.errno in _NO_ROOM:
            raise OutputUnwritable(path=path, problem=error.strerror) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def _put_in_place(draft: Path, stream: BinaryIO, path: Path, replace: bool) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    if replace:
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(path.stat().st_mode & 0o777)
    else:
        # Takes the name first: a rename alone would take the place of a file that came in the meantime.
        try:
            path.open("xb").close()
        except FileExistsError:
            raise OutputExists(path=path) from None
    draft.replace(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(path=path, problem=error.strerror or str(error)) from error
