"""Named leases, for work other than runs and uploads that only one process may do at a time.

An `owner` is a process's name as a worker; anybody may take an expired claim.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select, update

from orchestrator.store.leased import Leases
from orchestrator.store.schema import claims

LOCKS = Leases(claims, "owner", "expires_at")

owners = LOCKS.owners


def claim(
    connection: Connection,
    names: Collection[str],
    owner: str,
    expires_at: float,
    now: float,
    abandoned: Collection[str] = (),
) -> dict[str, str]:
    """Claim all of these, or none: then it returns the holders by name. Claims of `abandoned` owners are free, and
    so are the owner's, which are extended.

    Call it in a `write()` transaction.
    """
    wanted = claims.c.name.in_(names)
    free = LOCKS.free(now, {*abandoned, owner})
    held = connection.execute(select(claims.c.name, claims.c.owner).where(wanted, ~free)).all()
    if not held and names:
        connection.execute(delete(claims).where(wanted))
        rows = [{"name": name, "owner": owner, "expires_at": expires_at} for name in names]
        connection.execute(insert(claims), rows)
    return {row.name: row.owner for row in held}


def held(connection: Connection, names: Collection[str], now: float, abandoned: Collection[str] = ()) -> list[str]:
    """Those of these that are claimed now, by other owners than the `abandoned` ones."""
    query = select(claims.c.name).where(claims.c.name.in_(names), ~LOCKS.free(now, abandoned))
    return sorted(connection.execute(query).scalars())


def keep(connection: Connection, names: Collection[str], owner: str, expires_at: float) -> bool:
    """Extend the owner's claims on these, including expired ones, unless another process has claimed one since;
    returns whether the owner still has all."""
    ours = (claims.c.owner == owner) & claims.c.name.in_(names)
    return connection.execute(update(claims).where(ours).values(expires_at=expires_at)).rowcount == len(set(names))


def release(connection: Connection, owner: str) -> None:
    """Release every claim of this owner."""
    connection.execute(delete(claims).where(claims.c.owner == owner))
