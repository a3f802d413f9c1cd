"""The live display of runs on a terminal: a line for each, as many as fit, and the rest summed up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import count
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.ledger import Ledger
from orchestrator.reports.runs import AT_WORK, state_style, steps, validation_loss
from orchestrator.reports.sweepdetails import OVER, bar, states, trials_expected
from orchestrator.reports.table import BAR_WIDTH
from orchestrator.reports.text import clock, duration, listed, loss, printable, short, sparkline
from orchestrator.runs.context import Listener
from orchestrator.store import records, sweeps as store
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

_LINES_KEPT_FREE = 2
"""A display that fills the terminal flickers, and hides the command it belongs to."""
_SWEEPS_SHOWN = 3
_ENOUGH_TO_TELL = 0.02
"""The share of a sweep after which its pace tells how long the rest takes."""
_TRAINING = ("running", "collecting", "paused")


class Display:
    """Each run's state, progress, losses with their course, elapsed and remaining time; a bar for each sweep.

    A run of a sweep brings all trials of that sweep into view, also those that are drawn later.
    """

    def __init__(self, ledger: Ledger, runs: Sequence[Run], console: Console) -> None:
        self._console = console
        self._labels = Labels(ledger.database, runs)
        self._lines: dict[str, RunLine] = {}
        self._runs: dict[tuple[str, int], str] = {}
        """The last run of each trial."""
        self._places = count()
        self._spinner = Spinner("dots")
        self._transfers = TransferBars(console)
        self._read(ledger, runs)
        shares = {each: self._share(each, self._counts(each)[1]) for each in self._labels.sweeps}
        self._paces = {sweep_id: _Pace(share, time.time()) for sweep_id, share in shares.items()}

    def _read(self, ledger: Ledger, runs: Sequence[Run]) -> None:
        trials = [run for each in self._labels.sweeps for _, run in ledger.trials(each)]
        known = sorted({run.id: run for run in (*trials, *runs)}.values(), key=self._order)
        with ledger.database.read() as connection:
            last = records.last_metrics(connection, [run.id for run in known])
            for run in known:
                is_training = run.state in _TRAINING
                metrics = records.metrics_of(connection, run.id) if is_training else []
                line = self._add(run)
                line.measure(metrics or ([last[run.id]] if run.id in last else []))
                line.update(run, self._labels.state(run))

    def _order(self, run: Run) -> tuple[str, int, float]:
        trial = self._labels.trial(run)
        return run.sweep_id or "", trial.number if trial else 0, run.created_at

    def _add(self, run: Run) -> RunLine:
        """The line of a run; that of an attempt before it, which failed, is taken away."""
        if run.id not in self._lines:
            trial = self._labels.trial(run)
            if trial is not None:
                before = self._runs.get((trial.sweep_id, trial.number))
                self._lines.pop(before or "", None)
                self._runs[trial.sweep_id, trial.number] = run.id
            self._lines[run.id] = RunLine(run, next(self._places), printable(self._labels.label(run)))
        return self._lines[run.id]

    # --- what happens --------------------------------------------------------------------------------------

    def moved(self, run: Run, transition: Transition) -> None:
        self.noted(run)
        if run.state == "running" and run.id in self._lines:
            self._lines[run.id].started_at = transition.at

    def noted(self, run: Run) -> None:
        if run.id in self._lines or run.sweep_id in self._labels.sweeps:
            self._add(run).update(run, self._labels.state(run))

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        if run.id in self._lines:
            self._lines[run.id].measure(metrics)

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        self._transfers.sending(path, sent, size)

    def warned(self, text: str) -> None:
        self._console.print(Text(f"Warning: {printable(text)}", style="yellow"))

    @property
    def lines(self) -> list[RunLine]:
        """A line for each run that is or could be seen."""
        return list(self._lines.values())

    # --- what is seen --------------------------------------------------------------------------------------

    def __rich__(self) -> RenderableType:
        now = time.time()
        headers = self._headers(now)
        room = self._console.height - _LINES_KEPT_FREE - headers.row_count - len(self._transfers)
        visible, rest = _fitting(self.lines, max(1, room))
        parts: list[RenderableType] = [headers] if headers.row_count else []
        parts.append(RunLines(visible, self._spinner, now))
        if rest:
            counts = Counter(line.state for line in rest)
            parts.append(Text(f"and {len(rest):,} more: {states(counts, len(rest))}", style="dim", no_wrap=True))
        return Group(*parts, *([self._transfers] if self._transfers else []))

    def _headers(self, now: float) -> Table:
        """A line for each sweep: its bar, its trials that are over, what the others do, and when it may be done."""
        shown = list(self._labels.sweeps.items())[:_SWEEPS_SHOWN]
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=max((len(sweep.name) for _, sweep in shown), default=0))
        table.add_column(no_wrap=True, min_width=BAR_WIDTH)
        table.add_column(no_wrap=True)
        for sweep_id, sweep in shown:
            counts, expected = self._counts(sweep_id)
            share = self._share(sweep_id, expected)
            over = sum(counts[state] for state in OVER)
            left = self._paces[sweep_id].seconds_left(share, now)
            rest = "" if left is None or over == expected else f", {duration(left)} left"
            took = duration(now - sweep.created_at)
            text = f"{over:,}/{expected:,}  {took}{rest}  {states(counts, expected)}"
            table.add_row(Text(printable(sweep.name), style="bold"), bar(share, 1.0), text)
        return table

    def _counts(self, sweep_id: str) -> tuple[Counter[str], int]:
        """How many trials are in each state, and how many there will be in all."""
        counts = Counter(line.state for line in self._lines.values() if line.run.sweep_id == sweep_id)
        return counts, trials_expected(self._labels.sweeps[sweep_id], counts)

    def _share(self, sweep_id: str, expected: int) -> float:
        """How much of a sweep is done, 0..1."""
        lines = [line for line in self._lines.values() if line.run.sweep_id == sweep_id]
        done = sum(1.0 if line.run.is_over else line.progress for line in lines)
        return done / max(1, expected)


@dataclass(frozen=True)
class _Pace:
    """How much of a sweep was done when this process began to look, by which the rest is foretold."""

    share: float
    since: float

    def seconds_left(self, share: float, now: float) -> float | None:
        gained = share - self.share
        return None if gained < _ENOUGH_TO_TELL else (now - self.since) / gained * (1 - share)


def _fitting(lines: list[RunLine], room: int) -> tuple[list[RunLine], list[RunLine]]:
    """The lines that are seen, in their order, and those that are not; one line is kept for telling how many."""
    if len(lines) <= room:
        return lines, []
    visible = sorted(nsmallest(max(1, room - 1), lines, key=lambda line: line.rank), key=lambda line: line.place)
    seen = {line.run.id for line in visible}
    return visible, [line for line in lines if line.run.id not in seen]


# --- Following runs as they happen: a live display on a terminal, a line for each change elsewhere ------------


_LINES_PER_RUN = 10
"""About how many lines of measurements a run prints where there is no terminal; of a sweep each prints its last."""

_FEW, _REFRESH, _REFRESH_OF_MANY = 4, 8, 3
"""How often a second is drawn: a screenful takes tens of milliseconds, which training on this machine could use."""


@contextmanager
def following(ledger: Ledger, runs: Sequence[Run], console: Console) -> Iterator[Listener]:
    """A listener that shows these runs on `console` while the context is open."""
    if not console.is_terminal:
        yield Lines(console, Labels(ledger.database, runs))
        return
    display = Display(ledger, runs, console)
    per_second = _REFRESH if len(display.lines) <= _FEW else _REFRESH_OF_MANY
    with Live(display, console=console, refresh_per_second=per_second, transient=True):
        yield display


class Lines:
    """A line for each change; `labels` tell which trial of a sweep a run is."""

    def __init__(self, console: Console, labels: Labels | None = None) -> None:
        self._console = console
        self._labels = labels
        self._reasons: dict[str, str] = {}
        self._steps: dict[str, int] = {}
        self._transfers = TransferLines(self._say_alone)

    def moved(self, run: Run, transition: Transition) -> None:
        self._reasons[run.id] = run.reason
        self._say(run, transition.at, f"{transition.to_state}: {transition.reason}")

    def noted(self, run: Run) -> None:
        is_waiting_trial = run.sweep_id is not None and run.state == "pending"
        if run.reason != self._reasons.get(run.id) and not is_waiting_trial:
            self._reasons[run.id] = run.reason
            self._say(run, run.updated_at, f"{run.state}: {run.reason}")

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        for metric in metrics:
            if metric.step == metric.total_steps or (run.sweep_id is None and self._is_due(run, metric)):
                self._steps[run.id] = metric.step
                self._say(run, time.time(), _measurement(metric))

    def _is_due(self, run: Run, metric: Metric) -> bool:
        every = max(1, (metric.total_steps or _LINES_PER_RUN) // _LINES_PER_RUN)
        return metric.step == 1 or metric.step >= self._steps.get(run.id, 0) + every

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        self._transfers.sending(path, sent, size)

    def warned(self, text: str) -> None:
        self._console.print(f"Warning: {printable(text)}", soft_wrap=True)

    def _say_alone(self, text: str) -> None:
        self._console.print(f"{clock(time.time())}  {text}", soft_wrap=True)

    def _say(self, run: Run, at: float, text: str) -> None:
        line = f"{clock(at)}  {run.id}  {printable(run.name)}{self._trial(run)}  {printable(text)}"
        self._console.print(line, soft_wrap=True)

    def _trial(self, run: Run) -> str:
        trial = self._labels.trial(run) if self._labels else None
        return "" if trial is None else f" trial {trial.number} ({printable(listed(trial.parameters))})"


def _measurement(metric: Metric) -> str:
    step = f"step {metric.step}/{metric.total_steps}" if metric.total_steps else f"step {metric.step}"
    valid = loss(validation_loss(metric))
    return f"{step}: loss {loss(metric.train_loss)}, validation loss {valid}"


# --- Which trial of a sweep a run is, for displays that hear of runs only -------------------------------------


class Labels:
    """The sweeps that these runs belong to, and their trials; read again where a run is new, or was cancelled."""

    def __init__(self, database: Database, runs: Iterable[Run]) -> None:
        self._database = database
        self._trials: dict[str, RecordedTrial] = {}
        """By run id."""
        self._asked: set[tuple[str, str]] = set()
        self.sweeps: dict[str, RecordedSweep] = {}
        """By id."""
        for sweep_id in dict.fromkeys(run.sweep_id for run in runs if run.sweep_id):
            self._read(sweep_id)

    def trial(self, run: Run) -> RecordedTrial | None:
        """The trial that this run is the last one of."""
        if run.sweep_id is None:
            return None
        if self._may_have_changed(run):
            self._asked.add((run.id, run.state))
            self._read(run.sweep_id)
        return self._trials.get(run.id)

    def state(self, run: Run) -> str:
        """The run's state, or "pruned" where the sweep's rule cancelled it."""
        trial = self.trial(run) if run.state == "cancelled" else None
        return "pruned" if trial and trial.pruned else run.state

    def label(self, run: Run) -> str:
        """The parameters in short; "" for a run outside sweeps."""
        trial = self.trial(run)
        return "" if trial is None else short(trial.parameters, trial.repeat)

    def _may_have_changed(self, run: Run) -> bool:
        known = self._trials.get(run.id)
        is_news = known is None or (run.state == "cancelled" and known.pruned is None)
        return is_news and (run.id, run.state) not in self._asked

    def _read(self, sweep_id: str) -> None:
        with self._database.read() as connection:
            self.sweeps[sweep_id] = store.get(connection, sweep_id)
            trials = store.trials_of(connection, sweep_id)
        others = {run_id: trial for run_id, trial in self._trials.items() if trial.sweep_id != sweep_id}
        self._trials = others | {trial.run_id: trial for trial in trials}


# --- A run as one line of the live display, in whatever width there is ----------------------------------------


_SHORTEST_SPARK, _LONGEST_SPARK = 4, 24
_WIDE = 104
"""From this width on there is room for a bar, and for a run's id beside its label."""
_LABEL_SHARE = 0.44
"""How much of the width a label may take at most."""
_MARK, _ID, _STATE = 1, 8, 10


