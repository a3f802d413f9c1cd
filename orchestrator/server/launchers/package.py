"""This package on storage that workers share: a copy for each version of its files, which never changes.

A copy is removed once no training names it, see `note_use`, and nobody has asked for it for a day.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from orchestrator.server.launchers.environment import PACKAGE

UNUSED_SECONDS = 24 * 3600.0
"""By the clock of the storage: a server that has just asked for a copy may not have named it yet."""
_MARK = "package"
_LEFT_OUT = ("__pycache__", "migrations")


def shared_package(storage: Path) -> Path:
    """The folder in `storage` in which Python finds this very package; it is copied there if need be."""
    folder = storage / "packages" / _fingerprint()
    if not folder.exists():
        _copy(folder)
        _remove_unused(folder, storage / "trainings")
    with suppress(OSError):
        os.utime(folder)
    return folder


def note_use(attempt: Path, package: Path) -> None:
    """Name the copy that an attempt runs from in its folder; before it is started."""
    (attempt / _MARK).write_text(package.name)


def _copy(folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(PACKAGE, draft / PACKAGE.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    try:
        draft.rename(folder)
    except OSError:  # another process did the same
        shutil.rmtree(draft, ignore_errors=True)


def _remove_unused(newest: Path, trainings: Path) -> None:
    os.utime(newest)
    used = _in_use(trainings)
    if used is None:
        return
    for folder in newest.parent.iterdir():
        age = newest.stat().st_mtime - folder.stat().st_mtime
        if folder.name not in used and age > UNUSED_SECONDS:
            # A server that asks for it from now on makes another copy.
            gone = folder.with_name(f".removed.{folder.name}.{os.getpid()}")
            with suppress(OSError):
                folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _in_use(trainings: Path) -> set[str] | None:
    """The copies that attempts of any store name; None if an attempt names none, so that it is not known."""
    used = set()
    for attempt in trainings.glob("*/*/attempts/[0-9]*"):
        try:
            used.add((attempt / _MARK).read_text())
        except OSError:
            return None
    return used


def _fingerprint() -> str:
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and not set(_LEFT_OUT) & set(path.parts):
            found.update(f"{path.relative_to(PACKAGE)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:16]
