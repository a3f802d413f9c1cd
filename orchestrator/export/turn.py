"""One process at a time exports to a destination: two that look for a run at once would both create it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from orchestrator.engine.worker import is_abandoned, new_owner
from orchestrator.ledger import Ledger
from orchestrator.store import locks

TURN_SECONDS = 60.0
"""Longer than one run takes to be sent; a process that is gone holds nothing."""
_LOOK_SECONDS = 0.5


class ExportTurn:
    """This process's turn at a destination."""

    def __init__(self, ledger: Ledger, destination: str) -> None:
        self._ledger, self._name = ledger, f"export {destination}"
        self._owner = new_owner(random.SystemRandom())

    def take(self) -> bool:
        """Take the turn, or keep it for longer; False if another process has it."""
        now = time.time()
        with self._ledger.database.write() as connection:
            gone = [other for other in locks.owners(connection) if is_abandoned(other)]
            held = locks.claim(connection, [self._name], self._owner, now + TURN_SECONDS, now, gone)
        return not held

    def wait(self, say: Callable[[str], None]) -> None:
        """Take the turn as soon as it is free."""
        if self.take():
            return
        say("another ftorch is sending to the same place; waiting for it")
        while not self.take():
            time.sleep(_LOOK_SECONDS)

    def give_back(self) -> None:
        with self._ledger.database.write() as connection:
            locks.release(connection, self._owner)
