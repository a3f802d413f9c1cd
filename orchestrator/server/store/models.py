"""Fine-tuned models and checkpoints that can be called."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple

from orchestrator.server.store.database import Database
from orchestrator.server.store.records import Deployment, FineTunedModel, from_row
from orchestrator.server.store.weights import Weights


class Models:
    """The names that answer with trained weights."""

    def __init__(self, database: Database, weights: Weights) -> None:
        self._database = database
        self._weights = weights

    def get(self, name: str) -> FineTunedModel | None:
        """The model of this name, or None."""
        row = self._database.one("SELECT * FROM models WHERE name = ?", (name,))
        return from_row(FineTunedModel, row) if row else None

    def all(self) -> Sequence[FineTunedModel]:
        """Every model and checkpoint, oldest first."""
        return [from_row(FineTunedModel, row) for row in self._database.all("SELECT * FROM models ORDER BY seq")]

    def checkpoint_id(self, name: str) -> str | None:
        """The id of the checkpoint with this model name; None if it is not a checkpoint."""
        row = self._database.one("SELECT id FROM checkpoints WHERE model = ?", (name,))
        return row["id"] if row else None

    def of_checkpoint(self, checkpoint_id: str) -> str | None:
        """The model name of this checkpoint; None if there is no such checkpoint."""
        row = self._database.one("SELECT model FROM checkpoints WHERE id = ?", (checkpoint_id,))
        return row["model"] if row else None

    def delete(self, model: FineTunedModel) -> None:
        """Delete the model and its weights."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM models WHERE name = ?", (model.name,))
        self._weights.delete(model.weights)


def insert_model(connection: sqlite3.Connection, model: FineTunedModel) -> None:
    """Add the model inside the caller's transaction."""
    connection.execute(
        "INSERT INTO models (name, created_at, job, base, trainer, weights, base_folder) VALUES (?,?,?,?,?,?,?)",
        astuple(model),
    )


# --- Deployments: the names by which fine-tuned models answer on Azure ----------------------------------------


USED_SECONDS = 60.0
"""The shortest interval between two records of the last call."""

Check = Callable[[Sequence[Deployment]], None]


class Deployments:
    """The deployments of the store. A deleted one stays on record, so that its name can be kept for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, name: str) -> Deployment | None:
        """The newest deployment of this name, deleted or not."""
        sql = "SELECT * FROM deployments WHERE name = ? ORDER BY seq DESC LIMIT 1"
        row = self._database.one(sql, (name,))
        return from_row(Deployment, row) if row else None

    def since(self, time: float) -> Sequence[Deployment]:
        """Those that exist, or were deleted after that time; oldest first."""
        sql = "SELECT * FROM deployments WHERE deleted_at IS NULL OR deleted_at > ? ORDER BY seq"
        return [from_row(Deployment, row) for row in self._database.all(sql, (time,))]

    def put(self, wanted: Deployment, check: Check) -> None:
        """Create the deployment, or change the sku and capacity of the one of its name.

        `check` gets the other existing ones, inside the same transaction; if it raises, nothing is changed.
        """
        with self._database.write() as connection:
            rows = connection.execute("SELECT * FROM deployments WHERE deleted_at IS NULL ORDER BY seq").fetchall()
            there = [from_row(Deployment, row) for row in rows]
            check([each for each in there if each.name != wanted.name])
            sql = """UPDATE deployments SET sku = :sku, capacity = :capacity, changed_at = :changed_at
                WHERE name = :name AND deleted_at IS NULL"""
            values = asdict(wanted)
            if connection.execute(sql, values).rowcount == 0:
                columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
                connection.execute(f"INSERT INTO deployments ({columns}) VALUES ({marks})", values)

    def delete(self, name: str, time: float) -> bool:
        """Delete the deployment as of that time; False if there is none."""
        with self._database.write() as connection:
            sql = "UPDATE deployments SET deleted_at = ? WHERE name = ? AND deleted_at IS NULL"
            return connection.execute(sql, (time, name)).rowcount == 1

    def used(self, name: str, now: float) -> None:
        """Note that the deployment was called."""
        found = self.last(name)
        if found is None or now - (found.last_used_at or 0) < USED_SECONDS:
            return
        with self._database.write() as connection:
            sql = "UPDATE deployments SET last_used_at = ? WHERE name = ? AND deleted_at IS NULL"
            connection.execute(sql, (now, name))
