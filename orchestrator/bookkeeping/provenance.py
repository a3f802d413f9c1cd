"""What is recorded with a submission: who, on which machine, at which commit, with which ftorch and job file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.bookkeeping.worktree import work_tree
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
