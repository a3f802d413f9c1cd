"""Bytes on disk: uploaded files, weights, result files. Each blob has a generated name and never changes."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import BinaryIO

from orchestrator.server import ids
from orchestrator.server.store.database import Database
from orchestrator.server.store.records import File, Part, Upload, from_row

COPY_BYTES = 1 << 20

Writer = Callable[[BinaryIO], object]


class Blobs:
    """A folder of blobs. A name is visible only once all of its bytes are on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """The path of the blob."""
        return self._folder / name

    def read(self, name: str) -> bytes:
        """All bytes of the blob; FileNotFoundError if it was deleted."""
        return self.path(name).read_bytes()

    def put(self, data: bytes) -> str:
        """Write a blob and return its name."""
        return self._write(lambda target: target.write(data))

    def copy(self, source: BinaryIO) -> str:
        """Write the rest of `source`, piece by piece, and return the blob's name."""
        return self._write(lambda target: shutil.copyfileobj(source, target, COPY_BYTES))

    def join(self, names: Iterable[str]) -> str:
        """Join the given blobs into a new one and return its name."""

        def write(target: BinaryIO) -> None:
            for name in names:
                with self.path(name).open("rb") as source:
                    shutil.copyfileobj(source, target, COPY_BYTES)

        return self._write(write)

    def delete(self, name: str) -> None:
        """Delete the blob if it exists."""
        self.path(name).unlink(missing_ok=True)

    def purge(self, *, keep: Container[str], older_than: float) -> None:
        """Delete the blobs, and unfinished ones, that are not to be kept and were last written before that time."""
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name not in keep and path.stat().st_mtime < older_than:
                    path.unlink()

    def _write(self, write: Writer) -> str:
        name = ids.token(32)
        unfinished = self.path(f"{name}.part")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                write(target)
                target.flush()
                os.fsync(target.fileno())
            unfinished.replace(self.path(name))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return name


# --- Uploaded files and result files --------------------------------------------------------------------------


class Files:
    """The files of the store. An expired file counts as deleted from its expiry time on."""

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
        """The file, or None if it does not exist (any more)."""
        sql = "SELECT * FROM files WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)"
        row = self._database.one(sql, (file_id, now))
        return from_row(File, row) if row else None

    def page(
        self, now: float, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
    ) -> Sequence[File]:
        """Up to `limit` files after the file `after`, in the given order."""
        side, order = ("<", "DESC") if newest_first else (">", "ASC")
        sql = f"""SELECT * FROM files
            WHERE (expires_at IS NULL OR expires_at > :now)
            AND (:purpose IS NULL OR purpose = :purpose)
            AND (:after IS NULL OR seq {side} (SELECT seq FROM files WHERE id = :after))
            ORDER BY seq {order} LIMIT :limit"""
        values = {"now": now, "purpose": purpose, "after": after, "limit": limit}
        return [from_row(File, row) for row in self._database.all(sql, values)]

    def totals(self, now: float) -> tuple[int, int]:
        """The number of files, and their total bytes."""
        sql = (
            "SELECT count(*) AS files, total(bytes) AS bytes FROM files WHERE expires_at IS NULL OR expires_at > ?"
        )
        row = self._database.all(sql, (now,))[0]
        return int(row["files"]), int(row["bytes"])

    def delete(self, file: File) -> None:
        """Delete the file and its bytes."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM files WHERE id = ?", (file.id,))
        self._blobs.delete(file.blob)

    def purge(self, now: float) -> None:
        """Delete expired files."""
        rows = self._database.all("SELECT * FROM files WHERE expires_at <= ?", (now,))
        for row in rows:
            self.delete(from_row(File, row))


def insert_file(connection: sqlite3.Connection, file: File) -> None:
    """Add the file inside the caller's transaction."""
    connection.execute(
        """INSERT INTO files (id, created_at, expires_at, filename, bytes, purpose, blob, problem)
        VALUES (?,?,?,?,?,?,?,?)""",
        astuple(file),
    )


# --- Files that arrive in parts -------------------------------------------------------------------------------


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
        """The upload as it is now: a pending one older than an hour is `expired`."""
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
        """The upload's parts, in order of arrival."""
        rows = self._database.all("SELECT * FROM parts WHERE upload = ? ORDER BY rowid", (upload.id,))
        return [from_row(Part, row) for row in rows]

    def complete(self, upload: Upload, blob: str, now: int, problem: str | None = None) -> File | None:
        """Make the joined blob a file; None if the upload was completed or cancelled meanwhile."""
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
        """Cancel the upload; False if it was completed or cancelled meanwhile."""
        with self._database.write() as connection:
            sql = "UPDATE uploads SET status = 'cancelled' WHERE id = ? AND status = 'pending'"
            cancelled = connection.execute(sql, (upload.id,)).rowcount == 1
        if cancelled:
            self._drop_parts(upload)
        return cancelled

    def purge(self, now: float) -> None:
        """Delete the parts of expired uploads."""
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
