"""What one attempt writes, reported as it comes."""

from __future__ import annotations

import time

from orchestrator.server.trainers.interface import Report
from orchestrator.server.trainers.lora.events import Event, EventReader, report_history, step_of
from orchestrator.server.trainers.lora.folder import Attempt, TrainingFolder, is_complete

WAITING_SECONDS = 0.5
"""Without an event for this long, the report is called all the same."""


class Follower:
    """Reports the events of one attempt, from its first, and before them those that it continues from. What the
    report raises is passed on."""

    def __init__(self, folder: TrainingFolder, attempt: Attempt, report: Report) -> None:
        self.plan: Event | None = None
        """What the program does with the memory, as it last said; None while it loads the base model."""
        self._folder = folder
        self._attempt = attempt
        self._report = report
        self._events = EventReader(attempt.events)
        self._told = time.monotonic()

    def tell_new(self) -> None:
        """Report what has come since the last call."""
        now = time.monotonic()
        for event in self._events.new():
            self._told = now
            self._tell(event)
        if now - self._told >= WAITING_SECONDS:
            self._told = now
            self._report.waiting()

    def _tell(self, event: Event) -> None:
        if event["kind"] == "from":
            report_history(self._folder, event["step"], self._report)
        elif event["kind"] == "step":
            self._report.step(step_of(event))
        elif event["kind"] == "note":
            self._report.note(event["message"])
        elif event["kind"] == "checkpoint":
            weights = self._attempt.checkpoint(event["step"])
            # An earlier follower of the same attempt may have taken it.
            if is_complete(weights):
                self._report.checkpoint(step_of(event), weights)
        elif event["kind"] == "plan":
            self.plan = event
