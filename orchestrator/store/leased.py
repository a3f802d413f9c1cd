"""Leases, and rows that move under a lease: claiming, renewing, releasing, swapping, updating, and their history.

`Leases` works on any table that names an owner and an expiry. `Leased` works on a table whose rows also have a
state and a version, with a table of history. An `owner` is a process's name as a worker; anybody may take an
expired lease. Every method that writes belongs in a `write()` transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    CursorResult,
    Integer,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from orchestrator.errors import FtorchError, LostLease, NoSuchItem

CLOCKS_APART = 60.0
"""Seconds by which the clocks of two machines that share a database may differ."""

Condition = ColumnElement[bool]
_ALL = 2**31 - 1
"""No limit: the largest INTEGER of PostgreSQL."""


class Narrowed:
    """A statement, and the conditions that may narrow it, by name: each has a parameter of its name.

    Each combination is built once: building a statement takes longer than SQLite takes to execute it.
    """

    def __init__(self, statement: Select[Any] | Update, **conditions: Condition) -> None:
        self._statement = statement
        self._conditions = conditions
        self._built: dict[frozenset[str], Select[Any] | Update] = {}

    def execute(self, connection: Connection, values: Mapping[str, Any], **narrowing: Any) -> CursorResult[Any]:
        """Execute it with its own `values`, narrowed by the conditions whose value is not None."""
        given = {name: value for name, value in narrowing.items() if value is not None}
        names = frozenset(given)
        if names not in self._built:
            self._built[names] = self._statement.where(*(self._conditions[name] for name in given))
        return connection.execute(self._built[names], {**values, **given})


class Item(Protocol):
    """The columns of every row that moves under a lease. Times are seconds since the epoch."""

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
    """One row of an item's history; the first has no `from_state` and no `owner`."""

    item_id: str
    version: int
    from_state: str | None
    to_state: str
    reason: str
    at: float
    owner: str | None


