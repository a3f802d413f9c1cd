"""A sweep as one line: its name, a bar, and how many of its trials are where. Loads no job file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from orchestrator.reports.formats import ago, iso, printable
from orchestrator.reports.tables import AT_WORK
from orchestrator.runs.ledger import SweepStanding
from orchestrator.store.sweeps import RecordedSweep

BAR = 12
_WIDE = 100
OVER = ("succeeded", "pruned", "failed", "cancelled")
"""The states of a trial that nothing follows."""
_ORDER = (*AT_WORK, "failed", "pruned", "cancelled", "succeeded", "pending")
"""What is at work, or went wrong, is said first: a narrow terminal cuts off the end."""


def sweeps_table(standings: Iterable[SweepStanding], now: float, width: int) -> Table:
    """One line for each sweep."""
    is_wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("SWEEP", "ENDPOINT", "", "OVER"):
        table.add_column(title, no_wrap=True)
    table.add_column("TRIALS", overflow="fold", ratio=1)
    if is_wide:
        table.add_column("CREATED", no_wrap=True)
    for standing in standings:
        sweep, counts = standing.sweep, standing.counts
        over, expected = trials_over(counts), trials_expected(sweep, counts)
        cells: list[RenderableType] = [
            printable(sweep.name),
            printable(sweep.endpoint),
            bar(over, expected),
            f"{over:,}/{expected:,}",
            states(counts, expected) + ("; stopped" if sweep.stopped_at is not None else ""),
        ]
        table.add_row(*cells, *([ago(sweep.created_at, now)] if is_wide else []))
    return table


def sweeps_summary(total: int, shown: int) -> str:
    """How to see more of a sweep, and the rest of them."""
    rest = f"; the newest {shown} of {total:,} are shown, --all shows every one" if shown < total else ""
    return f"ftorch status NAME shows the trials of a sweep, ftorch sweep show NAME its ranking{rest}"


def bar(done: float, total: float) -> ProgressBar:
    return ProgressBar(total=total or 1, completed=done, width=BAR)


def states(counts: Mapping[str, int], expected: int) -> str:
    """`2 running, 4 succeeded, 3 pending`; trials that are still to be drawn count as such."""
    known = [f"{counts[state]:,} {state}" for state in _ORDER if counts.get(state)]
    undrawn = expected - sum(counts.values())
    return ", ".join([*known, *([f"{undrawn:,} not drawn yet"] if undrawn else [])])


def trials_over(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in OVER)


def trials_expected(sweep: RecordedSweep, counts: Mapping[str, int]) -> int:
    """How many trials there will be in all: tpe draws them as it goes, the other strategies all at once."""
    known = sum(counts.values())
    return known if sweep.stopped_at is not None else max(known, sweep.trials)


def sweep_object(standing: SweepStanding) -> dict[str, object]:
    """One element of `sweep list --json`."""
    sweep, counts = standing.sweep, standing.counts
    return {
        "sweep": sweep.id,
        "name": sweep.name,
        "endpoint": sweep.endpoint,
        "job_file": sweep.job_file,
        "trials": trials_expected(sweep, counts),
        "over": trials_over(counts),
        "states": dict(counts),
        "created_at": iso(sweep.created_at),
        "stopped_at": iso(sweep.stopped_at),
    }
