"""What a tracker is to an export: a place that is brought up to date with one run at a time."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from orchestrator.export.records import ExportedRun


class Result(Enum):
    """What bringing a run up to date did there."""

    NEW = "created"
    CHANGED = "updated"
    SAME = "unchanged"
    DELETED = "deleted there, and left out"


class Destination(Protocol):
    """A tracker and an experiment or project in it."""

    @property
    def name(self) -> str:
        """In the records: the same for the same place."""

    @property
    def shown(self) -> str:
        """For people."""

    def send(self, run: ExportedRun) -> Result:
        """Bring the run up to date, as often as wanted. Raises FtorchError; the reason is recorded, too."""

    def close(self) -> None: ...
