"""Uploaded files and result files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple

from orchestrator.server import ids
from orchestrator.server.store.blobs import Blobs
from orchestrator.server.store.database import Database
from orchestrator.server.store.records import File, from_row


class Files:
    """The files of the store. An expired file counts as deleted from its last second on."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def add(
        self,
        filename: str,
        purpose: str,
        blob: str,
        now: int,
        lifetime: int | None = None,
        problem: str | None = None,
    ) -> File:
        """Record a blob that is already written as a file."""
        expires_at = None if lifetime is None else now + lifetime
        size = self._blobs.path(blob).stat().st_size
        file = File(ids.file_id(), now, expires_at, filename, size, purpose, blob, problem)
        with self._database.write() as connection:
            insert_file(connection, file)
        return file

    def get(self, file_id: str, now: float) -> File | None:
        """The file, or None where there is no such file (any more)."""
        sql = "SELECT * FROM files WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)"
        row = self._database.one(sql, (file_id, now))
        return from_row(File, row) if row else None

    def page(
        self, now: float, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
    ) -> Sequence[File]:
        """Up to `limit` files that follow the file `after` in the order asked for."""
        side, order = ("<", "DESC") if newest_first else (">", "ASC")
        sql = f"""SELECT * FROM files
            WHERE (expires_at IS NULL OR expires_at > :now)
            AND (:purpose IS NULL OR purpose = :purpose)
            AND (:after IS NULL OR seq {side} (SELECT seq FROM files WHERE id = :after))
            ORDER BY seq {order} LIMIT :limit"""
        values = {"now": now, "purpose": purpose, "after": after, "limit": limit}
        return [from_row(File, row) for row in self._database.all(sql, values)]

    def totals(self, now: float) -> tuple[int, int]:
        """How many files there are, and their bytes together."""
        sql = (
            "SELECT count(*) AS files, total(bytes) AS bytes FROM files WHERE expires_at IS NULL OR expires_at > ?"
        )
        row = self._database.all(sql, (now,))[0]
        return int(row["files"]), int(row["bytes"])

    def delete(self, file: File) -> None:
        """Forget the file and delete its bytes."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM files WHERE id = ?", (file.id,))
        self._blobs.delete(file.blob)

    def purge(self, now: float) -> None:
        """Delete the files whose time is over."""
        rows = self._database.all("SELECT * FROM files WHERE expires_at <= ?", (now,))
        for row in rows:
            self.delete(from_row(File, row))


def insert_file(connection: sqlite3.Connection, file: File) -> None:
    """Add the file inside a transaction of the caller's."""
    connection.execute(
        """INSERT INTO files (id, created_at, expires_at, filename, bytes, purpose, blob, problem)
        VALUES (?,?,?,?,?,?,?,?)""",
        astuple(file),
    )
