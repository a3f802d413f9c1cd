"""How far the asking is: a bar with the time left on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.evaluation.asking import Reply
from orchestrator.evaluation.session import Listener
from orchestrator.reports.formats import duration, printable

_LINE_SECONDS = 10.0


@contextmanager
def asking_progress(total: int, console: Console) -> Iterator[Listener]:
    """Yields what to tell of each reply."""
    if not console.is_terminal:
        yield _Lines(total, console)
        return
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True) as progress:
        yield _Bar(progress, total)


class _Bar:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("asking", total=total, note="")
        self._errors = 0

    def replied(self, reply: Reply) -> None:
        self._errors += reply.completion is None
        note = f"{self._errors} without an answer" if self._errors else ""
        self._progress.update(self._task, advance=1, note=note)

    def waiting(self, model: str) -> None:
        self._progress.update(self._task, note=f"waiting for {printable(model)}, which is new")


class _Lines:
    def __init__(self, total: int, console: Console) -> None:
        self._total, self._console = total, console
        self._done = 0
        self._start = self._told = time.monotonic()

    def replied(self, reply: Reply) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told >= _LINE_SECONDS:
            self._told = now
            left = (now - self._start) / self._done * (self._total - self._done)
            self._console.print(f"asked {self._done:,} of {self._total:,}; about {duration(left)} left")

    def waiting(self, model: str) -> None:
        self._console.print(f"waiting for {printable(model)}, which is new", soft_wrap=True)
