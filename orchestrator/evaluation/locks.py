"""Locks: one process at a time asks a model. A second one waits and then finds the answers.

Otherwise two evaluations of the same model would both pay for its answers.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned, new_owner, process_of
from orchestrator.errors import DatabaseBusy, TurnLost
from orchestrator.evaluation.plan import Plan
from orchestrator.ledger import Ledger
from orchestrator.store import locks

LOOK_SECONDS = 0.5
"""How often a waiting process tries to take its turn."""

Waiting = Callable[[str], None]
"""Called once, with a sentence that says what the process waits for."""


def silent(_said: str) -> None:
    """A Waiting that shows nothing."""


def lock_names(plan: Plan, *, asks: bool = True) -> list[str]:
    """The locks for carrying the plan out: scoring this evaluation, and asking these models."""
    own = f"evaluate {plan.subject.name} with {plan.cases.sha256} on {plan.config.name}"
    return [own, *(asking_lock_names(plan) if asks else ())]


def asking_lock_names(plan: Plan) -> list[str]:
    """The locks for asking the plan's questions, or putting them into batches."""
    return [asking_lock_name(model, plan.config.name) for model in plan.unanswered]


def asking_lock_name(model: str, endpoint: str) -> str:
    """The lock for asking this model."""
    return f"ask {model} on {endpoint}"


@dataclass
class Turn:
    """The locks of this process, renewed while it works."""

    ledger: Ledger
    names: Collection[str]
    owner: str
    has_waited: bool
    clock: Callable[[], float]
    _renewed_at: float
    _is_lost: bool = False

    def require(self) -> None:
        """Call this right before each paid question, as this process may have slept. Raises TurnLost if another
        process had the turn in between: it may have asked the same question."""
        if self._is_lost or not 0 <= self.clock() - self._renewed_at < LEASE_SECONDS:
            try:
                self.renew()
            except DatabaseBusy:
                self._is_lost = True
        if self._is_lost:
            raise TurnLost

    def renew(self) -> None:
        """Renew the locks, or take back expired ones that no other process took."""
        with self.ledger.database.write() as connection:
            now = self.clock()
            kept = locks.keep(connection, self.names, self.owner, now + LEASE_SECONDS)
        self._is_lost = self._is_lost or not kept
        self._renewed_at = now


@contextmanager
def hold_locks(ledger: Ledger, names: Collection[str], waiting: Waiting = silent) -> Iterator[bool]:
    """Hold all of these locks while the block runs; yields True if this process had to wait for them.

    A dead process holds nothing; one on another machine, for up to half a minute.
    """
    with hold_turn(ledger, names, waiting) as turn:
        yield turn.has_waited


@contextmanager
def hold_turn(
    ledger: Ledger, names: Collection[str], waiting: Waiting = silent, clock: Callable[[], float] = time.time
) -> Iterator[Turn]:
    """The same, for work that checks its turn before each paid question."""
    owner = new_owner(random.SystemRandom())
    has_waited = _wait(ledger, names, owner, waiting)
    turn = Turn(ledger, names, owner, has_waited, clock, clock())
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(turn, is_over), daemon=True)
    keeper.start()
    try:
        yield turn
    finally:
        is_over.set()
        keeper.join()
        with ledger.database.write() as connection:
            locks.release(connection, owner)


def _wait(ledger: Ledger, names: Collection[str], owner: str, waiting: Waiting) -> bool:
    told = False
    while held := _try(ledger, names, owner):
        if not told:
            waiting(_sentence(held))
            told = True
        time.sleep(LOOK_SECONDS)
    return told


def _try(ledger: Ledger, names: Collection[str], owner: str) -> dict[str, str]:
    now = time.time()
    with ledger.database.write() as connection:
        gone = [other for other in locks.owners(connection) if is_abandoned(other)]
        return locks.claim(connection, names, owner, now + LEASE_SECONDS, now, gone)


def _keep(turn: Turn, is_over: threading.Event) -> None:
    """Renew in a separate thread: scoring many answers can take longer than a lease."""
    while not is_over.wait(LEASE_SECONDS / 3):
        with suppress(DatabaseBusy):
            turn.renew()


def _sentence(held: dict[str, str]) -> str:
    """`another ftorch (process 4711 on host) is about to ask gpt-4.1 on openai; waiting, to avoid paying twice`."""
    name, owner = max(held.items())  # the same evaluation says more than one of its models
    machine, number = process_of(owner)
    process = f"process {number} on {machine}" if number else machine
    what = "is running the same evaluation" if name.startswith("evaluate ") else f"is about to {name}"
    return f"another ftorch ({process}) {what}; waiting, to avoid paying twice"
