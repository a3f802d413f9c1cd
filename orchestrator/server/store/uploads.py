"""Files that arrive in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

from orchestrator.server import ids
from orchestrator.server.store.blobs import Blobs
from orchestrator.server.store.database import Database
from orchestrator.server.store.files import insert_file
from orchestrator.server.store.records import File, Part, Upload, from_row

LIFETIME = 3600
"""Seconds in which an upload must be completed (the official limit)."""


class Uploads:
    """The uploads of the store: `pending` until completed, cancelled, or an hour old."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def add(self, filename: str, purpose: str, size: int, now: int, file_lifetime: int | None) -> Upload:
        """Open an upload of `size` bytes."""
        upload = Upload(
            ids.upload_id(), now, now + LIFETIME, filename, size, purpose, file_lifetime, "pending", None
        )
        with self._database.write() as connection:
            connection.execute("INSERT INTO uploads VALUES (?,?,?,?,?,?,?,?,?)", astuple(upload))
        return upload

    def get(self, upload_id: str, now: float) -> Upload | None:
        """The upload as it stands now: a pending one past its hour is `expired`."""
        row = self._database.one("SELECT * FROM uploads WHERE id = ?", (upload_id,))
        if row is None:
            return None
        upload = from_row(Upload, row)
        if upload.status == "pending" and upload.expires_at <= now:
            return replace(upload, status="expired")
        return upload

    def add_part(self, upload: Upload, blob: str, now: int) -> Part:
        """Record a blob that is already written as a part."""
        part = Part(ids.part_id(), upload.id, now, self._blobs.path(blob).stat().st_size, blob)
        with self._database.write() as connection:
            connection.execute("INSERT INTO parts VALUES (?,?,?,?,?)", astuple(part))
        return part

    def parts(self, upload: Upload) -> Sequence[Part]:
        """The upload's parts, in the order of their arrival."""
        rows = self._database.all("SELECT * FROM parts WHERE upload = ? ORDER BY rowid", (upload.id,))
        return [from_row(Part, row) for row in rows]

    def complete(self, upload: Upload, blob: str, now: int, problem: str | None = None) -> File | None:
        """Make the joined blob a file; None when the upload was completed or cancelled meanwhile."""
        expires_at = None if upload.file_lifetime is None else now + upload.file_lifetime
        file = File(ids.file_id(), now, expires_at, upload.filename, upload.bytes, upload.purpose, blob, problem)
        with self._database.write() as connection:
            sql = "UPDATE uploads SET status = 'completed', file = ? WHERE id = ? AND status = 'pending'"
            if connection.execute(sql, (file.id, upload.id)).rowcount == 0:
                return None
            insert_file(connection, file)
        self._drop_parts(upload)
        return file

    def cancel(self, upload: Upload) -> bool:
        """Give the upload up; False when it was completed or cancelled meanwhile."""
        with self._database.write() as connection:
            sql = "UPDATE uploads SET status = 'cancelled' WHERE id = ? AND status = 'pending'"
            cancelled = connection.execute(sql, (upload.id,)).rowcount == 1
        if cancelled:
            self._drop_parts(upload)
        return cancelled

    def purge(self, now: float) -> None:
        """Delete the parts of uploads whose hour is over."""
        sql = """SELECT DISTINCT uploads.* FROM uploads JOIN parts ON parts.upload = uploads.id
            WHERE uploads.status = 'pending' AND uploads.expires_at <= ?"""
        for row in self._database.all(sql, (now,)):
            self._drop_parts(from_row(Upload, row))

    def _drop_parts(self, upload: Upload) -> None:
        parts = self.parts(upload)
        with self._database.write() as connection:
            connection.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        for part in parts:
            self._blobs.delete(part.blob)