class Leases:
    """The leases in one table; `owner` and `expires_at` are its columns for them.

    With `shortens`, renewing also shortens a lease that lasts longer, as one does after the clock was set back.
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
        self._owner: ColumnElement[Any] = table.c[owner]
        self._expires_at: ColumnElement[Any] = table.c[expires_at]
        self._names = owner, expires_at
        self._is_holder: Condition = self._owner == bindparam("by")
        held = and_(self._is_holder, self._expires_at > bindparam("at"))
        if not shortens:
            held = and_(held, self._expires_at <= bindparam("until"))
        self._renew = update(table).where(held).values({expires_at: bindparam("until")})
        self._release = update(table).where(self._is_holder).values(self._lease(None, None))
        there = {"endpoint": table.c.endpoint == bindparam("endpoint")} if "endpoint" in table.c else {}
        self._owners = Narrowed(select(self._owner).where(self._owner.is_not(None)).distinct(), **there)

    def free(self, now: float | BindParameter[Any], owners: Collection[str] | BindParameter[Any] = ()) -> Condition:
        """The rows without a lease, with an expired one, or with one of these owners."""
        held_by = self._owner.in_(owners)
        return or_(self._owner.is_(None), self._expires_at <= now, held_by)

    def take(self, connection: Connection, owner: str, expires_at: float, *where: Condition) -> int:
        """Lease these rows, even from other holders; returns how many."""
        return connection.execute(update(self.table).where(*where).values(self._lease(owner, expires_at))).rowcount

    def renew(self, connection: Connection, owner: str, expires_at: float, now: float) -> int:
        """Set the end of the leases this owner still holds; an expired one is not revived. Returns how many."""
        return connection.execute(self._renew, {"by": owner, "until": expires_at, "at": now}).rowcount

    def release(self, connection: Connection, owner: str) -> None:
        """Release every lease of this owner."""
        connection.execute(self._release, {"by": owner})

    def owners(self, connection: Connection, endpoint: str | None = None) -> list[str]:
        """Every holder of a lease, expired or not: on any row, or on those of one endpoint."""
        return list(self._owners.execute(connection, {}, endpoint=endpoint).scalars())

    def _lease(
        self, owner: str | BindParameter[Any] | None, expires_at: float | BindParameter[Any] | None
    ) -> dict[str, Any]:
        return dict(zip(self._names, (owner, expires_at), strict=True))


class Leased(Leases, Generic[T]):
    """A table of items with its table of history. `kind` is the name of an item in errors."""

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
        self._build(table, history)

    def _build(self, table: Table, history: Table) -> None:
        """Build the statements; their parameters must not be named like columns."""
        narrowing = {
            "on_endpoint": table.c.endpoint == bindparam("on_endpoint"),
            "in_states": table.c.state.in_(bindparam("in_states", expanding=True)),
            "among": table.c.id.in_(bindparam("among", expanding=True)),
            "except_ids": table.c.id.not_in(bindparam("except_ids", expanding=True)),
            "due_by": or_(table.c.due_at.is_(None), table.c.due_at <= bindparam("due_by")),
        }
        in_order = select(*self.columns).order_by(table.c.created_at, table.c.id)
        at_most = in_order.limit(bindparam("at_most", type_=Integer))
        first_due = select(func.min(func.coalesce(table.c.due_at, 0.0)))
        is_free = self.free(bindparam("at"), bindparam("owners", expanding=True))
        lease = self._lease(bindparam("by"), bindparam("until"))
        claim = update(table).where(table.c.finished_at.is_(None), is_free).values(lease)
        self._in_order = in_order
        self._by_ids = in_order.where(narrowing["among"])
        self._held = Narrowed(at_most.where(self._is_holder), **narrowing)
        self._next_due = Narrowed(first_due.where(self._is_holder), **narrowing)
        self._claim = Narrowed(claim, **narrowing)
        self._by_id = select(*self.columns).where(table.c.id == bindparam("item_id"))
        self._as_read = update(table).where(
            table.c.id == bindparam("item_id"),
            table.c.version == bindparam("read_version"),
            table.c.lease_owner == bindparam("by"),
            table.c.lease_expires_at > bindparam("at"),
        )
        self._add_line = insert(history)

    def item(self, row: Row[Any]) -> T:
        """The item in a row of `columns`."""
        return self._row_type(**row._mapping)

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, connection: Connection, item_id: str) -> T:
        """The item of that id. Raises the kind's error if there is none."""
        row = connection.execute(self._by_id, {"item_id": item_id}).first()
        if row is None:
            raise self._missing(key=item_id, kind=self.kind)
        return self.item(row)

    def by_ids(self, connection: Connection, ids: Collection[str]) -> list[T]:
        """The items of these ids, oldest first."""
        return [self.item(row) for row in connection.execute(self._by_ids, {"among": list(ids)})]

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
        """The items in these states that `owner` holds, oldest first; with `due_before` only those due by then."""
        rows = self._held.execute(
            connection,
            {"by": owner, "at_most": _ALL if limit is None else limit},
            on_endpoint=endpoint,
            in_states=list(states),
            among=_listed(ids),
            due_by=due_before,
        )
        return [self.item(row) for row in rows]

    def next_due(
        self,
        connection: Connection,
        owner: str,
        *,
        endpoint: str,
        states: Collection[str],
        ids: Collection[str] | None = None,
    ) -> float | None:
        """When the first of these items that `owner` holds is due: 0 for now, None if it holds none."""
        due: float | None = self._next_due.execute(
            connection, {"by": owner}, on_endpoint=endpoint, in_states=list(states), among=_listed(ids)
        ).scalar()
        return due

    def holds(self, connection: Connection, item: T, owner: str, until: float) -> bool:
        """Whether the item is unchanged since it was read, and the owner's lease on it lasts beyond `until`."""
        current = self.get(connection, item.id)
        is_as_read = current.version == item.version and current.lease_owner == owner
        return is_as_read and (current.lease_expires_at or 0.0) > until

    def select(self, connection: Connection, *where: Condition, limit: int | None = None) -> list[T]:
        """The items for which all of this holds, oldest first."""
        return [self.item(row) for row in connection.execute(self._in_order.where(*where).limit(limit))]

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
        """Lease the free unfinished items: all, or those of an endpoint, in these states, of these ids, but not
        those in `except_ids`. Returns how many are newly leased; the owner's own leases are unchanged.

        An item is free when nobody holds it, when its lease has expired, or when its owner is among `abandoned`.
        """
        values = {"by": owner, "until": expires_at, "at": now, "owners": list(set(abandoned) - {owner})}
        return self._claim.execute(
            connection,
            values,
            on_endpoint=endpoint,
            in_states=_listed(states),
            among=_listed(ids),
            except_ids=list(except_ids) or None,
        ).rowcount

    def claim_some(
        self,
        connection: Connection,
        owner: str,
        expires_at: float,
        now: float,
        *,
        endpoint: str,
        limit: int,
        except_ids: Collection[str] = (),
        abandoned: Collection[str] = (),
        unchanged_since: float | None = None,
    ) -> int:
        """Like `claim`, for at most `limit` items of an endpoint, oldest first; with `unchanged_since` only those
        that nobody has changed since then. Returns how many are newly leased."""
        table = self.table.c
        unfinished = (table.endpoint == endpoint, table.finished_at.is_(None))
        free = self.free(now, list(set(abandoned) - {owner}))
        found = select(table.id).where(*unfinished, free, table.id.not_in(list(except_ids)))
        if unchanged_since is not None:
            found = found.where(table.updated_at <= unchanged_since)
        chosen = found.order_by(table.created_at, table.id).limit(limit)
        return self.take(connection, owner, expires_at, table.id.in_(chosen))

    def swap(self, connection: Connection, item: T, owner: str, now: float, changes: Mapping[str, Any]) -> T:
        """Write `changes` with the next version, if the item is unchanged since it was read and `owner` holds its
        lease; returns it as it is now. Raises LostLease otherwise, without writing anything."""
        return self.note(connection, item, owner, now, {**changes, "version": item.version + 1})

    def note(self, connection: Connection, item: T, owner: str, now: float, changes: Mapping[str, Any]) -> T:
        """Write values that are no move (what an item waits for, the endpoint's last status) under the same checks
        as `swap`, without a new version. Raises LostLease."""
        as_read = {"item_id": item.id, "read_version": item.version, "by": owner, "at": now}
        if connection.execute(self._as_read, {**changes, "updated_at": now, **as_read}).rowcount != 1:
            raise LostLease(kind=self.kind, id=item.id)
        return self.get(connection, item.id)

    # --- writing without a lease ---------------------------------------------------------------------------

    def add(self, connection: Connection, item: T, reason: str | None = None) -> None:
        """Record a new item and the first row of its history, with the item's reason unless one is given."""
        connection.execute(insert(self.table), {name: getattr(item, name) for name in self._fields})
        said = item.reason if reason is None else reason
        line = Transition(item.id, item.version, None, item.state, said, item.created_at, None)
        self.add_line(connection, line)

    def add_line(self, connection: Connection, line: Transition) -> None:
        """Add a row of history."""
        values = {field.name: getattr(line, field.name) for field in fields(Transition)[1:]}
        connection.execute(self._add_line, {self._history_id.name: line.item_id, **values})

    def request_action(self, connection: Connection, item_id: str, action: str | None) -> bool:
        """Record the user's request for an item, which ends its wait; False if the item has finished."""
        active = and_(self.table.c.id == item_id, self.table.c.finished_at.is_(None))
        values = {"requested_action": action, "due_at": None}
        return connection.execute(update(self.table).where(active).values(values)).rowcount == 1

    def hasten(self, connection: Connection, *where: Condition) -> None:
        """End the waits of the items for which this holds: trying early is always safe."""
        active = self.table.c.finished_at.is_(None)
        connection.execute(update(self.table).where(active, *where).values(due_at=None))

    def end_future_waits(self, connection: Connection, endpoint: str, now: float) -> None:
        """End the waits that began in the future: the clock was set back since then."""
        table = self.table.c
        began_later = table.updated_at > now + CLOCKS_APART
        future = and_(table.endpoint == endpoint, table.due_at.is_not(None), began_later)
        connection.execute(update(self.table).where(future).values(due_at=None, updated_at=now))


def _listed(values: Collection[str] | None) -> list[str] | None:
    """As the database's driver takes many values for one parameter."""
    return None if values is None else list(values)
