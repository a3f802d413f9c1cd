"""A run as one line of the live display, in whatever width there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.reports.runs import AT_WORK, state_style, steps, validation_loss
from orchestrator.reports.table import BAR_WIDTH
from orchestrator.reports.text import duration, loss, printable, sparkline
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run

_SHORTEST_SPARK, _LONGEST_SPARK = 4, 24
_WIDE = 104
"""From this width on there is room for a bar, and for a run's id beside its label."""
_LABEL_SHARE = 0.44
"""How much of the width a label may take at most."""
_MARK, _ID, _STATE = 1, 8, 10


@dataclass
class RunLine:
    """What is shown for one run: `place` is its order, and `label`, which is printable, says which trial it is."""

    run: Run
    place: int
    label: str = ""
    state: str = "pending"
    metrics: dict[int, Metric] = field(default_factory=dict)
    """By step. Only the last is kept of a finished run: there may be thousands of runs."""
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
        """The lowest are shown where not all fit; of finished ones, those that ended last."""
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
    """Lines below each other, none of them wrapped, at any width."""

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
        """The numbers of a run that trains or has trained; for any other run its reason."""
        took = duration(line.seconds(self._now))
        if line.last is None or line.state in ("failed", "cancelled", "pruned"):
            said = re.sub(r"^job \S+ created: ", "", line.run.reason)  # the id would push the rest off the line
            reason = printable(said.removeprefix(f"{line.state}: "))
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
