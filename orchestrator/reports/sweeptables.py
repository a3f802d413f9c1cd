"""Sweeps and their trials, one line each, for `status`. Loads no job file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar

from orchestrator.ledger import SweepStanding
from orchestrator.reports.runs import AT_WORK, loss_cell, state_cell, steps, validation_loss, why
from orchestrator.reports.table import BAR_WIDTH, Bar, Column, Fit, Number, Row, Table, row
from orchestrator.reports.text import ago, iso, plural, printable, short
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial

_WIDE_DISPLAY = 100
OVER = ("succeeded", "pruned", "failed", "cancelled")
"""The states of a trial that has ended."""
_ORDER = (*AT_WORK, "failed", "pruned", "cancelled", "succeeded", "pending")
"""Running and failed trials come first: a narrow terminal cuts off the end."""


def sweeps_table(standings: Iterable[SweepStanding], now: float, width: int) -> Table:
    """One line for each sweep."""
    is_wide = width >= _WIDE_DISPLAY
    columns = [
        *(Column(title, fit=Fit.LINE) for title in ("SWEEP", "ENDPOINT")),
        Column("", "share_over", Fit.LINE),
        Column("DONE", fit=Fit.LINE),
        Column("TRIALS", fit=Fit.FOLD, takes_rest=True),
        *([Column("CREATED", fit=Fit.LINE)] if is_wide else []),
    ]
    return Table(columns, [_sweep_row(standing, now if is_wide else None) for standing in standings])


def _sweep_row(standing: SweepStanding, now: float | None) -> Row:
    """Without its age if `now` is None."""
    sweep, counts = standing.sweep, standing.counts
    over, expected = trials_over(counts), trials_expected(sweep, counts)
    return row(
        printable(sweep.name),
        printable(sweep.endpoint),
        Bar(done=over, total=expected),
        f"{over:,}/{expected:,}",
        states(counts, expected) + ("; stopped" if sweep.stopped_at is not None else ""),
        *([] if now is None else [ago(sweep.created_at, now)]),
    )


def sweeps_summary(total: int, shown: int) -> str:
    """How to see more of a sweep, and the other sweeps."""
    rest = f"; the newest {shown} of {total:,} are shown, --all shows every one" if shown < total else ""
    return f"trials: ftorch status NAME; ranking: ftorch sweep show NAME{rest}"


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


# --- Shared by all reports on sweeps --------------------------------------------------------------------------


def bar(done: float, total: float) -> ProgressBar:
    return ProgressBar(total=total or 1, completed=done, width=BAR_WIDTH)


def states(counts: Mapping[str, int], expected: int) -> str:
    """`2 running, 4 succeeded, 3 not drawn yet`."""
    known = [f"{counts[state]:,} {state}" for state in _ORDER if counts.get(state)]
    undrawn = expected - sum(counts.values())
    return ", ".join([*known, *([f"{undrawn:,} not drawn yet"] if undrawn else [])])


def trials_over(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in OVER)


def trials_expected(sweep: RecordedSweep, counts: Mapping[str, int]) -> int:
    """The total number of trials: tpe draws them one after another, the other strategies all at once."""
    known = sum(counts.values())
    return known if sweep.stopped_at is not None else max(known, sweep.trials)


# --- The trials of a sweep as runs, for `status NAME` ---------------------------------------------------------


_WIDE = 120
"""From this width there is room for model ids."""
_SHOWN_REASONS = 5
TrialRun = tuple[RecordedTrial, Run]


def trials_table(
    trials: Sequence[TrialRun], last: Mapping[str, Metric], now: float, width: int, limit: int | None
) -> RenderableType:
    """One line for each trial: its parameters, its state, and its model id or the reason it waits.

    On narrow terminals the reasons are below the table, each once. At most `limit` trials are shown (None: all),
    running ones before finished ones.
    """
    shown = _worth_seeing(trials, limit)
    is_wide = width >= _WIDE
    columns = [
        Column("TRIAL", fit=Fit.LINE, is_number=True),
        Column("PARAMETERS", fit=Fit.FOLD),
        *(Column(title, fit=Fit.LINE) for title in ("RUN", "STATE", "STEP", "VALID")),
        *([Column("MODEL / REASON", "model", fit=Fit.BELOW, takes_rest=True)] if is_wide else []),
    ]
    rows = [_trial_row(trial, run, last.get(run.id), now if is_wide else None) for trial, run in shown]
    left = len(trials) - len(shown)
    rest = [f"and {plural(left, 'more trial')}; --all shows every one"] if left else []
    return Group(Table(columns, rows), *rest, *([] if is_wide else _reasons(trials, now)))


def _trial_row(trial: RecordedTrial, run: Run, metric: Metric | None, now: float | None) -> Row:
    """Without its model or reason if `now` is None."""
    return row(
        Number(str(trial.number), value=trial.number),
        printable(short(trial.parameters, trial.repeat)),
        run.id,
        state_cell(_trial_state(trial, run)),
        steps(metric),
        loss_cell(validation_loss(metric)),
        *([] if now is None else [printable(run.fine_tuned_model or _why(trial, run, now))]),
    )


def _reasons(trials: Sequence[TrialRun], now: float) -> list[str]:
    """The reasons of trials, as `11 pending: waiting for a slot`."""
    reasons = Counter((_trial_state(trial, run), _why(trial, run, now)) for trial, run in trials)
    said = [(state, why, number) for (state, why), number in reasons.most_common() if why]
    lines = [f"{number:,} {state}: {printable(why)}" for state, why, number in said[:_SHOWN_REASONS]]
    return ["", *lines] if lines else []


def _trial_state(trial: RecordedTrial, run: Run) -> str:
    return "pruned" if trial.pruned and run.state == "cancelled" else run.state


def _why(trial: RecordedTrial, run: Run, now: float) -> str:
    if run.state == "succeeded":
        return ""
    return trial.pruned or why(run, now)


def _worth_seeing(trials: Sequence[TrialRun], limit: int | None) -> Sequence[TrialRun]:
    if limit is None or len(trials) <= limit:
        return trials
    ordered = sorted(trials, key=lambda pair: (pair[1].state not in AT_WORK, not pair[1].is_over))
    return sorted(ordered[:limit], key=lambda pair: pair[0].number)
