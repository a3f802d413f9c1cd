"""The endpoint's durable store: SQLite and blobs in one folder, shared by any number of processes."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import EndpointStoreUnusable
from orchestrator.server.store.batches import Answers, Batches
from orchestrator.server.store.blobs import Blobs, Files, Uploads
from orchestrator.server.store.database import Database
from orchestrator.server.store.jobs import Jobs, Progress
from orchestrator.server.store.models import Deployments, Models

TABLES_WITH_BLOBS = ("files", "parts", "checkpoints", "models")
ORPHAN_SECONDS = 24 * 3600
"""Longer than any writer takes between writing a blob and recording it."""


class Store:
    """The only access to the endpoint's records."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, or create it and its missing parents, with mode 0700.

        Raises EndpointStoreUnusable (no folder, no rights, no space) and EndpointStoreNewer.
        """
        self.folder = folder
        self.locks = folder / "locks"
        try:
            _make_private(folder)
            self.locks.mkdir(mode=0o700, exist_ok=True)
            blobs = Blobs(folder / "blobs")
        except OSError as error:
            raise EndpointStoreUnusable(path=folder, reason=error) from error
        database = Database(folder / "endpoint.db")
        self.blobs = blobs
        self.files = Files(database, blobs)
        self.uploads = Uploads(database, blobs)
        self.jobs = Jobs(database)
        self.progress = Progress(database, blobs)
        self.models = Models(database, blobs)
        self.answers = Answers(database)
        self.batches = Batches(database)
        self.deployments = Deployments(database)
        self._database = database

    def tidy(self, now: float) -> None:
        """Delete what is no longer needed: expired files, parts of expired uploads, old answers, blobs of killed
        writers."""
        self.files.purge(now)
        self.uploads.purge(now)
        self.answers.purge(now)
        self.blobs.purge(keep=self._blobs_in_use(), older_than=now - ORPHAN_SECONDS)

    def _blobs_in_use(self) -> set[str]:
        tables = " UNION ALL ".join(f"SELECT blob FROM {name}" for name in TABLES_WITH_BLOBS)
        return {row["blob"] for row in self._database.all(tables)}


def _make_private(folder: Path) -> None:
    """`mkdir(parents=True)` would set the mode of the last folder only."""
    if not folder.parent.exists():
        _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