@dataclass
class RunLine:
    """What is shown of one run: `place` is its order, and `label`, which is printable, says which trial it is."""

    run: Run
    place: int
    label: str = ""
    state: str = "pending"
    metrics: dict[int, Metric] = field(default_factory=dict)
    """By step. Of a run that is over only the last is kept: there may be thousands of runs."""
    last: Metric | None = None
    started_at: float | None = None
    """When its job began to run, where this process has seen it."""

    def update(self, run: Run, state: str) -> None:
        """`state` is the run's, or "pruned"."""
        self.run, self.state = run, state
        if run.is_over and self.last is not None:
            self.metrics = {self.last.step: self.last}

    def measure(self, metrics: Iterable[Metric]) -> None:
        self.metrics.update((metric.step, metric) for metric in metrics)
        self.last = self.metrics[max(self.metrics)] if self.metrics else None

    @property
    def progress(self) -> float:
        """The share of its steps that is done, 0..1."""
        if self.state == "succeeded":
            return 1.0
        last = self.last
        return last.step / last.total_steps if last and last.total_steps else 0.0

    @property
    def rank(self) -> tuple[int, float]:
        """The lowest ones are shown where there is no room for all; of what is over, what ended last."""
        if self.run.finished_at is not None:
            return len(AT_WORK), -self.run.finished_at
        return AT_WORK.index(self.state) if self.state in AT_WORK else len(AT_WORK) + 1, self.place

    @property
    def mark(self) -> str | None:
        """The sign before it; None where it turns."""
        return "•" if self.run.is_over else None if self.state in AT_WORK else ""

    def seconds(self, now: float) -> float:
        """How long it takes, or took, without the wait for a slot."""
        run = self.run
        return (run.finished_at or now) - (self.started_at or run.creation_started_at or run.created_at)

    def seconds_left(self, now: float) -> float | None:
        """By the endpoint's own estimate, else by the pace so far."""
        last = self.last
        if self.run.is_over:
            return None
        if self.run.estimated_finish is not None:
            return max(0.0, self.run.estimated_finish - now)
        if self.started_at is None or last is None or not last.total_steps or not last.step:
            return None
        return (now - self.started_at) / last.step * (last.total_steps - last.step)


