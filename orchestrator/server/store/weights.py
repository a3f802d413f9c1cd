"""Weights on disk: one folder per model or checkpoint. Each has a generated name and never changes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Container
from pathlib import Path

from orchestrator.server import ids

ONE_FILE = "model.tiny"
"""The file in the folder of a model that was once stored as a single blob."""


class Weights:
    """A folder of weights folders. A name is visible only once all of its files are on the disk."""

    def __init__(self, folder: Path, blobs: Path) -> None:
        """`blobs` is where stores made before version 0.2 have their weights, each as one file."""
        self._folder = folder
        self._blobs = blobs
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """The folder of these weights."""
        path = self._folder / name
        if not path.exists() and (self._blobs / name).is_file():
            self._take_file(self._blobs / name, path)
        return path

    def take(self, folder: Path) -> str:
        """Move a finished folder here and return the name of its weights.

        Its files must be flushed to the disk. From another filesystem it is copied.
        """
        name = ids.token(32)
        try:
            folder.rename(self._folder / name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(folder, name)
        _flush(self._folder)
        return name

    def _copy(self, folder: Path, name: str) -> None:
        unfinished = self._folder / f"{name}.part"
        shutil.copytree(folder, unfinished)
        for path in unfinished.rglob("*"):
            _flush(path)
        unfinished.rename(self._folder / name)
        shutil.rmtree(folder, ignore_errors=True)

    def delete(self, name: str) -> None:
        """Delete these weights if they exist."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._blobs / name).unlink(missing_ok=True)

    def purge(self, *, keep: Container[str], older_than: float) -> None:
        """Delete the weights that are not to be kept and were moved here before that time."""
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name not in keep and path.stat().st_ctime < older_than:
                    shutil.rmtree(path, ignore_errors=True)

    def _take_file(self, file: Path, path: Path) -> None:
        unfinished = self._folder / f"{path.name}.{ids.token(8)}.part"
        unfinished.mkdir(mode=0o700)
        shutil.copyfile(file, unfinished / ONE_FILE)
        try:
            unfinished.rename(path)
        except OSError:  # another process did the same
            shutil.rmtree(unfinished, ignore_errors=True)
        file.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make a rename inside this folder, or the content of this file, last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
