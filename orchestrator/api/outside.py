"""Asking before files are sent that a job file names outside its own folder and project."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.api.host import Host
from orchestrator.config import find_workspace
from orchestrator.errors import FilesOutside
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.outside import files_outside


def require_own_files(jobs: Sequence[JobFile], host: Host, *, only_evaluation: bool = False) -> None:
    """Ask where a job file names files outside; `jobs` are what it stands for, one for each choice of data. Raises
    FilesOutside where there is nobody to ask."""
    source = jobs[0].source
    root = find_workspace(source.parent).root
    found = [file for job in jobs for file in files_outside(job, root, only_evaluation=only_evaluation)]
    if found:
        named = ", ".join(dict.fromkeys(map(str, found)))
        refusal = FilesOutside(path=source, files=named)
        host.confirm_again(f"{source} names files outside its project: {named}. Use them?", refusal)
