"""Files that a job file names outside its own folder and its project.

A job file may come from a stranger, and the files it names are read and sent to an endpoint. Users often keep data
elsewhere, so this is not an error, but it needs a yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.jobfile.job import JobFile

RESCUE_MANIFEST, RESCUED_JOBS = "manifest.jsonl", "jobs"
"""The list of a folder that `ftorch rescue` made, and where its job files are."""


@dataclass(frozen=True)
class OutsideFile:
    """A file, by the job file's key, and its path with links resolved."""

    key: str
    path: Path

    def __str__(self) -> str:
        return f"{self.key} ({self.path})"


def files_outside(job: JobFile, root: Path, *, only_evaluation: bool = False) -> list[OutsideFile]:
    """The files of the job that are below neither the job file's folder nor the project's `root`. The folder of a
    rescued job file is that of the rescue."""
    named = {"evaluation.file": job.evaluation_path}
    if not only_evaluation:
        named = {"data.training_file": job.training_path, "data.validation_file": job.validation_path} | named
    folders = _folders(job.source, root)
    places = {key: path.resolve() for key, path in named.items() if path is not None}
    return [OutsideFile(key, path) for key, path in places.items() if not any(map(path.is_relative_to, folders))]


def _folders(job_file: Path, root: Path) -> list[Path]:
    """The folders of a job file's data. A home folder, or a folder that contains it, is not a project."""
    folder, root = job_file.absolute().parent.resolve(), root.resolve()
    folder = folder.parent if _is_of_rescue(folder) else folder
    return [folder, root] if folder.is_relative_to(root) and not _has_home(root) else [folder]


def _is_of_rescue(folder: Path) -> bool:
    """Whether it has the job files that `ftorch rescue` wrote beside their data."""
    above = folder.parent
    return folder.name == RESCUED_JOBS and (above / RESCUE_MANIFEST).is_file() and not _has_home(above)


def _has_home(folder: Path) -> bool:
    return Path.home().resolve().is_relative_to(folder)
