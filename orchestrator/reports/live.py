"""Following runs: a live display on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nsmallest
from itertools import count
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.reports.runlines import RunLine, RunLines
from orchestrator.reports.runs import validation_loss
from orchestrator.reports.sweeptables import OVER, bar, states, trials_expected
from orchestrator.reports.table import BAR_WIDTH
from orchestrator.reports.text import clock, duration, listed, loss, printable, short
from orchestrator.reports.transfers import TransferBars, TransferLines
from orchestrator.runs.context import Listener
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

_LINES_KEPT_FREE = 2
"""A display that fills the terminal flickers, and hides the command it belongs to."""
_SWEEPS_SHOWN = 3
_ENOUGH_TO_TELL = 0.02
"""The share of a sweep from which its pace predicts how long the rest takes."""
_TRAINING = ("running", "collecting", "paused")
_LINES_PER_RUN = 10
"""About how many lines of measurements a run prints where there is no terminal; of a sweep each prints its last."""

_FEW, _REFRESH, _REFRESH_OF_MANY = 4, 8, 3
"""Redraws per second: a screenful takes tens of milliseconds that training on this machine could use."""


class Records(Protocol):
    """Looks up the runs of a display: the ledger."""

    def sweep(self, sweep_id: str) -> tuple[RecordedSweep, list[RecordedTrial]]: ...

    def trials(self, sweep_id: str) -> list[tuple[RecordedTrial, Run]]: ...

    def progress(self, run_ids: list[str]) -> Mapping[str, Metric]: ...

    def metrics(self, run_id: str) -> list[Metric]: ...


@contextmanager
def following(records: Records, runs: Sequence[Run], console: Console) -> Iterator[Listener]:
    """A listener that shows these runs on `console` while the context is open."""
    if not console.is_terminal:
        yield Lines(console, Labels(records, runs))
        return
    display = Display(records, runs, console)
    per_second = _REFRESH if len(display.lines) <= _FEW else _REFRESH_OF_MANY
    with Live(display, console=console, refresh_per_second=per_second, transient=True):
        yield display


# --- On a terminal: a line for each run, as many as fit, and the rest summed up --------------------------------


class Display:
    """Each run's state, progress, losses with their course, elapsed and remaining time; a bar for each sweep.

    A run of a sweep shows all trials of that sweep, including those drawn later.
    """

    def __init__(self, records: Records, runs: Sequence[Run], console: Console) -> None:
        self._console = console
        self._labels = Labels(records, runs)
        self._lines: dict[str, RunLine] = {}
        self._runs: dict[tuple[str, int], str] = {}
        """The last run of each trial."""
        self._places = count()
        self._spinner = Spinner("dots")
        self._transfers = TransferBars(console)
        self._read(records, runs)
        shares = {each: self._share(each, self._counts(each)[1]) for each in self._labels.sweeps}
        self._paces = {sweep_id: _Pace(share, time.time()) for sweep_id, share in shares.items()}

    def _read(self, records: Records, runs: Sequence[Run]) -> None:
        trials = [run for each in self._labels.sweeps for _, run in records.trials(each)]
        known = sorted({run.id: run for run in (*trials, *runs)}.values(), key=self._order)
        last = records.progress([run.id for run in known])
        for run in known:
            metrics = records.metrics(run.id) if run.state in _TRAINING else []
            line = self._add(run)
            line.measure(metrics or ([last[run.id]] if run.id in last else []))
            line.update(run, self._labels.state(run))

    def _order(self, run: Run) -> tuple[str, int, float]:
        trial = self._labels.trial(run)
        return run.sweep_id or "", trial.number if trial else 0, run.created_at

    def _add(self, run: Run) -> RunLine:
        """The line of a run; it replaces the line of an earlier attempt that failed."""
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
        """A line for each run, shown or not."""
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
        """A line for each sweep: its bar, its finished trials, the states of the others, and the time left."""
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
    """How much of a sweep was done when this process started: the basis for the time left."""

    share: float
    since: float

    def seconds_left(self, share: float, now: float) -> float | None:
        gained = share - self.share
        return None if gained < _ENOUGH_TO_TELL else (now - self.since) / gained * (1 - share)


def _fitting(lines: list[RunLine], room: int) -> tuple[list[RunLine], list[RunLine]]:
    """The lines that fit, in order, and those that do not; one line is reserved to say how many."""
    if len(lines) <= room:
        return lines, []
    visible = sorted(nsmallest(max(1, room - 1), lines, key=lambda line: line.rank), key=lambda line: line.place)
    seen = {line.run.id for line in visible}
    return visible, [line for line in lines if line.run.id not in seen]


# --- Elsewhere: a line for each change -------------------------------------------------------------------------


class Lines:
    """A line for each change; `labels` name the trial of a sweep that a run is."""

    def __init__(self, console: Console, labels: Labels | None = None) -> None:
        self._console = console
        self._labels = labels
        self._reasons: dict[str, str] = {}
        self._warning = ""
        self._quoted: dict[str, str] = {}
        """By run: the last text in brackets, mostly a host's own words."""
        self._steps: dict[str, int] = {}
        self._early: dict[str, list[Metric]] = {}
        """By run: what was measured before its job was seen running; printed after that line."""
        self._transfers = TransferLines(self._say_alone)

    def moved(self, run: Run, transition: Transition) -> None:
        self._reasons[run.id] = run.reason
        self._say(run, transition.at, f"{transition.to_state}: {self._once(run, transition.reason)}")
        self.measured(run, self._early.pop(run.id, []))

    def noted(self, run: Run) -> None:
        is_waiting_trial = run.sweep_id is not None and run.state == "pending"
        if run.reason != self._reasons.get(run.id) and not is_waiting_trial:
            self._reasons[run.id] = run.reason
            self._say(run, run.updated_at, f"{run.state}: {self._once(run, run.reason)}")

    def _once(self, run: Run, reason: str) -> str:
        """The reason. Text that a warning has just shown, and long text in brackets, are left out unless new."""
        held = re.match(r"(on hold: [^:]+): (.+)(; asking again at .+)", reason)
        if held and held[2] in self._warning:
            return f"{held[1]}{held[3]}"
        found = re.search(r"\((.{60,})\)", reason)
        if found is None:
            return reason
        is_new = self._quoted.get(run.id) != found[1]
        self._quoted[run.id] = found[1]
        return reason if is_new else f"{reason[: found.start()]}(as before){reason[found.end() :]}"

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        if run.state == "queued":
            self._early.setdefault(run.id, []).extend(metrics)
            return
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
        self._warning = text
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
    valid = validation_loss(metric)
    return f"{step}: loss {loss(metric.train_loss)}" + ("" if valid is None else f", validation loss {loss(valid)}")


# --- Which trial of a sweep a run is ---------------------------------------------------------------------------


class Labels:
    """The sweeps that these runs belong to, and their trials; read again where a run is new, or was cancelled."""

    def __init__(self, records: Records, runs: Iterable[Run]) -> None:
        self._records = records
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
        self.sweeps[sweep_id], trials = self._records.sweep(sweep_id)
        others = {run_id: trial for run_id, trial in self._trials.items() if trial.sweep_id != sweep_id}
        self._trials = others | {trial.run_id: trial for trial in trials}
