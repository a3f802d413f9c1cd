"""A sweep as it stands, for `sweep show`, and in short for the end of `submit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.notices import notices
from orchestrator.ledger import SweepStanding
from orchestrator.reports.ranking import (
    SHOWN_POINTS,
    number,
    print_effects,
    print_ranking,
    print_suggestions,
    print_unranked,
)
from orchestrator.reports.runs import AT_WORK, loss_cell, state_cell, steps, validation_loss, why
from orchestrator.reports.sweeps import judged_by
from orchestrator.reports.table import BAR_WIDTH, Bar, Column, Fit, Number, Row, Table, facts, row
from orchestrator.reports.text import ago, iso, listed, moment, money, plural, print_wrapped, printable, short
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run
from orchestrator.store.sweeps import RecordedSweep, RecordedTrial
from orchestrator.sweeps.overview import Overview, TrialRecord
from orchestrator.sweeps.results import TrialState

_SHOWN_AT_THE_END = 5
_SHOWN_TRIALS = 5


def print_overview(
    overview: Overview, config: EndpointConfig | None, console: Console, *, show_all: bool = False
) -> None:
    """Everything about a sweep: ranking, effects, what is not ranked, and what to try next; of long lists the
    beginning, unless `show_all`. `config` is its endpoint; None where that is not configured any more."""
    _print_heading(overview, console)
    print_ranking(overview.ranking, overview.settings, console, None if show_all else SHOWN_POINTS)
    _print_best(overview, console)
    print_effects(overview.effects, overview.settings, console, overview.ranking.metric)
    limit = None if show_all else _SHOWN_TRIALS
    print_unranked(overview.ranking, console, limit)
    _print_removed(overview.removed, console, limit)
    print_suggestions(overview.suggestions, console)
    if config is not None and config.type == "local":
        for notice in notices(config, overview.job, date.today()):
            console.print(f"\nNote: {printable(notice)}", style="yellow")


def print_outcome(overview: Overview, console: Console) -> None:
    """How a sweep that was followed ended: its best points, and where the rest is told."""
    console.print(f"sweep {printable(overview.sweep.name)}: {standing(overview)}", style="bold")
    print_ranking(overview.ranking, overview.settings, console, _SHOWN_AT_THE_END, title="")
    console.print(f"  the whole story: ftorch sweep show {printable(overview.sweep.name)}", style="dim")


def standing(overview: Overview) -> str:
    """`9 trials: 8 succeeded, 1 pruned; stopped by the user`."""
    counts = Counter(map(_state, overview.trials))
    stopped = overview.sweep.stopped_at is not None
    expected = len(overview.trials) if stopped else overview.expected
    return f"{plural(expected, 'trial')}: {states(counts, expected)}{'; stopped' if stopped else ''}"


def _state(record: TrialRecord) -> str:
    """The state of its run, or "pruned"."""
    return "pruned" if record.result.state is TrialState.PRUNED else record.run.state


def _print_heading(overview: Overview, console: Console) -> None:
    sweep, job, settings = overview.sweep, overview.job, overview.settings
    console.print(f"sweep {printable(sweep.name)}  {standing(overview)}", style="bold")
    rule = f", stopping by {settings.stop.rule}" if settings.stop else ""
    rows = [
        ("base model", job.model),
        ("endpoint", sweep.endpoint),
        ("strategy", f"{settings.strategy}{rule}"),
        ("judged by", judged_by(job)),
        ("cost", _cost(overview)),
        ("submitted", moment(sweep.created_at)),
        ("job file", sweep.job_file),
    ]
    console.print(facts(((name, printable(text)) for name, text in rows), gap=(2, 2)))


def _cost(overview: Overview) -> str:
    """By the trained tokens where they are known; what is under way, and what was removed, as it is estimated."""
    runs = [record.run for record in (*overview.trials, *overview.removed)]
    paid = sum(run.cost_usd for run in runs if run.cost_usd is not None)
    open_runs = [run for run in runs if run.cost_usd is None and not run.is_over]
    expected = [run.estimated_cost_usd for run in open_runs]
    limit = overview.job.limits.max_cost_usd
    held = f"; held to {money(limit)} (max_cost_usd)" if limit is not None else ""
    if not open_runs:
        return f"{money(paid)}{held}"
    known = [usd for usd in expected if usd is not None]
    rest = money(sum(known)) if len(known) == len(expected) else "an unknown amount"
    return f"{money(paid)}, and about {rest} for {plural(len(open_runs), 'trial')} not over{held}"


def _print_best(overview: Overview, console: Console) -> None:
    best = overview.ranking.best
    if best is None or best.score is None:
        return
    score, metric = best.score, overview.ranking.metric
    console.print("\nBest", style="bold")
    at = "" if score.step is None else f" at step {score.step} of {best.final_step or '?'}"
    print_wrapped(f"{listed(best.trial.parameters)}: {metric} {number(score.value)}{at}", console)
    if score.model:
        console.print(f"  {printable(score.model)}", soft_wrap=True)
    print_wrapped(f"ftorch show {best.run_id} tells all about its run, and how to call it", console)


def _print_removed(removed: tuple[TrialRecord, ...], console: Console, limit: int | None) -> None:
    """Trials that the job file no longer asks for."""
    if not removed:
        return
    console.print(f"\nNo longer in the job file, so not ranked ({len(removed):,})", style="bold")
    for record in removed[:limit]:
        score = record.result.score
        said = f", {number(score.value)}" if score else ""
        parameters = listed(record.trial.parameters)
        print_wrapped(f"trial {record.trial.number} ({parameters}): {_state(record)}{said}", console)
    if limit is not None and len(removed) > limit:
        console.print(f"  and {len(removed) - limit:,} more; --all shows every one", style="dim")


# --- A sweep as one line: its name, a bar, and how many of its trials are where. Loads no job file ------------


_WIDE_DISPLAY = 100
OVER = ("succeeded", "pruned", "failed", "cancelled")
"""The states of a trial that nothing follows."""
_ORDER = (*AT_WORK, "failed", "pruned", "cancelled", "succeeded", "pending")
"""What is at work, or went wrong, is said first: a narrow terminal cuts off the end."""


def sweeps_table(standings: Iterable[SweepStanding], now: float, width: int) -> Table:
    """One line for each sweep."""
    is_wide = width >= _WIDE_DISPLAY
    columns = [
        *(Column(title, fit=Fit.LINE) for title in ("SWEEP", "ENDPOINT")),
        Column("", "share_over", Fit.LINE),
        Column("OVER", fit=Fit.LINE),
        Column("TRIALS", fit=Fit.FOLD, takes_rest=True),
        *([Column("CREATED", fit=Fit.LINE)] if is_wide else []),
    ]
    return Table(columns, [_sweep_row(standing, now if is_wide else None) for standing in standings])


def _sweep_row(standing: SweepStanding, now: float | None) -> Row:
    """Without its age where `now` is None."""
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
    """How to see more of a sweep, and the rest of them."""
    rest = f"; the newest {shown} of {total:,} are shown, --all shows every one" if shown < total else ""
    return f"ftorch status NAME shows the trials of a sweep, ftorch sweep show NAME its ranking{rest}"


def bar(done: float, total: float) -> ProgressBar:
    return ProgressBar(total=total or 1, completed=done, width=BAR_WIDTH)


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


# --- The trials of a sweep as runs, for `status NAME`. Loads no job file --------------------------------------


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
    columns = [
        Column("TRIAL", fit=Fit.LINE, is_number=True),
        Column("PARAMETERS", fit=Fit.FOLD),
        *(Column(title, fit=Fit.LINE) for title in ("RUN", "STATE", "STEP", "VALID")),
        *([Column("MODEL, OR WHY", fit=Fit.FOLD, takes_rest=True)] if is_wide else []),
    ]
    rows = [_trial_row(trial, run, last.get(run.id), now if is_wide else None) for trial, run in shown]
    left = len(trials) - len(shown)
    rest = [f"and {plural(left, 'more trial')}; --all shows every one"] if left else []
    return Group(Table(columns, rows), *rest, *([] if is_wide else _reasons(trials, now)))


def _trial_row(trial: RecordedTrial, run: Run, metric: Metric | None, now: float | None) -> Row:
    """Without its model or its reason where `now` is None."""
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
    """Why trials are where they are, as `11 pending: waiting for a slot`."""
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
