"""Following runs as they happen: a live display on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from orchestrator.reports.display import Display
from orchestrator.reports.formats import clock, loss, printable
from orchestrator.reports.labels import Labels
from orchestrator.reports.parameters import listed
from orchestrator.reports.tables import validation_loss
from orchestrator.reports.transfers import TransferLines
from orchestrator.runs.ledger import Ledger
from orchestrator.runs.world import Listener
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition

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
