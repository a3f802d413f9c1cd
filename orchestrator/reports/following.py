"""Following runs as they happen: a live display on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.reports.formats import clock, duration, loss, printable, sparkline
from orchestrator.reports.tables import STYLES
from orchestrator.runs.ledger import Ledger
from orchestrator.runs.world import Listener
from orchestrator.store import records
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition

_LINES_PER_RUN = 10
"""About how many lines of measurements a run prints where there is no terminal."""
_SHORTEST_SPARK, _LONGEST_SPARK, _BAR = 5, 24, 12
_WIDTH_WITH_BAR = 104
"""From this terminal width on there is room for a bar beside the numbers."""


@contextmanager
def following(ledger: Ledger, runs: Sequence[Run], console: Console) -> Iterator[Listener]:
    """A listener that shows these runs on `console` while the context is open."""
    if not console.is_terminal:
        yield Lines(console)
        return
    display = Display(ledger, runs, console)
    with Live(display, console=console, refresh_per_second=8, transient=True):
        yield display


class Lines:
    """A line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reasons: dict[str, str] = {}
        self._steps: dict[str, int] = {}

    def moved(self, run: Run, transition: Transition) -> None:
        self._reasons[run.id] = run.reason
        self._say(run, transition.at, f"{transition.to_state}: {transition.reason}")

    def noted(self, run: Run) -> None:
        if run.reason != self._reasons.get(run.id):
            self._reasons[run.id] = run.reason
            self._say(run, run.updated_at, f"{run.state}: {run.reason}")

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        for metric in metrics:
            every = max(1, (metric.total_steps or _LINES_PER_RUN) // _LINES_PER_RUN)
            is_due = metric.step >= self._steps.get(run.id, 0) + every
            if is_due or metric.step == metric.total_steps or metric.step == 1:
                self._steps[run.id] = metric.step
                self._say(run, time.time(), _measurement(metric))

    def warned(self, text: str) -> None:
        self._console.print(f"Warning: {printable(text)}", soft_wrap=True)

    def _say(self, run: Run, at: float, text: str) -> None:
        line = f"{clock(at)}  {run.id}  {printable(run.name)}  {printable(text)}"
        self._console.print(line, soft_wrap=True)


def _measurement(metric: Metric) -> str:
    step = f"step {metric.step}/{metric.total_steps}" if metric.total_steps else f"step {metric.step}"
    valid = metric.full_valid_loss if metric.full_valid_loss is not None else metric.valid_loss
    return f"{step}: loss {loss(metric.train_loss)}, validation loss {loss(valid)}"


@dataclass
class _Shown:
    run: Run
    metrics: dict[int, Metric] = field(default_factory=dict)
    started_at: float | None = None

    @property
    def last(self) -> Metric | None:
        return self.metrics[max(self.metrics)] if self.metrics else None


class Display:
    """One block for each run: state, progress, losses with their course, elapsed and remaining time."""

    def __init__(self, ledger: Ledger, runs: Sequence[Run], console: Console) -> None:
        self._console = console
        self._shown = {run.id: _Shown(run) for run in runs}
        self._spinner = Spinner("dots")
        with ledger.database.read() as connection:
            for run in runs:
                known = records.metrics_of(connection, run.id)
                self._shown[run.id].metrics = {metric.step: metric for metric in known}

    # --- what happens --------------------------------------------------------------------------------------

    def moved(self, run: Run, transition: Transition) -> None:
        self.noted(run)
        if run.state == "running" and run.id in self._shown:
            self._shown[run.id].started_at = transition.at

    def noted(self, run: Run) -> None:
        if run.id in self._shown:
            self._shown[run.id].run = run

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        if run.id in self._shown:
            self._shown[run.id].metrics.update((metric.step, metric) for metric in metrics)

    def warned(self, text: str) -> None:
        self._console.print(Text(f"Warning: {printable(text)}", style="yellow"))

    # --- what is seen --------------------------------------------------------------------------------------

    def __rich__(self) -> RenderableType:
        room = max(1, self._console.height - 2)
        active = [shown for shown in self._shown.values() if not shown.run.is_over]
        visible = (active or list(self._shown.values()))[:room]
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        for _ in range(5 if self._has_bar else 4):
            table.add_column(no_wrap=True)
        table.columns[-1].overflow = "ellipsis"
        for shown in visible:
            table.add_row(*self._row(shown))
        hidden = len(self._shown) - len(visible)
        return Group(table, Text(f"and {hidden} more", style="dim")) if hidden else table

    @property
    def _has_bar(self) -> bool:
        return self._console.width >= _WIDTH_WITH_BAR

    def _row(self, shown: _Shown) -> list[RenderableType]:
        run, last, now = shown.run, shown.last, time.time()
        mark: RenderableType = self._spinner if not run.is_over else Text("•")
        row: list[RenderableType] = [mark, run.id, Text(run.state, style=STYLES.get(run.state, ""))]
        if self._has_bar:
            total, done = (last.total_steps or last.step, last.step) if last else (1, 0)
            row.append(ProgressBar(total=total, completed=done, width=_BAR))
        if last is None:
            row.append(Text(f"{printable(run.reason)}  {duration(now - run.created_at)}", style="dim"))
        else:
            row.append(self._numbers(shown, last, now))
        return row

    def _numbers(self, shown: _Shown, last: Metric, now: float) -> Text:
        ordered = [shown.metrics[step] for step in sorted(shown.metrics)]
        spark = max(_SHORTEST_SPARK, min(_LONGEST_SPARK, (self._console.width - _WIDTH_WITH_BAR) // 2))
        text = Text(f"{last.step}/{last.total_steps or '?'}  loss {loss(last.train_loss)} ")
        text.append(sparkline([metric.train_loss for metric in ordered], spark), style="blue")
        valid = [metric.valid_loss for metric in ordered if metric.valid_loss is not None]
        if valid:
            text.append(f"  valid {loss(valid[-1])} ")
            text.append(sparkline(valid, spark), style="magenta")
        text.append(f"  {duration(now - shown.run.created_at)}", style="dim")
        left = _remaining(shown, last, now)
        if left is not None and not shown.run.is_over:
            text.append(f", {duration(left)} left", style="dim")
        return text


def _remaining(shown: _Shown, last: Metric, now: float) -> float | None:
    """By the endpoint's own estimate, else by the pace so far."""
    if shown.run.estimated_finish is not None:
        return max(0.0, shown.run.estimated_finish - now)
    if shown.started_at is None or not last.total_steps or not last.step:
        return None
    return (now - shown.started_at) / last.step * (last.total_steps - last.step)