class RunLines:
    """Lines under each other, none of them broken, whatever the width."""

    def __init__(self, lines: Sequence[RunLine], spinner: Spinner, now: float) -> None:
        self._lines = lines
        self._spinner = spinner
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        is_wide = width >= _WIDE
        label_width = min(max((len(line.label) for line in self._lines), default=0), round(width * _LABEL_SHARE))
        has_id = is_wide or not label_width
        widths = [_MARK, *([_ID] if has_id else []), *([label_width] if label_width else []), _STATE]
        widths += [BAR_WIDTH] if is_wide else []
        room = width - sum(widths) - len(widths)
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        for each in (*widths, room):
            table.add_column(width=each, no_wrap=True, overflow="ellipsis")
        for line in self._lines:
            row: list[RenderableType] = [self._spinner if line.mark is None else line.mark]
            row += [*([line.run.id] if has_id else []), *([line.label] if label_width else [])]
            row.append(Text(line.state, style=state_style(line.state)))
            row += [ProgressBar(total=1.0, completed=line.progress, width=BAR_WIDTH)] if is_wide else []
            table.add_row(*row, self._course(line, room))
        yield table

    def _course(self, line: RunLine, room: int) -> Text:
        """The numbers of a run that trains or has trained; of any other why it is where it is."""
        took = duration(line.seconds(self._now))
        if line.last is None or line.state in ("failed", "cancelled", "pruned"):
            reason = printable(line.run.reason.removeprefix(f"{line.state}: "))
            return Text(reason if line.run.is_over else f"{reason}  {took}", style="dim")
        return _numbers(line, line.last, took, line.seconds_left(self._now), room)


