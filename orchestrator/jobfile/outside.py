"""Files that a job file names outside its own folder and its project.

A job file may come from a stranger, and what it names is read and sent to an endpoint. Data of one's own often lies
elsewhere, so that is no error: it is said, and needs a yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.jobfile.job import JobFile


@dataclass(frozen=True)
class OutsideFile:
    """A file, by the job file's key, and where it lies once links are followed."""

    key: str
    path: Path

    def __str__(self) -> str:
        return f"{self.key} ({self.path})"


def files_outside(job: JobFile, root: Path, *, only_evaluation: bool = False) -> list[OutsideFile]:
    """The files of the job that lie neither below the job file's folder nor below `root`, the project's."""
    named = {"evaluation.file": job.evaluation_path}
    if not only_evaluation:
        named = {"data.training_file": job.training_path, "data.validation_file": job.validation_path} | named
    folders = _folders(job.source, root)
    places = {key: path.resolve() for key, path in named.items() if path is not None}
    return [OutsideFile(key, path) for key, path in places.items() if not any(map(path.is_relative_to, folders))]


def _folders(job_file: Path, root: Path) -> list[Path]:
    """Where a job file's own data lies. A home folder, or one around it, is no project."""
    folder, root = job_file.absolute().parent.resolve(), root.resolve()
    is_project = folder.is_relative_to(root) and not Path.home().resolve().is_relative_to(root)
    return [folder, root] if is_project else [folder]
