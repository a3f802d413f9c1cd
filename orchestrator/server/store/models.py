"""Fine-tuned models and checkpoints that can be called."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple

from orchestrator.server.store.blobs import Blobs
from orchestrator.server.store.database import Database
from orchestrator.server.store.records import FineTunedModel, from_row


class Models:
    """The names that answer with trained weights."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def get(self, name: str) -> FineTunedModel | None:
        """The model of this name, or None."""
        row = self._database.one("SELECT * FROM models WHERE name = ?", (name,))
        return from_row(FineTunedModel, row) if row else None

    def all(self) -> Sequence[FineTunedModel]:
        """Every model and checkpoint, oldest first."""
        return [from_row(FineTunedModel, row) for row in self._database.all("SELECT * FROM models ORDER BY seq")]

    def checkpoint_id(self, name: str) -> str | None:
        """The id of the checkpoint that answers by this name; None where it is none."""
        row = self._database.one("SELECT id FROM checkpoints WHERE model = ?", (name,))
        return row["id"] if row else None

    def of_checkpoint(self, checkpoint_id: str) -> str | None:
        """The name by which this checkpoint answers; None where there is no such checkpoint."""
        row = self._database.one("SELECT model FROM checkpoints WHERE id = ?", (checkpoint_id,))
        return row["model"] if row else None

    def delete(self, model: FineTunedModel) -> None:
        """Forget the model and delete its weights."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM models WHERE name = ?", (model.name,))
        self._blobs.delete(model.blob)


def insert_model(connection: sqlite3.Connection, model: FineTunedModel) -> None:
    """Add the model inside a transaction of the caller's."""
    connection.execute(
        "INSERT INTO models (name, created_at, job, base, trainer, blob) VALUES (?,?,?,?,?,?)", astuple(model)
    )
