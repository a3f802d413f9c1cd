"""What to train, as ftorch's side writes it into the folder and the program reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.server.trainers.interface import Hyperparameters, Method, Training, TrainingFailedError
from orchestrator.server.trainers.lora.bases import base_fingerprint
from orchestrator.server.trainers.lora.folder import LAYOUT, TrainingFolder

STATE_SECONDS = 600.0
"""Within an epoch, what training continues from is written this often."""


@dataclass(frozen=True)
class Job:
    """One training: paths, numbers, and what must not change between its attempts."""

    base_name: str
    base_folder: str
    fingerprint: str
    training: str
    validation: str | None
    training_sha256: str
    method: Method
    hyperparameters: Hyperparameters
    seed: int
    parent: str | None
    threads: int
    """On a CPU, sums depend on the number of threads, so that it stays the same in all attempts."""
    state_seconds: float

    @property
    def options(self) -> Mapping[str, Any]:
        return self.hyperparameters.options


def prepared_job(folder: TrainingFolder, training: Training, threads: int | None = None) -> Job:
    """The job of this training, written to its folder, to compute with this many threads, by default one for each
    processor of this machine. They stay those that an earlier call wrote.

    Raises TrainingFailedError if the base model can't be read, or is no longer the one that training began with.
    """
    before = folder.job()
    fingerprint = _fingerprint(training)
    if before is not None and before["fingerprint"] != fingerprint:
        raise TrainingFailedError(
            f"The base model in {_base_folder(training)} changed since this training began. Put the old files "
            "back, or create the job again."
        )
    job = Job(
        base_name=training.base.name if training.base else "",
        base_folder=_base_folder(training),
        fingerprint=fingerprint,
        training=str(training.training),
        validation=None if training.validation is None else str(training.validation),
        training_sha256=before["training_sha256"] if before else _sha256(training),
        method=training.method,
        hyperparameters=training.hyperparameters,
        seed=training.seed,
        parent=None if training.parent is None else str(training.parent),
        threads=before["threads"] if before else threads or _threads(),
        state_seconds=STATE_SECONDS,
    )
    folder.write_job({"version": LAYOUT, **asdict(job)})
    return job


def written_job(folder: TrainingFolder) -> Job:
    """The job that `prepared_job` wrote. Raises FileNotFoundError if there is none, TrainingFailedError for a
    folder of another version."""
    fields = folder.job()
    if fields is None:
        raise FileNotFoundError(f"{folder.path} has no job.json")
    found = fields.pop("version", None)
    if found != LAYOUT:
        raise TrainingFailedError(
            f"{folder.path} has version {found} of the training folder, and this program reads version {LAYOUT}: "
            "the worker has another ftorch than the server. Install the same one on both."
        )
    return Job(**{**fields, "hyperparameters": Hyperparameters(**fields["hyperparameters"])})


def staged(training: Training) -> Training:
    """The training with its files and its parent copied into its folder, where workers of other machines find them.

    A copy appears by rename, and stays.
    """
    data = training.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    copies = [training.training, *([training.validation] if training.validation is not None else [])]
    found = [_copied(path, data / name) for path, name in zip(copies, ("training", "validation"), strict=False)]
    parent = training.parent
    return replace(
        training,
        training=found[0],
        validation=found[1] if training.validation is not None else None,
        parent=None if parent is None else _copied(parent, training.folder / "parent"),
    )


def _copied(source: Path, target: Path) -> Path:
    if not target.exists():
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        if source.is_dir():
            shutil.copytree(source, draft, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, draft)
        draft.rename(target)
    return target


def _base_folder(training: Training) -> str:
    if training.base is None:
        raise TrainingFailedError("The lora trainer needs a base model, and this job has none.")
    return str(training.base.folder)


def _fingerprint(training: Training) -> str:
    folder = _base_folder(training)
    try:
        assert training.base is not None
        return base_fingerprint(training.base.folder)
    except (OSError, ValueError) as error:
        raise TrainingFailedError(f"The base model in {folder} can't be read: {error}.") from error


def _sha256(training: Training) -> str:
    from orchestrator.dataset.files import inspect_file

    return inspect_file(training.training).sha256


def _threads() -> int:
    """What OMP_NUM_THREADS says, or else the processors that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
