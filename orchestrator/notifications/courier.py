"""Sends what is pending to each target: once for each event, whichever process sees it, and also across crashes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.identity import current_user
from orchestrator.ledger import Ledger
from orchestrator.notifications.events import Event, pending
from orchestrator.notifications.sending import TIMEOUT_SECONDS, NotSent, send
from orchestrator.notifytables import NotifyTarget
from orchestrator.store import notifications as store
from orchestrator.store.notifications import Notification

LOOK_SECONDS = 2.0
_UNCLEAR_SECONDS = 6 * TIMEOUT_SECONDS
"""A notification still being sent after this time belongs to a process that has ended."""
_LONGEST_TARGET = 64


class Courier:
    """Looks for events and notifies the targets. `say` is called with one line for each notification that did not
    arrive; nothing else is in the way of the work."""

    def __init__(
        self,
        ledger: Ledger,
        targets: Sequence[NotifyTarget],
        say: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._say, self._now = ledger, say, now
        self._targets = [each for each in targets if each.is_allowed]
        self._since = {each.name: self._set_up(each) for each in self._targets}
        for target in targets:
            if not target.is_allowed:
                say(
                    f"[notify.{target.name}] of {target.source} is not in use; check that file, then allow it "
                    "with: ftorch endpoints trust"
                )

    def look(self) -> float:
        """Send everything that is pending; returns the seconds until the next look."""
        for target in self._targets:
            for on, since in self._since[target.name].items():
                for event in pending(self._ledger, recorded_name(target), on, since, self._now()):
                    self._notify(target, event)
        return LOOK_SECONDS

    @property
    def is_failing(self) -> bool:
        """Each notification is tried once."""
        return False

    def _set_up(self, target: NotifyTarget) -> dict[str, float]:
        """Since when the target is notified, by kind of event."""
        now, name = self._now(), recorded_name(target)
        with self._ledger.database.write() as connection:
            unclear = store.take_unclear(connection, name, now - _UNCLEAR_SECONDS)
            since = store.set_up(connection, name, target.on, now)
        for each in unclear:
            self._say(
                f"notification {target.name}: it is unknown whether it arrived for {each.kind} {each.item_id} "
                f"({each.event}): the process that sent it has ended; it is not sent again"
            )
        return since

    def _notify(self, target: NotifyTarget, event: Event) -> None:
        begun = Notification(
            event.kind, event.item_id, event.key, recorded_name(target), store.SENDING, self._now()
        )
        with self._ledger.database.write() as connection:
            if not store.claim(connection, begun):
                return
        problem = None
        try:
            send(target, event)
        except NotSent as error:
            problem = str(error)
        state = store.FAILED if problem else store.SENT
        with self._ledger.database.write() as connection:
            store.settle(connection, replace(begun, state=state, problem=problem, at=self._now()))
        if problem:
            self._say(f"notification {target.name} failed for {event.kind} {event.item_id}: {problem}")


def recorded_name(target: NotifyTarget) -> str:
    """The target's name in the records. People who share a database have their own targets in their own files."""
    return f"{target.name}/{current_user()}"[:_LONGEST_TARGET] if target.is_personal else target.name
