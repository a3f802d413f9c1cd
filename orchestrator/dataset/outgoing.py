"""A data file on its way out: an endpoint gets exactly the bytes that were checked, or the request never ends."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.dataset.files import open_as_sent
from orchestrator.errors import DataFileUnreadable, DataFileUnusable, FtorchError

_BLOCK_BYTES = 1 << 20


def unheard(_bytes: int) -> None:
    """For reads whose progress is not shown."""


@dataclass(frozen=True)
class Content:
    """A stretch of a file's bytes as sent (without a byte-order mark): where it begins, its length, its hash."""

    path: Path
    sha256: str
    size: int
    offset: int = 0

    @contextmanager
    def open(self, on_read: Callable[[int], None] = unheard) -> Iterator[BinaryIO]:
        """A reader of exactly these bytes, for a request; it tells `on_read` how many have been read so far.

        It can be rewound to its start, as HTTP libraries do before they send and when they repeat. The last block
        is handed out only when the hash of all is right; a request that was promised `size` bytes stays incomplete
        else. Raises DataFileUnusable (it has changed), DataFileNotFound and DataFileUnreadable, whatever those who
        sent the request made of it.
        """
        with closing(_CheckedReader(self, open_as_sent(self.path), on_read)) as reader:
            try:
                yield reader  # type: ignore[misc]
            except Exception as error:
                if reader.problem is None or reader.problem is error:
                    raise
                raise reader.problem from error


@dataclass(frozen=True)
class Cut:
    """A file in parts. `md5` (hex) is that of the whole, which endpoints compare with what they put together."""

    parts: tuple[Content, ...]
    md5: str


def cut(whole: Content, part_bytes: int) -> Cut:
    """Cut a file into parts of at most `part_bytes`, in one pass and constant memory.

    Raises DataFileUnusable where it is not the file that was checked, DataFileNotFound and DataFileUnreadable.
    """
    parts: list[Content] = []
    md5 = hashlib.md5(usedforsecurity=False)
    with whole.open() as source:
        for offset in range(0, whole.size, part_bytes):
            size = min(part_bytes, whole.size - offset)
            parts.append(Content(whole.path, _digest(source, size, md5), size, whole.offset + offset))
    return Cut(tuple(parts), md5.hexdigest())


def _digest(source: BinaryIO, size: int, also: Any) -> str:
    """The SHA-256 of the next `size` bytes, which go into the hash `also` too."""
    digest = hashlib.sha256()
    while size:
        block = source.read(min(size, _BLOCK_BYTES))
        digest.update(block)
        also.update(block)
        size -= len(block)
    return digest.hexdigest()


class _CheckedReader(io.RawIOBase):
    """See `Content.open`. It has no file descriptor, so nobody measures the whole file with it."""

    def __init__(self, content: Content, source: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._content = content
        self._source = source
        self._on_read = on_read
        self.problem: FtorchError | None = None
        """Why reading stopped, if it did."""
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._content.size - self._position
        if not left:
            return 0
        try:
            block = self._checked(min(len(buffer), left))
        except FtorchError as error:
            self.problem = error
            raise
        buffer[: len(block)] = block
        self._on_read(self._position)
        return len(block)

    def _checked(self, size: int) -> bytes:
        path = self._content.path
        try:
            block = self._source.read(size)
        except OSError as error:
            raise DataFileUnreadable(path=path, problem=error.strerror or str(error)) from error
        self._digest.update(block)
        self._position += len(block)
        is_last = self._position == self._content.size
        if not block or (is_last and self._digest.hexdigest() != self._content.sha256):
            problem = "it has changed since it was submitted; submit the job file again"
            raise DataFileUnusable(path=path, problem=problem)
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the start, which begins again, or to the end, which only gives the length."""
        if (offset, whence) == (0, io.SEEK_END):
            self._position = self._content.size
        elif (offset, whence) == (0, io.SEEK_SET):
            self._source.seek(self._content.offset, os.SEEK_SET)
            self._digest = hashlib.sha256()
            self._position = 0
        else:
            raise io.UnsupportedOperation("it is read from its start")
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._source.close()
        super().close()
