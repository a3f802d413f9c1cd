"""One process at a time asks a model: a second one waits, and then finds the answers.

Otherwise two that evaluate the same, or the same base model, would both pay for its answers.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from orchestrator.engine.worker import LEASE_SECONDS, is_abandoned, new_owner
from orchestrator.errors import DatabaseBusy
from orchestrator.evaluation.plan import Plan
from orchestrator.ledger import Ledger
from orchestrator.store import locks

LOOK_SECONDS = 0.5
"""How often a process that waits looks whether it is its turn."""

Waiting = Callable[[str], None]
"""Is told once, in a sentence, what is waited for."""


def silent(_said: str) -> None:
    """For those who show nothing."""


def lock_names(plan: Plan, *, asks: bool = True) -> list[str]:
    """What nobody else may do while the plan is carried out: score this evaluation, and ask these models."""
    own = f"evaluate {plan.subject.name} with {plan.cases.sha256} on {plan.config.name}"
    return [own, *(asking_lock_names(plan) if asks else ())]


def asking_lock_names(plan: Plan) -> list[str]:
    """What nobody else may do while the plan's questions are asked, or put into batches."""
    return [f"ask {model} on {plan.config.name}" for model in plan.unanswered]


@contextmanager
def hold_locks(ledger: Ledger, names: Collection[str], waiting: Waiting = silent) -> Iterator[bool]:
    """Hold these claims, all of them, for as long as the block runs; yields whether they had to be waited for.

    A process that is gone holds nothing; one of another machine that is gone, for half a minute more.
    """
    owner = new_owner(random.SystemRandom())
    has_waited = _wait(ledger, names, owner, waiting)
    is_over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(ledger, names, owner, is_over), daemon=True)
    keeper.start()
    try:
        yield has_waited
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


def _keep(ledger: Ledger, names: Collection[str], owner: str, is_over: threading.Event) -> None:
    """Renew in a thread of its own: scoring many answers keeps the other one busy for longer than a lease lasts.

    Of a machine that slept for longer, the turn goes on where nobody took it meanwhile.
    """
    while not is_over.wait(LEASE_SECONDS / 3):
        with suppress(DatabaseBusy), ledger.database.write() as connection:
            now = time.time()
            if locks.claim(connection, names, owner, now + LEASE_SECONDS, now):
                locks.renew(connection, owner, now + LEASE_SECONDS, now)


def _sentence(held: dict[str, str]) -> str:
    """`another ftorch (process 4711 on host) is to ask gpt-4.1 on openai; waiting, to pay no answer twice`."""
    name, owner = max(held.items())  # the same evaluation says more than one model of it
    machine, pid, _ = owner.rsplit(":", 2)
    what = "evaluates the same" if name.startswith("evaluate ") else f"is to {name}"
    return f"another ftorch (process {pid} on {machine.partition('.')[0]}) {what}; waiting, to pay no answer twice"
