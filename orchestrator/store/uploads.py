"""Uploads: one row for each (endpoint, purpose, SHA-256), shared by all runs that send the same bytes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from orchestrator.errors import LostRun
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


_COLUMNS: list[ColumnElement[Any]] = [uploads.c[column.name] for column in fields(Upload)]


def find(connection: Connection, endpoint: str, purpose: str, sha256: str) -> Upload | None:
    """The upload of these bytes, if one was ever begun."""
    query = select(*_COLUMNS).where(
        uploads.c.endpoint == endpoint, uploads.c.purpose == purpose, uploads.c.sha256 == sha256
    )
    row = connection.execute(query).first()
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
    """Lease the upload of these bytes, made if it is new; None while somebody else is at it.

    Call it in a `write()` transaction.
    """
    known = find(connection, endpoint, purpose, sha256)
    if known is None:
        values = {"endpoint": endpoint, "purpose": purpose, "sha256": sha256, "sent_name": sent_name}
        lease = {"lease_owner": owner, "lease_expires_at": expires_at}
        connection.execute(insert(uploads).values(**values, **lease, bytes=size, created_at=now))
        return find(connection, endpoint, purpose, sha256)
    free = or_(
        uploads.c.lease_owner.is_(None),
        uploads.c.lease_owner == owner,
        uploads.c.lease_expires_at <= now,
        uploads.c.lease_owner.in_(abandoned),
    )
    statement = update(uploads).where(uploads.c.id == known.id, free)
    if connection.execute(statement.values(lease_owner=owner, lease_expires_at=expires_at)).rowcount != 1:
        return None
    return find(connection, endpoint, purpose, sha256)


def write(connection: Connection, upload: Upload, owner: str, now: float, **changes: Any) -> Upload:
    """Change a leased upload. Raises LostRun where the lease is gone."""
    held = and_(uploads.c.id == upload.id, uploads.c.lease_owner == owner, uploads.c.lease_expires_at > now)
    if connection.execute(update(uploads).where(held).values(**changes)).rowcount != 1:
        raise LostRun(run=f"(upload of {upload.sent_name})")
    found = find(connection, upload.endpoint, upload.purpose, upload.sha256)
    assert found is not None
    return found


def renew(connection: Connection, owner: str, expires_at: float, now: float) -> None:
    """Lengthen the leases this owner still holds; none gets shorter, and an expired one is not revived."""
    held = and_(uploads.c.lease_owner == owner, uploads.c.lease_expires_at.between(now, expires_at))
    connection.execute(update(uploads).where(held).values(lease_expires_at=expires_at))


def owners(connection: Connection, endpoint: str) -> list[str]:
    """Everyone who holds a lease on an upload to this endpoint."""
    query = select(uploads.c.lease_owner).where(uploads.c.endpoint == endpoint)
    return [owner for (owner,) in connection.execute(query.distinct()) if owner]


def recorded(connection: Connection, endpoint: str) -> list[Upload]:
    """The confirmed uploads on this endpoint."""
    query = select(*_COLUMNS).where(uploads.c.endpoint == endpoint, uploads.c.file_id.is_not(None))
    return [Upload(**row._mapping) for row in connection.execute(query)]


def forget(connection: Connection, endpoint: str, file_id: str) -> None:
    """Drop what is recorded of a file that the endpoint no longer has: its bytes are sent again when needed."""
    statement = update(uploads).where(uploads.c.endpoint == endpoint, uploads.c.file_id == file_id)
    connection.execute(statement.values(file_id=None, status=None, attempted_at=None))


def release(connection: Connection, owner: str) -> None:
    """Give back every lease of this owner."""
    statement = update(uploads).where(uploads.c.lease_owner == owner)
    connection.execute(statement.values(lease_owner=None, lease_expires_at=None))
