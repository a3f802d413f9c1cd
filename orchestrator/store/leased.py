"""Leases, and rows that move under a lease: claiming, renewing, giving back, swapping, noting, and their history.

`Leases` works on any table that names an owner and an expiry. `Leased` works on a table whose rows also have a
state and a version, with a table of history beside it. An `owner` is a process's name as a worker; an expired lease
is anybody's. Every method that writes belongs in a `write()` transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, func, insert, or_, select, update

from orchestrator.errors import FtorchError, LostLease, NoSuchItem

CLOCKS_APART = 60.0
"""Seconds by which the clocks of two machines that share a database may differ."""

Condition = ColumnElement[bool]


class Item(Protocol):
    """What every row has that moves under a lease. Times are seconds since the epoch."""

    @property
    def id(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def created_at(self) -> float: ...
    @property
    def due_at(self) -> float | None: ...
    @property
    def requested_action(self) -> str | None: ...
    @property
    def finished_at(self) -> float | None: ...
    @property
    def lease_owner(self) -> str | None: ...
    @property
    def lease_expires_at(self) -> float | None: ...


T = TypeVar("T", bound=Item)


@dataclass(frozen=True)
class Transition:
    """One line of an item's history; the first has no `from_state` and no `owner`."""

    item_id: str
    version: int
    from_state: str | None
    to_state: str
    reason: str
    at: float
    owner: str | None


class Leases:
    """The leases in one table; `owner` and `expires_at` are its columns for them.

    Renewing also shortens a lease that lasts longer, as one does after the clock was set back, where it `shortens`.
    """

    def __init__(
        self,
        table: Table,
        owner: str = "lease_owner",
        expires_at: str = "lease_expires_at",
        *,
        shortens: bool = True,
    ) -> None:
        self.table = table
        self._shortens = shortens
        self._owner: ColumnElement[Any] = table.c[owner]
        self._expires_at: ColumnElement[Any] = table.c[expires_at]
        self._names = owner, expires_at

    def free(self, now: float, owners: Collection[str] = ()) -> Condition:
        """The rows that nobody holds, whose lease has expired, or that one of these owners holds."""
        held_by = self._owner.in_(owners)
        return or_(self._owner.is_(None), self._expires_at <= now, held_by)

    def take(self, connection: Connection, owner: str, expires_at: float, *where: Condition) -> int:
        """Lease these rows, whoever holds them; returns how many."""
        return connection.execute(update(self.table).where(*where).values(self._lease(owner, expires_at))).rowcount

    def renew(self, connection: Connection, owner: str, expires_at: float, now: float) -> int:
        """Set the end of the leases this owner still holds; an expired one is not revived. Returns how many."""
        held = and_(self._owner == owner, self._expires_at > now)
        if not self._shortens:
            held = and_(held, self._expires_at <= expires_at)
        return connection.execute(update(self.table).where(held).values({self._names[1]: expires_at})).rowcount

    def release(self, connection: Connection, owner: str) -> None:
        """Give back every lease of this owner."""
        connection.execute(update(self.table).where(self._owner == owner).values(self._lease(None, None)))

    def owners(self, connection: Connection, endpoint: str | None = None) -> list[str]:
        """Everyone who holds a lease, expired or not: on any row, or on those of one endpoint."""
        query = select(self._owner).where(self._owner.is_not(None))
        if endpoint is not None:
            query = query.where(self.table.c.endpoint == endpoint)
        return list(connection.execute(query.distinct()).scalars())

    def _lease(self, owner: str | None, expires_at: float | None) -> dict[str, Any]:
        return dict(zip(self._names, (owner, expires_at), strict=True))


