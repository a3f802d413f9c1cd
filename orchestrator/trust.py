"""What another person's folder may do: only what the user has allowed, once, for its present contents.

A project's `ftorch.toml` may name hosts and the variables whose values go there. Its `.ftorch` may hold runs that
another person recorded. So a cloned or unpacked folder could send any secret of the environment to any host. What
is allowed is saved in the user's own folder, one small file for each thing. FTORCH_TRUST=1 allows all of it (for
CI, where a person has checked the folder before).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.childenv import child_environment
from orchestrator.errors import NotRemembered, StateNotAllowed

VARIABLE = "FTORCH_TRUST"
_ID = "id"
"""The file in a state directory with its id: a user who knows the id has used the directory."""
_ID_LENGTH = 32
_VERSIONS_WITH_WHOLE_PATHS = (2, 3)
"""Of git's index; newer versions share the beginnings of paths."""

Reach = Mapping[str, Mapping[str, Any]]
"""What a project's file names beyond settings: by endpoint, the keys that name a host, variable or account."""


def user_folder() -> Path:
    """The user's own folder: $XDG_CONFIG_HOME/ftorch, by default ~/.config/ftorch."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ftorch"


def everything_is_allowed() -> bool:
    return os.environ.get(VARIABLE) == "1"


# --- What a project's file names ---------------------------------------------------------------------------------


def allows(file: Path, reach: Reach) -> bool:
    """Whether the user has allowed what this file names now."""
    return everything_is_allowed() or _is_remembered(_mark_of(file, reach))


def allow(file: Path, reach: Reach) -> None:
    """Save that the user allows it, until the file names something else. Raises NotRemembered."""
    _remember(_mark_of(file, reach), str(file))


def _mark_of(file: Path, reach: Reach) -> str:
    return _mark("endpoints", str(file.resolve()), json.dumps(reach, sort_keys=True))


# --- The state directory -----------------------------------------------------------------------------------------


def use_state(home: Path) -> None:
    """Call this before reading or writing anything in the state directory `home`. A new one becomes the user's own.

    Raises StateNotAllowed if another person may have made it: it is a link, git tracks it, or this user has not
    used it before. Raises NotRemembered. A directory set by FTORCH_HOME is the user's choice.
    """
    if os.environ.get("FTORCH_HOME") or everything_is_allowed():
        return
    if not home.is_symlink() and _is_empty(home):
        _make_own(home)
    elif finding := state_finding(home):
        raise StateNotAllowed(home=home, finding=finding)


def state_finding(home: Path) -> str | None:
    """Why the state directory may be another person's; None if there is none, or it is allowed."""
    if not home.is_symlink() and not home.exists():
        return None
    if home.is_symlink():
        found, mark = f"is a link to {home.resolve()}", _mark("link", str(home), str(home.resolve()))
    elif _is_tracked(home):
        found, mark = "is tracked by git, so others can change it", _mark("tracked", str(home))
    else:
        found, mark = "was not made by you on this machine, as far as ftorch knows", _mark("state", _id_of(home))
    return None if _is_remembered(mark) else found


def allow_state(home: Path) -> None:
    """Save that the user allows it. Raises NotRemembered."""
    if home.is_symlink():
        _remember(_mark("link", str(home), str(home.resolve())), str(home))
    elif _is_tracked(home):
        _remember(_mark("tracked", str(home)), str(home))
    elif home.exists():
        _make_own(home)


def _make_own(home: Path) -> None:
    """Give it an id that this user knows, and keep it out of git."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / ".gitignore").write_text("*\n")
        (home / _ID).write_text(secrets.token_hex(_ID_LENGTH // 2) + "\n")
    except OSError:
        return  # the next write there reports the reason
    _remember(_mark("state", _id_of(home)), str(home))


def _is_empty(home: Path) -> bool:
    try:
        return next(home.iterdir(), None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _id_of(home: Path) -> str:
    """Its id; "" if it has no valid one."""
    try:
        with (home / _ID).open(encoding="ascii", errors="replace") as file:
            found = file.read(_ID_LENGTH)
    except OSError:
        return ""
    return found if len(found) == _ID_LENGTH else ""


def _is_tracked(home: Path) -> bool:
    """Whether the surrounding git repository tracks anything inside."""
    root = next((folder for folder in home.parents if (folder / ".git").exists()), None)
    if root is None:
        return False
    try:
        index = (root / ".git" / "index").read_bytes()
    except FileNotFoundError:
        return False
    except OSError:  # `.git` is a file in a work tree, whose index is elsewhere
        return _git_tracks(root, home)
    if _version(index) in _VERSIONS_WITH_WHOLE_PATHS and os.fsencode(f"{home.name}/") not in index:
        return False
    return _git_tracks(root, home)


def _version(index: bytes) -> int:
    return int.from_bytes(index[4:8], "big")


def _git_tracks(root: Path, home: Path) -> bool:
    # The repository may be a stranger's: nothing named by its configuration is run.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), "ls-files", "--", str(home)]
    try:
        done = subprocess.run(command, env=child_environment(), capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True  # it can't be ruled out
    return bool(done.stdout)


# --- Remembering -------------------------------------------------------------------------------------------------


def _mark(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _folder() -> Path:
    return user_folder() / "trusted"


def _is_remembered(mark: str) -> bool:
    try:
        return (_folder() / mark).is_file()
    except OSError:
        return False


def _remember(mark: str, what: str) -> None:
    try:
        _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        (_folder() / mark).write_text(what + "\n")
    except OSError as error:
        raise NotRemembered(folder=_folder(), problem=error.strerror or str(error), variable=VARIABLE) from error
