"""The findings of the last check of a data file, by the SHA-256 of its bytes as sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from sqlalchemy import Connection, delete, insert, select

from orchestrator.store.schema import data_checks


@dataclass(frozen=True)
class DataCheck:
    """One row of `data_checks`: a file that was fit to be sent, and its warnings."""

    sha256: str
    purpose: str
    method: str
    examples: int
    tokens: int | None
    """Of one epoch; None if they were not counted."""
    variant: str | None
    """The format of the tool definitions; None if there are none, or if they are mixed."""
    findings: Mapping[str, int]
    """The number of findings of each code."""
    checked_at: float


def keep(connection: Connection, check: DataCheck) -> None:
    """Record a check in place of an earlier one of the same bytes. Call it in a `write()` transaction."""
    same = (data_checks.c.sha256 == check.sha256, data_checks.c.purpose == check.purpose)
    connection.execute(delete(data_checks).where(*same))
    connection.execute(insert(data_checks).values(**{**asdict(check), "findings": dict(check.findings)}))


def find(connection: Connection, sha256: str, purpose: str) -> DataCheck | None:
    """The last check of these bytes for this purpose."""
    columns = [data_checks.c[field.name] for field in fields(DataCheck)]
    query = select(*columns).where(data_checks.c.sha256 == sha256, data_checks.c.purpose == purpose)
    row = connection.execute(query).first()
    return DataCheck(**row._mapping) if row else None