def _numbers(line: RunLine, last: Metric, took: str, left: float | None, room: int) -> Text:
    """Steps, losses and times, with as much of the losses' course as there is room for."""
    train, valid = loss(last.train_loss), _last_validation(line)
    parts = [steps(last), f"loss {train}", *([f"valid {valid}"] if valid else []), took]
    if valid and len("  ".join(parts)) > room:
        parts.remove(f"loss {train}")
    free = room - len("  ".join(parts))
    if left is not None and free >= len(said := f", {duration(left)} left"):
        parts[-1] += said
        free -= len(said)
    ordered = [line.metrics[step] for step in sorted(line.metrics)]
    curves = {
        f"loss {train}": ([metric.train_loss for metric in ordered], "blue"),
        f"valid {valid}": ([metric.valid_loss for metric in ordered], "magenta"),
    }
    text, spark = Text(), min(_LONGEST_SPARK, free // 2 - 1)
    for part in parts:
        text.append(f"  {part}" if text else part, style="dim" if part is parts[-1] else "")
        if spark >= _SHORTEST_SPARK and part in curves and len(ordered) > 1:
            values, colour = curves[part]
            text.append(f" {sparkline(values, spark)}", style=colour)
    return text


def _last_validation(line: RunLine) -> str:
    """The last one measured: not every step has one."""
    known = (validation_loss(line.metrics[step]) for step in sorted(line.metrics, reverse=True))
    found = next((value for value in known if value is not None), None)
    return "" if found is None else loss(found)


# --------------------------------------------------------------------------------------------------------------
# Large files on their way up: a bar on a terminal, a line now and then elsewhere, nothing for small ones.


SHOWN_FROM_BYTES = 10_000_000
_SECONDS_BETWEEN_LINES = 1.0
_STEPS = 10


class TransferBars:
    """A bar for each large file on its way: bytes, speed, remaining time. It is rendered by whoever shows it."""

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
        """See `runs.world.Listener`."""
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
        """How many lines there are to see."""
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
        """See `runs.world.Listener`."""
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
