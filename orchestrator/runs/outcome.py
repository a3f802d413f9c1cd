"""What a step may return, a move or a wait, and the one place that writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from orchestrator.runs.context import Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.states import State, move
from orchestrator.store import runs as store
from orchestrator.store.runs import Run


@dataclass(frozen=True)
class Wait:
    """Stay, and try again at `until` (seconds since the epoch); `reason` is what `status` shows meanwhile.

    `blocked` means that only the user can end the wait (a budget, say).
    """

    until: float
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    blocked: bool = False


@dataclass(frozen=True)
class Move:
    """Go to another state, writing `changes` and whatever `also` writes in the same transaction.

    `guard` looks at the database in that transaction too: where it returns a Wait, the run waits instead.
    """

    to: State
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    also: Callable[[Connection], None] | None = None
    guard: Callable[[Connection], Wait | None] | None = None


Outcome = Move | Wait


def record(context: Context, run: Run, outcome: Outcome) -> Run:
    """Write a step's outcome and tell the listener; returns the run as it is now. Raises LostRun."""
    durable = isinstance(outcome, Move) and outcome.to is State.CREATING
    with context.database.write(durable=durable) as connection:
        if isinstance(outcome, Move) and outcome.guard:
            outcome = outcome.guard(connection) or outcome
        if isinstance(outcome, Wait):
            written = _wait(connection, context, run, outcome)
        else:
            written = move(
                connection,
                run,
                outcome.to,
                outcome.reason,
                owner=context.owner,
                now=context.now(),
                changes=outcome.changes,
            )
            if outcome.also:
                outcome.also(connection)
            last = store.history(connection, run.id)[-1]
        kind = "wait" if isinstance(outcome, Wait) else outcome.to.value
        crash_point("before-commit", kind)
    crash_point("after-commit", kind)
    if isinstance(outcome, Wait):
        context.note_block(run, outcome.blocked)
        context.listener.noted(written)
        return written
    context.note_block(run, False)
    if written.state == State.CREATING:
        context.fresh_intents.add((written.id, written.creation_attempts))
    context.listener.moved(written, last)
    return written


def _wait(connection: Connection, context: Context, run: Run, wait: Wait) -> Run:
    changes = {"reason": wait.reason, "due_at": wait.until, **wait.changes}
    store.note(connection, run, context.owner, context.now(), changes)
    return store.get(connection, run.id)
