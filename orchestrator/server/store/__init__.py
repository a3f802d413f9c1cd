"""The endpoint's durable store: SQLite and blobs in one folder, shared by any number of processes."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from orchestrator.errors import EndpointStoreUnusable
from orchestrator.server import ids
from orchestrator.server.store.batches import Answers, Batches
from orchestrator.server.store.blobs import Blobs, Files, Uploads
from orchestrator.server.store.database import Database
from orchestrator.server.store.jobs import Jobs, Progress
from orchestrator.server.store.models import Deployments, Models
from orchestrator.server.store.records import ACTIVE
from orchestrator.server.store.weights import Weights

BLOBS_IN_USE = "SELECT blob AS name FROM files UNION ALL SELECT blob FROM parts"
WEIGHTS_IN_USE = "SELECT weights AS name FROM checkpoints UNION ALL SELECT weights FROM models"
STOP = "stop"
"""The file in the folder of a training that tells its trainer to end."""
ORPHAN_SECONDS = 24 * 3600
"""Longer than any writer takes between writing a blob and recording it."""


class Store:
    """The only access to the endpoint's records."""

    def __init__(self, folder: Path, storage: Path | None = None) -> None:
        """Open the folder, or create it and its missing parents, with mode 0700. `storage` is a folder for the
        trainings that other machines reach too.

        Raises EndpointStoreUnusable (no folder, no rights, no space) and EndpointStoreNewer.
        """
        self.folder = folder
        self.locks = folder / "locks"
        self._trainings = folder / "trainings"
        try:
            _make_private(folder)
            self.locks.mkdir(mode=0o700, exist_ok=True)
            if storage is not None:
                self._trainings = storage / "trainings" / _name_of(folder)
            _make_private(self._trainings)
            blobs = Blobs(folder / "blobs")
            weights = Weights(folder / "weights", folder / "blobs")
        except OSError as error:
            raise EndpointStoreUnusable(path=folder, reason=error) from error
        database = Database(folder / "endpoint.db")
        self.blobs = blobs
        self.weights = weights
        self.files = Files(database, blobs)
        self.uploads = Uploads(database, blobs)
        self.jobs = Jobs(database)
        self.progress = Progress(database, weights)
        self.models = Models(database, weights)
        self.answers = Answers(database)
        self.batches = Batches(database)
        self.deployments = Deployments(database)
        self._database = database

    def tidy(self, now: float) -> None:
        """Delete what is no longer needed: expired files, parts of expired uploads, old answers, blobs and weights
        of killed writers, folders of ended trainings."""
        self.files.purge(now)
        self.uploads.purge(now)
        self.answers.purge(now)
        weights = self._names(WEIGHTS_IN_USE)
        # Older stores have weights among the blobs.
        self.blobs.purge(keep=self._names(BLOBS_IN_USE) | weights, older_than=now - ORPHAN_SECONDS)
        self.weights.purge(keep=weights, older_than=now - ORPHAN_SECONDS)
        self._purge_trainings(now - ORPHAN_SECONDS)

    def training_folder(self, job_id: str) -> Path:
        """Where the trainer of this job keeps what it needs to continue; created if it is missing."""
        folder = self._trainings / job_id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def stop_training(self, job_id: str) -> None:
        """Tell the trainer of this job to end at its next step; one on another machine may have no process here
        that follows it."""
        with contextlib.suppress(FileNotFoundError):
            (self._trainings / job_id / STOP).touch()

    def end_training(self, job_id: str) -> None:
        """Delete that folder."""
        shutil.rmtree(self._trainings / job_id, ignore_errors=True)

    def _purge_trainings(self, older_than: float) -> None:
        for folder in self._trainings.iterdir():
            job = self.jobs.get(folder.name)
            if (job is None or job.status not in ACTIVE) and folder.stat().st_mtime < older_than:
                shutil.rmtree(folder, ignore_errors=True)

    def _names(self, sql: str) -> set[str]:
        return {row["name"] for row in self._database.all(sql)}


def _name_of(folder: Path) -> str:
    """The name of this store among those that share storage; drawn once."""
    path = folder / "name"
    if not path.exists():
        draft = folder / f".name.{os.getpid()}"
        draft.write_text(ids.token(16))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # of two processes that draw one, the first counts
        draft.unlink()
    return path.read_text()


def _make_private(folder: Path) -> None:
    """`mkdir(parents=True)` would set the mode of the last folder only."""
    if not folder.parent.exists():
        _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
