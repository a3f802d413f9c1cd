"""A kind of item that moves from state to state: its table of legal moves, and the one place that writes a move.

A step looks at an item and returns an outcome: a `Move`, a `Wait`, or `Rest`. `Machine.record` writes it in one
transaction, with a row of history, if the item is unchanged since it was read and this worker still holds its
lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic

from sqlalchemy import Connection

from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.worker import Worker
from orchestrator.errors import IllegalMove
from orchestrator.store.leased import Leased, T, Transition


@dataclass(frozen=True)
class Wait:
    """Stay, and try again at `until` (seconds since the epoch); `reason` is what `status` shows meanwhile.

    `blocked` means that only the user can end the wait (a budget, for example).
    """

    until: float
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    blocked: bool = False


@dataclass(frozen=True)
class Move:
    """Go to another state, writing `changes`, and whatever `also` writes, in the same transaction.

    `guard` checks the database in that transaction too: if it returns a Wait, the item waits instead.
    """

    to: StrEnum
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    also: Callable[[Connection], None] | None = None
    guard: Callable[[Connection], Wait | None] | None = None


@dataclass(frozen=True)
class Rest:
    """Nothing to write, nothing to wait for."""


Outcome = Move | Wait | Rest


@dataclass(frozen=True)
class Machine(Generic[T]):
    """One kind of item: its table in the database, and its legal moves. A state without moves is final."""

    rows: Leased[T]
    moves: Mapping[Any, frozenset[Any]]
    """From each state of the kind's enum to the states that may follow it."""
    intent: StrEnum | None = None
    """The state whose entry records that money is about to be spent: its commit waits for the disk."""
    points: str = ""
    """The prefix of this kind's crash points."""
    on_end: Callable[[Connection, str], object] | None = None
    """What else is written, for the item of this id, when it enters a final state."""

    @property
    def final(self) -> frozenset[Any]:
        return frozenset(state for state, moves in self.moves.items() if not moves)

    def move(
        self,
        connection: Connection,
        item: T,
        to: StrEnum,
        reason: str,
        *,
        owner: str,
        now: float,
        changes: Mapping[str, Any] | None = None,
    ) -> T:
        """Move an item to a state, with a row of history, in the caller's transaction; returns it as it is now.

        A compare-and-swap: it writes only if the item is unchanged since it was read and `owner` still holds its
        lease. Raises LostLease otherwise, and IllegalMove for a move that is not in the table. Nothing else writes
        a state.
        """
        moved, _line = self._move(connection, item, Move(to, reason, changes or {}), owner, now)
        return moved

    def holds(self, worker: Worker[T], item: T) -> bool:
        """Whether the database still has the item as it was read, with this worker's lease on it.

        Call it right before a request that must not be sent twice: this process may have been suspended.
        """
        with worker.database.read() as connection:
            return self.rows.holds(connection, item, worker.owner, worker.now())

    def record(self, worker: Worker[T], item: T, outcome: Move | Wait) -> T:
        """Write a step's outcome and show it; returns the item as it is now. Raises LostLease and IllegalMove."""
        line = None
        is_intent = isinstance(outcome, Move) and outcome.to == self.intent
        with worker.database.write(durable=is_intent) as connection:
            if isinstance(outcome, Move) and outcome.guard:
                outcome = outcome.guard(connection) or outcome
            if isinstance(outcome, Wait):
                name = "wait"
                written = self._wait(connection, item, outcome, worker)
            else:
                name = outcome.to.value
                written, line = self._move(connection, item, outcome, worker.owner, worker.now())
            crash_point("before-commit", self.points + name)
        crash_point("after-commit", self.points + name)
        worker.note_block(item.id, isinstance(outcome, Wait) and outcome.blocked)
        if line is not None and line.to_state == self.intent:
            worker.fresh_intents.add((written.id, written.version))
        if line is None:
            worker.noted(written, item)
        else:
            worker.moved(written, line)
        return written

    def _move(self, connection: Connection, item: T, to: Move, owner: str, now: float) -> tuple[T, Transition]:
        if to.to not in self.moves[item.state]:
            raise IllegalMove(kind=self.rows.kind, id=item.id, from_state=item.state, to_state=to.to)
        values = {"state": to.to.value, "reason": to.reason, "due_at": None, **to.changes}
        if to.to in self.final:
            values |= {"finished_at": now, "requested_action": None, "lease_owner": None, "lease_expires_at": None}
        moved = self.rows.swap(connection, item, owner, now, values)
        line = Transition(item.id, moved.version, item.state, to.to.value, to.reason, now, owner)
        self.rows.add_line(connection, line)
        if self.on_end and to.to in self.final:
            self.on_end(connection, item.id)
        if to.also:
            to.also(connection)
        return moved, line

    def _wait(self, connection: Connection, item: T, wait: Wait, worker: Worker[T]) -> T:
        changes = {"reason": wait.reason, "due_at": wait.until, **wait.changes}
        written = self.rows.note(connection, item, worker.owner, worker.now(), changes)
        if written.requested_action == item.requested_action:
            return written
        # A request that the user made during the step does not wait.
        return self.rows.note(connection, written, worker.owner, worker.now(), {"due_at": None})
