"""Bytes on disk: uploaded files, weights, result files. Each blob has a name of ours and never changes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import BinaryIO

from orchestrator.server import ids

COPY_BYTES = 1 << 20

Writer = Callable[[BinaryIO], object]


class Blobs:
    """A folder of blobs. A name is visible only once all of its bytes are on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where the blob lies."""
        return self._folder / name

    def read(self, name: str) -> bytes:
        """All bytes of the blob; FileNotFoundError where it was deleted."""
        return self.path(name).read_bytes()

    def put(self, data: bytes) -> str:
        """Write a blob and return its name."""
        return self._write(lambda target: target.write(data))

    def copy(self, source: BinaryIO) -> str:
        """Write what is left to read in `source`, piece by piece, and return the blob's name."""
        return self._write(lambda target: shutil.copyfileobj(source, target, COPY_BYTES))

    def join(self, names: Iterable[str]) -> str:
        """Write the given blobs one after the other into a new one and return its name."""

        def write(target: BinaryIO) -> None:
            for name in names:
                with self.path(name).open("rb") as source:
                    shutil.copyfileobj(source, target, COPY_BYTES)

        return self._write(write)

    def delete(self, name: str) -> None:
        """Delete the blob if it is still there."""
        self.path(name).unlink(missing_ok=True)

    def purge(self, *, keep: Container[str], older_than: float) -> None:
        """Delete the blobs, and the unfinished ones, that are not to be kept and were last written before that."""
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name not in keep and path.stat().st_mtime < older_than:
                    path.unlink()

    def _write(self, write: Writer) -> str:
        name = ids.token(32)
        unfinished = self.path(f"{name}.part")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                write(target)
                target.flush()
                os.fsync(target.fileno())
            unfinished.replace(self.path(name))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return name
