"""Uploads of large files: a bar on a terminal, an occasional line elsewhere, nothing for small files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from orchestrator.reports.text import duration, printable

SHOWN_FROM_BYTES = 10_000_000
_SECONDS_BETWEEN_LINES = 1.0
_STEPS = 10


class TransferBars:
    """A bar for each large file that is being uploaded: bytes, speed, remaining time. Its owner renders it."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("sending {task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, auto_refresh=False)
        self._tasks: dict[Path, TaskID] = {}

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """See `runs.context.Listener`."""
        if size < SHOWN_FROM_BYTES:
            return
        if sent is None:
            if path in self._tasks:
                self._progress.remove_task(self._tasks.pop(path))
            return
        if path not in self._tasks:
            self._tasks[path] = self._progress.add_task(printable(path.name), total=size)
        self._progress.update(self._tasks[path], completed=sent)

    def __len__(self) -> int:
        """How many lines it takes."""
        return len(self._tasks)

    def __rich__(self) -> RenderableType:
        return self._progress.get_renderable()


@dataclass
class _Course:
    begun_at: float
    last_line_at: float
    step: int = 0


class TransferLines:
    """About ten lines for each large file, none of them within a second of the one before."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._courses: dict[Path, _Course] = {}

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """See `runs.context.Listener`."""
        if size < SHOWN_FROM_BYTES:
            return
        if sent is None:
            self._courses.pop(path, None)
            return
        now = self._clock()
        course = self._courses.setdefault(path, _Course(now, now))
        step = _STEPS * sent // size
        is_due = now >= course.last_line_at + _SECONDS_BETWEEN_LINES
        if step > course.step and (is_due or sent == size):
            course.step, course.last_line_at = step, now
            self._say(f"sending {printable(path.name)}: {_progress(sent, size, now - course.begun_at)}")


def _progress(sent: int, size: int, seconds: float) -> str:
    if sent == size:
        return f"{size / 1e6:,.1f} MB sent in {duration(seconds)}"
    left = seconds * (size - sent) / sent
    speed = f"{sent / seconds / 1e6:,.1f} MB/s, {duration(left)} left"
    return f"{sent / 1e6:,.1f} of {size / 1e6:,.1f} MB, {speed}"
