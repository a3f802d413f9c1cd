"""Keeping the state directory out of a Git repository."""

from __future__ import annotations

from pathlib import Path

from orchestrator.config import STATE_DIR

_LINE = f"{STATE_DIR}/"
_SAME = {f"{before}{STATE_DIR}{after}" for before in ("", "/", "**/") for after in ("", "/")}


def ignore_state(root: Path) -> Path | None:
    """Add the state directory to the project's .gitignore, in a Git checkout or where there is such a file.

    The file where the line was added; None where it is there already, or nothing is to be done. Raises OSError.
    """
    path = root / ".gitignore"
    content = path.read_bytes() if path.is_file() else b""
    if not path.is_file() and not _is_in_checkout(root):
        return None
    if {line.strip() for line in content.decode("utf-8", "replace").splitlines()} & _SAME:
        return None
    end = b"\r\n" if b"\r\n" in content else b"\n"
    begin = end if content and not content.endswith(b"\n") else b""
    with path.open("ab") as file:
        file.write(begin + _LINE.encode() + end)
    return path


def _is_in_checkout(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root, *root.parents))
