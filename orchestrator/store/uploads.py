"""Uploads: one row per (endpoint, purpose, SHA-256), shared by all runs that send the same bytes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, insert, select, update

from orchestrator.errors import LostLease
from orchestrator.store.leased import Leases
from orchestrator.store.schema import uploads


@dataclass(frozen=True)
class Upload:
    """One row of `uploads`; `file_id` is None until the endpoint's answer is recorded."""

    id: int
    endpoint: str
    purpose: str
    sha256: str
    sent_name: str
    bytes: int
    file_id: str | None
    status: str | None
    attempted_at: float | None
    lease_owner: str | None
    lease_expires_at: float | None
    created_at: float


UPLOADS = Leases(uploads, shortens=False)
"""An upload may be leased for longer than a run, as a file may take long: renewing never shortens it."""
_COLUMNS: list[ColumnElement[Any]] = [uploads.c[column.name] for column in fields(Upload)]
_OF_BYTES = select(*_COLUMNS).where(
    uploads.c.endpoint == bindparam("endpoint"),
    uploads.c.purpose == bindparam("purpose"),
    uploads.c.sha256 == bindparam("sha256"),
)


def find(connection: Connection, endpoint: str, purpose: str, sha256: str) -> Upload | None:
    """The upload of these bytes, if one was ever started."""
    row = connection.execute(_OF_BYTES, {"endpoint": endpoint, "purpose": purpose, "sha256": sha256}).first()
    return Upload(**row._mapping) if row else None


def claim(
    connection: Connection,
    *,
    endpoint: str,
    purpose: str,
    sha256: str,
    sent_name: str,
    size: int,
    owner: str,
    expires_at: float,
    now: float,
    abandoned: Collection[str],
) -> Upload | None:
    """Lease the upload of these bytes, created if new; None while another process works on it.

    Call it in a `write()` transaction.
    """
    known = find(connection, endpoint, purpose, sha256)
    if known is None:
        values = {"endpoint": endpoint, "purpose": purpose, "sha256": sha256, "sent_name": sent_name}
        lease = {"lease_owner": owner, "lease_expires_at": expires_at}
        connection.execute(insert(uploads).values(**values, **lease, bytes=size, created_at=now))
        return find(connection, endpoint, purpose, sha256)
    free = UPLOADS.free(now, {*abandoned, owner})
    taken = UPLOADS.take(connection, owner, expires_at, uploads.c.id == known.id, free)
    return find(connection, endpoint, purpose, sha256) if taken else None


def is_held(connection: Connection, upload: Upload, owner: str, now: float) -> bool:
    """Whether this owner's lease on the upload is valid."""
    found = find(connection, upload.endpoint, upload.purpose, upload.sha256)
    return found is not None and found.lease_owner == owner and (found.lease_expires_at or 0.0) > now


def write(connection: Connection, upload: Upload, owner: str, now: float, **changes: Any) -> Upload:
    """Change a leased upload. Raises LostLease if the lease is gone."""
    held = and_(uploads.c.id == upload.id, uploads.c.lease_owner == owner, uploads.c.lease_expires_at > now)
    if connection.execute(update(uploads).where(held).values(**changes)).rowcount != 1:
        raise LostLease(kind="upload", id=upload.sent_name)
    found = find(connection, upload.endpoint, upload.purpose, upload.sha256)
    assert found is not None
    return found


def recorded(connection: Connection, endpoint: str) -> list[Upload]:
    """The confirmed uploads on this endpoint."""
    query = select(*_COLUMNS).where(uploads.c.endpoint == endpoint, uploads.c.file_id.is_not(None))
    return [Upload(**row._mapping) for row in connection.execute(query)]


def forget(connection: Connection, endpoint: str, file_id: str) -> None:
    """Delete the record of a file that the endpoint no longer has: its bytes are sent again when needed."""
    statement = update(uploads).where(uploads.c.endpoint == endpoint, uploads.c.file_id == file_id)
    connection.execute(statement.values(file_id=None, status=None, attempted_at=None))
