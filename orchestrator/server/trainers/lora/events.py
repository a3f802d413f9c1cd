"""What the program says while it trains: one JSON object per line, in the order in which things happened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from orchestrator.server.trainers.interface import Report, Step
from orchestrator.server.trainers.lora.folder import TrainingFolder, is_complete

Event = Mapping[str, Any]
"""`kind` is "step", "note", "checkpoint", "from" (`step`: where this attempt begins) or "plan" (what it does with
the memory, see `Learner.say_plan`)."""
_STEP_FIELDS = [field.name for field in fields(Step)]


class EventWriter:
    """Appends events to a file. Each is one write, so that no reader sees one half."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, kind: str, **facts: Any) -> None:
        """Raises OSError if the line could not be written whole."""
        line = json.dumps({"kind": kind, **facts}).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written < len(line):
            os.write(self._descriptor, line[written:])

    def step(self, step: Step, **measured: Any) -> None:
        """A step, with measurements that the report has no place for: tokens, seconds, memory."""
        self.write("step", **asdict(step), **measured)


class EventReader:
    """The events of a file, as far as they have come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new(self) -> Iterator[Event]:
        """Those since the last call. A line that isn't finished yet is left for the next."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                content = file.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.splitlines():
            yield json.loads(line)


def step_of(event: Event) -> Step:
    """The step in an event of kind "step" or "checkpoint"."""
    return Step(**{name: event[name] for name in _STEP_FIELDS})


def report_history(folder: TrainingFolder, until: int, report: Report) -> None:
    """Report the steps and checkpoints up to the step `until`, as the attempts so far wrote them.

    They may have written more before they left than was reported. Of a step that several attempts made, the
    last one counts, as the state that training continues from came after it. Checkpoints that were reported are no
    longer there.
    """
    steps: dict[int, Event] = {}
    checkpoints: dict[int, Path] = {}
    for attempt in folder.attempts():
        for event in EventReader(attempt.events).new():
            if event["kind"] == "from":
                # The attempt makes those behind it again.
                checkpoints = {number: path for number, path in checkpoints.items() if number <= event["step"]}
            elif event["kind"] == "step":
                steps[event["step"]] = event
        checkpoints |= dict(attempt.checkpoints())
    for number in sorted(number for number in steps if number <= until):
        report.step(step_of(steps[number]))
        if number in checkpoints and is_complete(checkpoints[number]):
            report.checkpoint(step_of(steps[number]), checkpoints[number])
