"""Live tracking: while work goes on, what changes goes to the trackers of `[track]`, and never in the way.

A tracker that fails is said once and tried again after a pause; what it lacks is sent later, by this process, by
the next one, or by `ftorch runs export`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.errors import TrackerError, TrackerRefuses
from orchestrator.export.destination import Destination
from orchestrator.export.records import exported
from orchestrator.export.turn import ExportTurn
from orchestrator.ledger import Ledger
from orchestrator.store import exports as store, records

LOOK_SECONDS = 5.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
_TURN_LOST_SECONDS = 5.0


class Tracker:
    """Looks for runs that a destination lacks or has an older state of, and sends them. `open_destination` connects
    to it, when first needed; `say` is called with one line if it fails."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        open_destination: Callable[[], Destination],
        say: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._name, self._open, self._say, self._now = ledger, name, open_destination, say, now
        self._destination: Destination | None = None
        self._turn = ExportTurn(ledger, name)
        self._pause = 0.0
        self._evaluated_since = now()
        with ledger.database.write() as connection:
            self._since = store.set_up(connection, name, now())
            marks = store.marks(connection, name)
        self._marks = {item_id: mark for (kind, item_id), mark in marks.items() if kind == store.RUN}
        """Of the runs as they were last sent."""

    def look(self) -> float:
        """Send what has changed; returns the seconds until the next look."""
        run_ids = self._changed()
        if not run_ids:
            return LOOK_SECONDS
        if not self._turn.take():
            return _TURN_LOST_SECONDS
        try:
            self._send(run_ids)
        except TrackerError as error:
            if not self._pause:
                self._say(f"tracking: {error}")
            self._pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, 2 * self._pause))
            return self._pause
        finally:
            self._turn.give_back()
        if self._pause:
            self._say(f"tracking: {self._shown} answers again")
        self._pause = 0.0
        return LOOK_SECONDS

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed: the end of the command does not wait for another one."""
        return bool(self._pause)

    @property
    def _shown(self) -> str:
        return self._destination.shown if self._destination else self._name

    def close(self) -> None:
        if self._destination is not None:
            self._destination.close()

    def _changed(self) -> list[str]:
        """The runs that may have something new: the marks tell."""
        now = self._now()
        with self._ledger.database.read() as connection:
            found = store.changing(connection, self._name, self._since)
            judged = store.evaluated_since(connection, self._evaluated_since)
            by_model = [records.run_of_model(connection, *each) for each in judged]
        self._evaluated_since = now if not self._pause else self._evaluated_since
        known = dict.fromkeys([*found, *(run_id for run_id in by_model if run_id)])
        marked = {each.run.id: each.mark for each in exported(self._ledger, list(known))}
        return [run_id for run_id, mark in marked.items() if self._marks.get(run_id) != mark]

    def _send(self, run_ids: list[str]) -> None:
        if self._destination is None:
            self._destination = self._open()
        for run in exported(self._ledger, run_ids):
            if not self._turn.take():
                return
            try:
                self._destination.send(run)
            except TrackerRefuses as error:  # it concerns this run alone
                self._say(f"tracking run {run.run.id}: {error}")
            self._marks[run.run.id] = run.mark
