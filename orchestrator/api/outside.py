"""Asking before files are sent that a job file names outside its own folder and project."""

from __future__ import annotations

from orchestrator.api.host import Host
from orchestrator.config import find_workspace
from orchestrator.errors import FilesOutside
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.outside import files_outside


def require_own_files(job: JobFile, host: Host, *, only_evaluation: bool = False) -> None:
    """Ask where the job file names files outside. Raises FilesOutside where there is nobody to ask."""
    found = files_outside(job, find_workspace(job.source.parent).root, only_evaluation=only_evaluation)
    if found:
        named = ", ".join(map(str, found))
        refusal = FilesOutside(path=job.source, files=named)
        host.confirm_again(f"{job.source} names files outside its project: {named}. Use them?", refusal)
