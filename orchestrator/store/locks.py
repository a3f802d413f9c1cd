"""Who does what only one process at a time may do, where it is no run and no upload: leases by name.

An `owner` is a process's name as a worker; a claim that has run out is anybody's.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, delete, insert, select, update

from orchestrator.store.schema import claims


def claim(
    connection: Connection,
    names: Collection[str],
    owner: str,
    expires_at: float,
    now: float,
    abandoned: Collection[str] = (),
) -> dict[str, str]:
    """Claim all of these, or none: then it returns who holds which, by name. Claims of `abandoned` owners are free,
    and so are the owner's own, which are lengthened.

    Call it in a `write()` transaction.
    """
    wanted = claims.c.name.in_(names)
    free = (claims.c.expires_at <= now) | claims.c.owner.in_({*abandoned, owner})
    held = connection.execute(select(claims.c.name, claims.c.owner).where(wanted, ~free)).all()
    if not held and names:
        connection.execute(delete(claims).where(wanted))
        rows = [{"name": name, "owner": owner, "expires_at": expires_at} for name in names]
        connection.execute(insert(claims), rows)
    return {row.name: row.owner for row in held}


def renew(connection: Connection, owner: str, expires_at: float, now: float) -> int:
    """Lengthen the claims this owner still holds; an expired one is not revived. Returns how many."""
    held = and_(claims.c.owner == owner, claims.c.expires_at > now)
    return connection.execute(update(claims).where(held).values(expires_at=expires_at)).rowcount


def release(connection: Connection, owner: str) -> None:
    """Give back every claim of this owner."""
    connection.execute(delete(claims).where(claims.c.owner == owner))


def owners(connection: Connection) -> list[str]:
    """Everyone who holds a claim."""
    return [owner for (owner,) in connection.execute(select(claims.c.owner).distinct())]