class Leased(Leases, Generic[T]):
    """A table of items with its table of history. `kind` is what an item is called in errors."""

    def __init__(
        self, kind: str, table: Table, history: Table, row_type: type[T], missing: type[FtorchError] = NoSuchItem
    ) -> None:
        super().__init__(table)
        self.kind = kind
        self._row_type = row_type
        self._missing = missing
        self._fields = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
        self.columns: list[ColumnElement[Any]] = [table.c[name] for name in self._fields]
        self._history = history
        [self._history_id] = [column for column in history.c if column.foreign_keys]
        # Built once: building a statement takes longer than SQLite takes to carry it out.
        self._by_id = select(*self.columns).where(table.c.id == bindparam("item_id"))
        self._as_read = update(table).where(
            table.c.id == bindparam("item_id"),
            table.c.version == bindparam("read_version"),
            table.c.lease_owner == bindparam("by"),
            table.c.lease_expires_at > bindparam("at"),
        )
        self._add_line = insert(history)

    def item(self, row: Row[Any]) -> T:
        """The item that a row of `columns` holds."""
        return self._row_type(**row._mapping)

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, connection: Connection, item_id: str) -> T:
        """The item of that id. Raises the error that says there is none."""
        row = connection.execute(self._by_id, {"item_id": item_id}).first()
        if row is None:
            raise self._missing(key=item_id, kind=self.kind)
        return self.item(row)

    def by_ids(self, connection: Connection, ids: Collection[str]) -> list[T]:
        """The items of these ids, oldest first."""
        return self.select(connection, self.table.c.id.in_(ids))

    def history(self, connection: Connection, item_id: str) -> list[Transition]:
        """Every move of the item, oldest first."""
        lines = self._history.c
        columns = [self._history_id, *(lines[field.name] for field in fields(Transition)[1:])]
        query = select(*columns).where(self._history_id == item_id).order_by(lines.version)
        return [Transition(*row) for row in connection.execute(query)]

    def held(
        self,
        connection: Connection,
        owner: str,
        *,
        endpoint: str,
        states: Collection[str],
        ids: Collection[str] | None = None,
        due_before: float | None = None,
        limit: int | None = None,
    ) -> list[T]:
        """The items of these states that `owner` holds, oldest first; with `due_before` only those due by then."""
        where = self._held(owner, endpoint, states, ids)
        if due_before is not None:
            where.append(or_(self.table.c.due_at.is_(None), self.table.c.due_at <= due_before))
        return self.select(connection, *where, limit=limit)

    def next_due(
        self,
        connection: Connection,
        owner: str,
        *,
        endpoint: str,
        states: Collection[str],
        ids: Collection[str] | None = None,
    ) -> float | None:
        """When the first of these items that `owner` holds is due: 0 for now, None where it holds none."""
        first = func.min(func.coalesce(self.table.c.due_at, 0.0))
        return connection.execute(select(first).where(*self._held(owner, endpoint, states, ids))).scalar()

    def holds(self, connection: Connection, item: T, owner: str, until: float) -> bool:
        """Whether the item is still as it was read, and the owner's lease on it lasts beyond `until`."""
        current = self.get(connection, item.id)
        is_as_read = current.version == item.version and current.lease_owner == owner
        return is_as_read and (current.lease_expires_at or 0.0) > until

    def select(self, connection: Connection, *where: Condition, limit: int | None = None) -> list[T]:
        """The items for which all of this holds, oldest first."""
        query = select(*self.columns).where(*where).order_by(self.table.c.created_at, self.table.c.id).limit(limit)
        return [self.item(row) for row in connection.execute(query)]

    def _held(
        self, owner: str, endpoint: str, states: Collection[str], ids: Collection[str] | None
    ) -> list[Condition]:
        table = self.table.c
        where = [table.lease_owner == owner, table.endpoint == endpoint, table.state.in_(states)]
        return where if ids is None else [*where, table.id.in_(ids)]

    # --- writing under a lease -----------------------------------------------------------------------------

    def claim(
        self,
        connection: Connection,
        owner: str,
        expires_at: float,
        now: float,
        *,
        endpoint: str | None = None,
        states: Collection[str] | None = None,
        ids: Collection[str] | None = None,
        except_ids: Collection[str] = (),
        abandoned: Collection[str] = (),
    ) -> int:
        """Lease the free items that are not over: all, or those of an endpoint, of these states, of these ids, but
        for `except_ids`.
        Returns how many are newly leased; the owner's own leases stay as they are.

        An item is free when nobody holds it, when its lease has expired, or when its owner is among `abandoned`.
        """
        table = self.table.c
        where = [table.finished_at.is_(None), self.free(now, set(abandoned) - {owner})]
        where += [] if endpoint is None else [table.endpoint == endpoint]
        where += [] if states is None else [table.state.in_(states)]
        where += [] if ids is None else [table.id.in_(ids)]
        where += [table.id.not_in(except_ids)] if except_ids else []
        return self.take(connection, owner, expires_at, *where)

    def swap(self, connection: Connection, item: T, owner: str, now: float, changes: Mapping[str, Any]) -> T:
        """Write `changes` with the next version, if the item is still as it was read and `owner` holds its lease;
        returns it as it is now. Raises LostLease otherwise, having written nothing."""
        return self.note(connection, item, owner, now, {**changes, "version": item.version + 1})

    def note(self, connection: Connection, item: T, owner: str, now: float, changes: Mapping[str, Any]) -> T:
        """Write what is no move (what an item waits for, what the endpoint last said) under the same checks as
        `swap`, without a new version. Raises LostLease."""
        as_read = {"item_id": item.id, "read_version": item.version, "by": owner, "at": now}
        if connection.execute(self._as_read, {**changes, "updated_at": now, **as_read}).rowcount != 1:
            raise LostLease(kind=self.kind, id=item.id)
        return self.get(connection, item.id)

    # --- writing without a lease ---------------------------------------------------------------------------

    def add(self, connection: Connection, item: T, reason: str | None = None) -> None:
        """Record a new item and the first line of its history, whose reason is the item's unless one is given."""
        connection.execute(insert(self.table), {name: getattr(item, name) for name in self._fields})
        said = item.reason if reason is None else reason
        line = Transition(item.id, item.version, None, item.state, said, item.created_at, None)
        self.add_line(connection, line)

    def add_line(self, connection: Connection, line: Transition) -> None:
        """Add a line of history."""
        values = {field.name: getattr(line, field.name) for field in fields(Transition)[1:]}
        connection.execute(self._add_line, {self._history_id.name: line.item_id, **values})

    def request_action(self, connection: Connection, item_id: str, action: str | None) -> bool:
        """Record what the user wants of an item, which ends its wait; False when the item is over."""
        active = and_(self.table.c.id == item_id, self.table.c.finished_at.is_(None))
        values = {"requested_action": action, "due_at": None}
        return connection.execute(update(self.table).where(active).values(values)).rowcount == 1

    def hasten(self, connection: Connection, *where: Condition) -> None:
        """End the waits of the items for which this holds: being tried early changes no item's safety."""
        active = self.table.c.finished_at.is_(None)
        connection.execute(update(self.table).where(active, *where).values(due_at=None))

    def end_future_waits(self, connection: Connection, endpoint: str, now: float) -> None:
        """End the waits that began in the future: the clock was set back since then."""
        table = self.table.c
        began_later = table.updated_at > now + CLOCKS_APART
        future = and_(table.endpoint == endpoint, table.due_at.is_not(None), began_later)
        connection.execute(update(self.table).where(future).values(due_at=None, updated_at=now))
