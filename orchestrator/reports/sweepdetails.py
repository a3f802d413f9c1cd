"""A sweep as it stands, for `sweep show`, and in short for the end of `submit`."""

from __future__ import annotations

from collections import Counter
from datetime import date

from rich.console import Console
from rich.table import Table

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.notices import notices
from orchestrator.reports.console import print_wrapped
from orchestrator.reports.effects import print_effects, print_suggestions
from orchestrator.reports.formats import moment, money, plural, printable
from orchestrator.reports.parameters import listed
from orchestrator.reports.ranking import SHOWN_POINTS, number, print_ranking, print_unranked
from orchestrator.reports.sweeplines import states
from orchestrator.reports.sweeps import judged_by
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
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
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
    for name, text in rows:
        table.add_row(name, printable(text))
    console.print(table)


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
