"""How far batches are: a bar for each on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from orchestrator.evaluation.batching.outcome import Listener
from orchestrator.reports.formats import count, plural, printable
from orchestrator.store.batches import Batch

_LINE_SECONDS = 10.0


@contextmanager
def batch_progress(console: Console) -> Iterator[Listener]:
    """Yields what to tell of each change."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("batch {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True) as progress:
        yield _Bars(progress, console)


def batch_name(batch: Batch) -> str:
    """Its id here, and on the endpoint where it has one."""
    return f"{batch.id} ({printable(batch.remote_id)})" if batch.remote_id else batch.id


class _Bars:
    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress, self._console = progress, console
        self._tasks: dict[str, TaskID] = {}
        self._lines = _Lines(console, moves_only=True)

    def changed(self, batch: Batch) -> None:
        self._lines.changed(batch)
        if batch.id not in self._tasks:
            self._tasks[batch.id] = self._progress.add_task(batch.id, total=batch.questions, note="")
        done = batch.completed + batch.failed
        self._progress.update(self._tasks[batch.id], completed=done, note=printable(batch.reason))

    def warned(self, text: str) -> None:
        self._lines.warned(text)


class _Lines:
    """Moves are told at once; how much is answered, at most every ten seconds."""

    def __init__(self, console: Console, *, moves_only: bool = False) -> None:
        self._console = console
        self._moves_only = moves_only
        self._states: dict[str, str] = {}
        self._told: dict[str, tuple[int, float]] = {}

    def changed(self, batch: Batch) -> None:
        if self._states.get(batch.id) != batch.state:
            self._states[batch.id] = batch.state
            self._told[batch.id] = (0, time.monotonic())
            what = f"batch {batch_name(batch)}: {plural(batch.questions, 'question')}"
            self._console.print(printable(f"{what}, {batch.state}: {batch.reason}"), soft_wrap=True)
        elif not self._moves_only:
            self._tell_progress(batch)

    def _tell_progress(self, batch: Batch) -> None:
        done, now = batch.completed + batch.failed, time.monotonic()
        before, at = self._told[batch.id]
        if done > before and now - at >= _LINE_SECONDS:
            self._told[batch.id] = (done, now)
            self._console.print(f"batch {batch.id}: {count(done)} of {count(batch.questions)} answered")

    def warned(self, text: str) -> None:
        self._console.print(f"Warning: {printable(text)}", style="yellow", soft_wrap=True)
