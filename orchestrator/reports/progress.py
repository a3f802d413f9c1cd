"""Progress: a bar with the time left on a terminal, an occasional line elsewhere. Loads no SDK."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from orchestrator.reports.text import count, duration, iso, moment, plural, printable, stderr

if TYPE_CHECKING:  # these load an SDK, pydantic or SQLAlchemy, and `data check` needs none of them
    from orchestrator.dataset.checking.filesets import Source
    from orchestrator.evaluation.asking import Reply
    from orchestrator.evaluation.batching.states import Listener as BatchListener
    from orchestrator.evaluation.session import Listener
    from orchestrator.store.batches import Batch
    from orchestrator.store.generations import Generation
    from orchestrator.store.records import Event, Metric
    from orchestrator.store.runs import Run, Transition


_LINE_SECONDS = 10.0


@contextmanager
def asking_progress(total: int, console: Console) -> Iterator[Listener]:
    """Yields a function to call for each reply."""
    if not console.is_terminal:
        yield _AskingLines(total, console)
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

    def waiting(self, model: str, problem: str, until: float) -> None:
        self._progress.update(self._task, note=_waiting_words(model, problem, until))


class _AskingLines:
    def __init__(self, total: int, console: Console) -> None:
        self._total, self._console = total, console
        self._done = 0
        self._start = self._told = time.monotonic()
        self._waits_for = ""

    def replied(self, reply: Reply) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told >= _LINE_SECONDS:
            self._told = now
            left = (now - self._start) / self._done * (self._total - self._done)
            self._console.print(f"asked {self._done:,} of {self._total:,}; about {duration(left)} left")

    def waiting(self, model: str, problem: str, until: float) -> None:
        words = _waiting_words(model, problem, until)
        if words != self._waits_for:
            self._waits_for = words
            self._console.print(words, soft_wrap=True)


def _waiting_words(model: str, problem: str, until: float) -> str:
    clock = datetime.fromtimestamp(until).astimezone()
    return printable(f"waiting for {model}, which is new ({problem.rstrip('.')}); asking again until {clock:%H:%M}")


# --- How far batches are: a bar for each on a terminal, a line for each change elsewhere ----------------------


@contextmanager
def batch_progress(console: Console) -> Iterator[BatchListener]:
    """Yields a listener for each change."""
    if not console.is_terminal:
        yield _BatchLines(console)
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
        self._lines = _BatchLines(console, moves_only=True)

    def changed(self, batch: Batch) -> None:
        self._lines.changed(batch)
        if batch.id not in self._tasks:
            self._tasks[batch.id] = self._progress.add_task(batch.id, total=batch.questions, note="")
        done = batch.completed + batch.failed
        self._progress.update(self._tasks[batch.id], completed=done, note=printable(batch.reason))

    def warned(self, text: str) -> None:
        self._lines.warned(text)


class _BatchLines:
    """Prints changes of state at once; what it waits for and the number of answers at most every ten seconds."""

    def __init__(self, console: Console, *, moves_only: bool = False) -> None:
        self._console = console
        self._moves_only = moves_only
        self._states: dict[str, str] = {}
        self._told: dict[str, tuple[int, float]] = {}
        self._waits: dict[str, tuple[str, float]] = {}

    def changed(self, batch: Batch) -> None:
        if self._states.get(batch.id) != batch.state:
            self._states[batch.id] = batch.state
            self._told[batch.id] = (0, time.monotonic())
            self._waits.pop(batch.id, None)
            what = f"batch {batch_name(batch)}: {plural(batch.questions, 'question')}"
            self._console.print(printable(f"{what}, {batch.state}: {batch.reason}"), soft_wrap=True)
        elif not self._moves_only:
            self._tell_progress(batch)
            self._tell_wait(batch)

    def _tell_progress(self, batch: Batch) -> None:
        done, now = batch.completed + batch.failed, time.monotonic()
        before, at = self._told[batch.id]
        if done > before and now - at >= _LINE_SECONDS:
            self._told[batch.id] = (done, now)
            self._console.print(f"batch {batch.id}: {count(done)} of {count(batch.questions)} answered")

    def _tell_wait(self, batch: Batch) -> None:
        """What it waits for, unless it is only its turn."""
        before, at = self._waits.get(batch.id, ("", -_LINE_SECONDS))
        is_its_turn = batch.remote_status is not None and batch.reason.startswith(f"{batch.remote_status} on ")
        now = time.monotonic()
        if not is_its_turn and batch.reason != before and now - at >= _LINE_SECONDS:
            self._waits[batch.id] = (batch.reason, now)
            self._console.print(printable(f"batch {batch.id}: {batch.reason}"), soft_wrap=True)

    def warned(self, text: str) -> None:
        self._console.print(f"Warning: {printable(text)}", style="yellow", soft_wrap=True)


# --- A line for each batch of questions that is under way; loads no SDK, as `status` asks ---------------------


def batches_under_way(batches: Sequence[Batch]) -> Text:
    """What each is asked, and its progress."""
    return Text("\n").join(Text(_batch_line(batch)) for batch in batches)


def _batch_line(batch: Batch) -> str:
    from orchestrator.runs.waiting import HELD

    done = f"{count(batch.completed + batch.failed)} of {count(batch.questions)} answered"
    what = f"batch {batch.id} on {batch.endpoint}, {batch.model}: {batch.state}, {done}"
    if batch.state == "unknown" or batch.reason.startswith(HELD):  # its reason says what to do
        return printable(f"{what}; {batch.reason}")
    wait = f" ({batch.reason})" if batch.state == "creating" else ""
    return printable(f"{what}{wait}; ftorch resume follows it")


def generations_under_way(generations: Sequence[Generation]) -> Text:
    """What each makes, and what it waits for."""
    lines = (
        f"generation {each.id} of {each.output_path}: {count(each.examples)} of {count(each.targets)} examples "
        f"({each.reason}); ftorch resume continues"
        for each in generations
    )
    return Text("\n").join(Text(printable(line)) for line in lines)


# --- What a user sees while large files are checked -----------------------------------------------------------


_SLOW_BYTES = 8 << 20
"""Smaller files are checked in under a few seconds."""


@contextmanager
def announced() -> Iterator[Callable[[Source], None] | None]:
    """Yields what a check calls for each file; on a terminal, stderr names a large file while it is read."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    status = console.status("")

    def announce(source: Source) -> None:
        size = os.path.getsize(source.path) if source.path.exists() else 0
        if size < _SLOW_BYTES:
            status.stop()
            return
        status.update(f"checking {printable(str(source.path))} ({size / 1e6:,.0f} MB)")
        status.start()

    try:
        yield announce
    finally:
        status.stop()


