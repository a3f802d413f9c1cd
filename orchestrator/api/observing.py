"""While work goes on: notify people of what ends, and give trackers what is new, each in its own thread.

Neither is ever in the way: the work waits for nothing, an error is shown once, and at the end of the command there
is one short wait. What is not sent by then is sent by the next process that observes the same records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from orchestrator.api.host import Host
from orchestrator.errors import FtorchError
from orchestrator.ledger import Ledger
from orchestrator.tracktables import Tracking

LAST_WAIT_SECONDS = 11.0
"""At the end of a command: one notification's timeout, and a moment."""


class Observer(Protocol):
    """Looks at the records and tells others about them."""

    def look(self) -> float:
        """Tell what is new; returns the seconds until the next look."""

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed: the end of the command waits for no other one."""


@contextmanager
def observed(ledger: Ledger, host: Host) -> Iterator[None]:
    """Inside, what ends or changes in the ledger is told to the targets of `[notify]` and the trackers of
    `[track]`. Nested blocks are one."""
    observers = [] if host.is_observed else _observers(ledger, host)
    if not observers:
        yield
        return
    host.is_observed = True
    threads = [_Looking(observer, host) for observer in observers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        host.is_observed = False
        _end(threads)


def _observers(ledger: Ledger, host: Host) -> list[Observer]:
    found: list[Observer] = []
    with host.going_on():
        if ledger.workspace.notify:
            from orchestrator.notifications.courier import Courier

            found.append(Courier(ledger, ledger.workspace.notify, host.say))
        if ledger.workspace.tracking != Tracking():
            from orchestrator.api.tracking import trackers

            found += trackers(ledger, host)
    return found


class _Looking(threading.Thread):
    """A daemon: a host that never answers can't hold up the end of the process."""

    def __init__(self, observer: Observer, host: Host) -> None:
        super().__init__(daemon=True, name=type(observer).__name__)
        self._observer, self._host = observer, host
        self._ending = threading.Event()
        self._said: set[str] = set()

    def run(self) -> None:
        pause = 0.0
        while not self._ending.wait(pause):
            pause = self._look()
        if not self._observer.is_failing:
            self._look()

    def _look(self) -> float:
        try:
            return self._observer.look()
        except FtorchError as error:  # a busy database, for example: the next look sees the same
            if str(error) not in self._said:
                self._said.add(str(error))
                self._host.say(str(error))
            return 10.0

    def end(self) -> None:
        """Look once more, and end."""
        self._ending.set()


def _end(threads: Sequence[_Looking]) -> None:
    until = time.monotonic() + LAST_WAIT_SECONDS
    for thread in threads:
        thread.end()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
