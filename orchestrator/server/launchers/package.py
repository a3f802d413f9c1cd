"""This package on storage that workers share: a copy for each version of its files, which never changes."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from orchestrator.server.launchers.environment import PACKAGE

_LEFT_OUT = ("__pycache__", "migrations")


def shared_package(storage: Path) -> Path:
    """The folder in `storage` in which Python finds this very package; it is copied there if need be."""
    folder = storage / "packages" / _fingerprint()
    if not folder.exists():
        draft = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(PACKAGE, draft / PACKAGE.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        try:
            draft.rename(folder)
        except OSError:  # another process did the same
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _fingerprint() -> str:
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and not set(_LEFT_OUT) & set(path.parts):
            found.update(f"{path.relative_to(PACKAGE)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:16]
