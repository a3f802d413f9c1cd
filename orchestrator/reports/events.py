"""The endpoint's events of one run, a line each, as they are recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from orchestrator.reports.formats import moment, printable
from orchestrator.reports.objects import event_object
from orchestrator.runs.ledger import Ledger
from orchestrator.store import records
from orchestrator.store.records import Event, Metric
from orchestrator.store.runs import Run, Transition


class EventLines:
    """A listener that writes every new event of one run through `write`."""

    def __init__(self, ledger: Ledger, run_id: str, write: Callable[[str], None], *, as_json: bool) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._write = write
        self._as_json = as_json
        self._printed: set[str] = set()

    @property
    def count(self) -> int:
        """How many events were written."""
        return len(self._printed)

    def print_new(self) -> None:
        """Write the events that are recorded and not written yet."""
        with self._ledger.database.read() as connection:
            events = records.events_of(connection, self._run_id)
        for event in events:
            if event.event_id not in self._printed:
                self._printed.add(event.event_id)
                self._write(json.dumps(event_object(event)) if self._as_json else _line(event))

    def moved(self, run: Run, transition: Transition) -> None:
        self.print_new()

    def noted(self, run: Run) -> None:
        self.print_new()

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        self.print_new()

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """Uploads are not events of the endpoint."""

    def warned(self, text: str) -> None:
        """Nor are warnings."""


def _line(event: Event) -> str:
    level = "" if event.level == "info" else f"{printable(event.level).upper()}: "
    return f"{moment(event.created_at)}  {level}{printable(event.message)}"
