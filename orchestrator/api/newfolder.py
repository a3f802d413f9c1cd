"""A folder of files that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import FolderTaken, OutputUnwritable


@contextmanager
def new_folder(target: Path, needed: int = 0) -> Iterator[Path]:
    """A folder to write into; it takes the name `target` when the block ends without an exception.

    Until then it is beside `target` under another name, and an exception in the block deletes it. Missing parents
    are made. `needed` is the room on the disk that is asked for before anything is written, in bytes. Files get the
    permissions of new files. Raises FolderTaken if `target` exists and is no empty folder, and OutputUnwritable.
    """
    path = Path(os.path.abspath(target))
    _require_free(target, path)
    made = _missing_parents(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_room(target, path.parent, needed)
        draft.mkdir()
        yield draft
        _settle(draft)
        draft.rename(path)
    except OSError as error:
        _remove(draft, made)
        raise OutputUnwritable(path=target, problem=error.strerror or str(error)) from error
    except BaseException:
        _remove(draft, made)
        raise


def _require_free(target: Path, path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FolderTaken(path=target, finding="is not a folder")
    try:
        if path.exists() and any(path.iterdir()):
            raise FolderTaken(path=target, finding="is not empty")
        if path.exists() and path.samefile(Path.cwd()):
            raise FolderTaken(path=target, finding="is the current folder")
    except OSError as error:
        raise OutputUnwritable(path=target, problem=error.strerror or str(error)) from error


def _require_room(target: Path, parent: Path, needed: int) -> None:
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise OutputUnwritable(
            path=target, problem=f"it needs {needed / 1e9:.1f} GB, and the disk has {free / 1e9:.1f} GB left"
        )


def _settle(folder: Path) -> None:
    """Give every file the permissions of a new one, and wait until it is on the disk.

    Libraries write weights for their owner only, and what is exported is to be shared as far as the umask allows.
    """
    mode = 0o666 & ~_umask()
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        path.chmod(mode)
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def _missing_parents(path: Path) -> list[Path]:
    """The folders above `path` that don't exist, the lowest first."""
    return [parent for parent in path.parents if not parent.exists()]


def _remove(draft: Path, made: list[Path]) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    for parent in made:
        with suppress(OSError):
            parent.rmdir()