# --- The endpoint's events of one run, a line each, as they are recorded --------------------------------------


class EventLines:
    """A listener that writes every new event of one run through `write`; `read` gives those that are recorded."""

    def __init__(self, read: Callable[[], Iterable[Event]], write: Callable[[str], None], *, as_json: bool) -> None:
        self._read = read
        self._write = write
        self._as_json = as_json
        self._seen: set[str] = set()

    @property
    def count(self) -> int:
        """How many events are recorded."""
        return len(self._seen)

    def print_new(self, last: int | None = None) -> None:
        """Write the events that are recorded and were not before; only the `last` ones of them, or all."""
        new = self._new()
        for event in new if last is None else deque(new, maxlen=last):
            self._write(json.dumps(event_object(event)) if self._as_json else _event_line(event))

    def _new(self) -> Iterator[Event]:
        for event in self._read():
            if event.event_id not in self._seen:
                self._seen.add(event.event_id)
                yield event

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


def event_object(event: Event) -> dict[str, Any]:
    """One line of `logs --json`."""
    return {
        "at": iso(event.created_at),
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
    }


def _event_line(event: Event) -> str:
    level = "" if event.level == "info" else f"{printable(event.level).upper()}: "
    return f"{moment(event.created_at)}  {level}{printable(event.message)}"
