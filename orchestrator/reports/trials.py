"""The trials of a sweep as runs, for `status NAME`. Loads no job file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.reports.formats import loss, plural, printable
from orchestrator.reports.parameters import short
from orchestrator.reports.tables import AT_WORK, STYLES, steps, validation_loss, why
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedTrial

_WIDE = 120
"""From this many characters on there is room for model ids."""
_SHOWN_REASONS = 5

TrialRun = tuple[RecordedTrial, Run]


def trials_table(
    trials: Sequence[TrialRun], last: Mapping[str, Metric], now: float, width: int, limit: int | None
) -> RenderableType:
    """One line for each trial: its parameters, where it stands, and its model id or what it waits for.

    Narrow terminals get the reasons below the table, each once. Of more than `limit` trials (None: no limit) those
    at work come before those that are over.
    """
    shown = _worth_seeing(trials, limit)
    is_wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("TRIAL", justify="right", no_wrap=True)
    table.add_column("PARAMETERS", overflow="fold")
    for title in ("RUN", "STATE", "STEP", "VALID"):
        table.add_column(title, no_wrap=True)
    if is_wide:
        table.add_column("MODEL, OR WHY", overflow="fold", ratio=1)
    for trial, run in shown:
        state, metric = _state(trial, run), last.get(run.id)
        numbers = (steps(metric), loss(validation_loss(metric)))
        parameters = printable(short(trial.parameters, trial.repeat))
        end = [printable(run.fine_tuned_model or _why(trial, run, now))] if is_wide else []
        table.add_row(
            str(trial.number), parameters, run.id, Text(state, style=STYLES.get(state, "")), *numbers, *end
        )
    left = len(trials) - len(shown)
    rest = [f"and {plural(left, 'more trial')}; --all shows every one"] if left else []
    return Group(table, *rest, *([] if is_wide else _reasons(trials, now)))


def _reasons(trials: Sequence[TrialRun], now: float) -> list[str]:
    """Why trials are where they are, as `11 pending: waiting for a slot`."""
    reasons = Counter((_state(trial, run), _why(trial, run, now)) for trial, run in trials)
    said = [(state, why, number) for (state, why), number in reasons.most_common() if why]
    lines = [f"{number:,} {state}: {printable(why)}" for state, why, number in said[:_SHOWN_REASONS]]
    return ["", *lines] if lines else []


def _state(trial: RecordedTrial, run: Run) -> str:
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
