"""The live display of runs on a terminal: a line for each, as many as fit, and the rest summed up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import count
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.reports.formats import duration, printable
from orchestrator.reports.labels import Labels
from orchestrator.reports.runlines import RunLine, RunLines
from orchestrator.reports.sweeplines import BAR, OVER, bar, states, trials_expected
from orchestrator.reports.transfers import TransferBars
from orchestrator.runs.ledger import Ledger
from orchestrator.store import records
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition

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
        table.add_column(no_wrap=True, min_width=BAR)
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
