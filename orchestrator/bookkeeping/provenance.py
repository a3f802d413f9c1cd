"""What is recorded with a submission: who, on which machine, at which commit, with which ftorch and job file."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.childenv import child_environment
from orchestrator.dataset.profile.answers import without_keys
from orchestrator.identity import current_user, this_host
from orchestrator.store.submissions import Provenance

if TYPE_CHECKING:
    from orchestrator.jobfile import JobFile

HIDDEN = "[key]"
"""The replacement of a key in a recorded text."""
_LONGEST_VERSION = 64


def provenance_of(job: JobFile | None, folder: Path | None = None, options: Sequence[str] = ()) -> Provenance:
    """The provenance of what is submitted now from a job file, or from a `folder` without one (default: the current
    folder).

    The text of the job file is as read, without keys. The settings that the command line replaced follow it as
    comments, and so do `options` that changed the job in another way.
    """
    tree = work_tree((job.source.parent if job else folder or Path()).absolute())
    return Provenance(
        user=current_user(),
        host=this_host(),
        ftorch_version=_version(),
        git_commit=tree.commit,
        git_clean=tree.is_clean,
        job_file=_text(job, options) if job else None,
    )


def _text(job: JobFile, options: Sequence[str]) -> str | None:
    if job.text is None:
        return None
    replaced = [*(override.option for override in job.overrides), *options]
    comments = "".join(f"# {' '.join(option.splitlines())}\n" for option in replaced)
    text = job.text if job.text.endswith("\n") or not comments else f"{job.text}\n"
    more = f"\n# Set on the command line:\n{comments}" if comments else ""
    return without_keys(text + more, HIDDEN)


def _version() -> str:
    try:
        return version("ftorch")[:_LONGEST_VERSION]
    except PackageNotFoundError:
        return "unknown"


# --- The git commit -----------------------------------------------------------------------------------------------


_SECONDS = 2.0
"""A working tree that takes longer is recorded with its commit alone."""
_HARMLESS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "status.submoduleSummary=false")
_STATUS = (
    *("status", "--porcelain=v2", "--branch"),
    *("--untracked-files=no", "--ignore-submodules=dirty", "--no-renames"),
)
_HEAD = ("rev-parse", "--verify", "--quiet", "HEAD")
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",  # status would write the index
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks
    "GIT_TERMINAL_PROMPT": "0",
}
_USERS_OWN = ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL")
"""Where the user's configuration is, such as the folders that they call safe."""
_FILTER = re.compile(r"filter\..+\.(?:clean|process)", re.DOTALL)
_COMMIT = re.compile(r"# branch\.oid ([0-9a-f]{40,64})")


@dataclass(frozen=True)
class WorkTree:
    """The commit as a hexadecimal hash; None outside a repository, or before its first commit."""

    commit: str | None = None
    is_clean: bool | None = None
    """Whether no tracked file was changed; None if that is not known."""


def work_tree(folder: Path) -> WorkTree:
    """The state of the working tree around `folder`. Without git, or if git fails, nothing
    is known: it is never an error."""
    settings = _own_settings(folder)
    if not settings:
        return WorkTree()
    has_filter = any(_FILTER.fullmatch(name) for name in settings)  # status would run it on changed files
    listed = None if has_filter else _git(folder, _STATUS)
    if listed is None:
        return WorkTree((_git(folder, _HEAD) or "").strip() or None)
    lines = listed.splitlines()
    commit = next((match[1] for match in map(_COMMIT.fullmatch, lines) if match), None)
    return WorkTree(commit, all(line.startswith("#") for line in lines) if commit else None)


def _own_settings(folder: Path) -> list[str]:
    """The names of the settings that the repository itself has, and not the user; empty outside a repository."""
    listed = _git(folder, ("config", "--list", "--name-only", "--show-scope", "-z")) or ""
    fields = listed.split("\0")
    scoped = zip(fields[::2], fields[1::2], strict=False)
    return [name for scope, name in scoped if scope in ("local", "worktree")]


def _git(folder: Path, command: Sequence[str]) -> str | None:
    """What git prints; None if it fails or takes too long."""
    settings = [part for setting in _HARMLESS for part in ("-c", setting)]
    users_own = {name: os.environ[name] for name in _USERS_OWN if name in os.environ}
    try:
        done = subprocess.run(
            ["git", *settings, *command],
            cwd=folder,
            env=child_environment(**_ENVIRONMENT, **users_own),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
