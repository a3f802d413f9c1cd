"""The state of a sweep, for `sweep show`, and in short for the end of `submit`."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.notices import notices
from orchestrator.reports.ranking import (
    SHOWN_POINTS,
    number,
    print_effects,
    print_ranking,
    print_suggestions,
    print_unranked,
)
from orchestrator.reports.sweeps import judged_by
from orchestrator.reports.sweeptables import states
from orchestrator.reports.table import facts
from orchestrator.reports.text import iso, listed, moment, money, plural, print_wrapped, printable
from orchestrator.sweeps.overview import Overview, TrialRecord
from orchestrator.sweeps.results import PointResult, TrialResult, TrialState, best_repeat

if TYPE_CHECKING:
    from orchestrator.sweeps.effects import Effect
    from orchestrator.sweeps.tpe import Suggestion

_SHOWN_AT_THE_END = 5
_SHOWN_TRIALS = 5


def print_overview(
    overview: Overview, config: EndpointConfig | None, console: Console, *, show_all: bool = False
) -> None:
    """Print everything about a sweep: ranking, effects, unranked trials, and what to try next. Long lists are cut
    unless `show_all`. `config` is its endpoint; None if that is no longer configured."""
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
    """Print how a followed sweep ended: its best points, and the command that shows the rest."""
    console.print(f"sweep {printable(overview.sweep.name)}  {standing(overview)}", style="bold")
    print_ranking(overview.ranking, overview.settings, console, _SHOWN_AT_THE_END, title="")
    console.print(f"  details: ftorch sweep show {printable(overview.sweep.name)}", style="dim")


def standing(overview: Overview) -> str:
    """`9 trials: 8 succeeded, 1 pruned; stopped by the user`."""
    counts = Counter(map(_state, overview.trials))
    stopped = overview.sweep.stopped_at is not None
    expected = len(overview.trials) if stopped else overview.expected
    return f"{plural(expected, 'trial')}: {states(counts, expected)}{'; stopped' if stopped else ''}"


def overview_object(overview: Overview) -> dict[str, Any]:
    """The object that `sweep show --json` prints."""
    sweep, settings, ranking = overview.sweep, overview.settings, overview.ranking
    return {
        "sweep": sweep.id,
        "name": sweep.name,
        "endpoint": sweep.endpoint,
        "job_file": sweep.job_file,
        "strategy": settings.strategy,
        "metric": ranking.metric,
        "goal": settings.goal,
        "checkpoint": "final" if settings.by_evaluation else settings.checkpoint,
        "evaluation": overview.evaluated.evaluation.id if overview.evaluated else None,
        "created_at": iso(sweep.created_at),
        "stopped_at": iso(sweep.stopped_at),
        "expected_trials": overview.expected,
        "best": best_object(ranking.best) if ranking.best else None,
        "verdict": ranking.verdict or None,
        "ranking": [_point_object(place, point, overview) for place, point in enumerate(ranking.ranked, 1)],
        "effects": [_effect_object(effect) for effect in overview.effects],
        "suggestions": [_suggestion_object(suggestion) for suggestion in overview.suggestions],
        "trials": [trial_object(record) for record in (*overview.trials, *overview.removed)],
    }


def best_object(best: TrialResult) -> dict[str, Any]:
    """The object that `sweep best --json` prints."""
    score = best.score
    return {
        "model": score.model if score else None,
        "run": best.run_id,
        "trial": best.trial.number,
        "parameters": dict(best.trial.parameters),
        "score": score.value if score else None,
        "step": score.step if score else None,
        "final_step": best.final_step,
    }


# --- The parts ------------------------------------------------------------------------------------------------


def _state(record: TrialRecord) -> str:
    """The state of the trial's run, or "pruned"."""
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
        ("cost", cost_text(overview)),
        ("submitted", moment(sweep.created_at)),
        ("job file", sweep.job_file),
    ]
    console.print(facts(((name, printable(text)) for name, text in rows), gap=(2, 2)))


def cost_text(overview: Overview) -> str:
    """From the trained tokens if known; estimated for trials that are running or were removed."""
    runs = [record.run for record in (*overview.trials, *overview.removed)]
    paid = sum(run.cost_usd for run in runs if run.cost_usd is not None)
    open_runs = [run for run in runs if run.cost_usd is None and not run.is_over]
    expected = [run.estimated_cost_usd for run in open_runs]
    limit = overview.job.limits.max_cost_usd
    held = f"; limited to {money(limit)} (max_cost_usd)" if limit is not None else ""
    if not open_runs:
        return f"{money(paid)}{held}"
    known = [usd for usd in expected if usd is not None]
    rest = money(sum(known)) if len(known) == len(expected) else "an unknown amount"
    return f"{money(paid)}, and about {rest} for {plural(len(open_runs), 'unfinished trial')}{held}"


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
    print_wrapped(f"ftorch show {best.run_id} shows its run and how to call it", console)


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


# --- Their objects --------------------------------------------------------------------------------------------


def _point_object(place: int, point: PointResult, overview: Overview) -> dict[str, Any]:
    best = best_repeat(point, overview.settings.goal)
    return {
        "rank": place,
        "parameters": dict(point.parameters),
        "mean": point.mean,
        "spread": point.spread,
        "repeats": len(point.scores),
        "best_run": best.run_id,
        "best_model": best.score.model if best.score else None,
        "p_to_first": overview.ranking.p_to_first.get(best.run_id),
        "cost_usd": point.cost_usd,
        "trained_tokens": point.trained_tokens,
        "seconds": point.seconds,
    }


def trial_object(record: TrialRecord) -> dict[str, Any]:
    """One element of `trials` in `sweep show --json`."""
    result, score = record.result, record.result.score
    return {
        "trial": result.trial.number,
        "repeat": result.trial.repeat,
        "parameters": dict(result.trial.parameters),
        "listed": record.recorded.listed,
        "run": result.run_id,
        "state": str(result.state),
        "reason": result.reason,
        "score": score.value if score else None,
        "measured_on_whole_file": score.is_whole if score else None,
        "low": score.interval.low if score and score.interval else None,
        "high": score.interval.high if score and score.interval else None,
        "step": score.step if score else None,
        "final_step": result.final_step,
        "model": score.model if score else record.run.fine_tuned_model,
        "retries": record.recorded.retries,
        "estimated_cost_usd": record.run.estimated_cost_usd,
        "cost_usd": result.cost_usd,
        "trained_tokens": result.trained_tokens,
        "seconds": result.seconds,
    }


def _effect_object(effect: Effect) -> dict[str, Any]:
    levels = [{"level": level.label, "points": level.points, "mean": level.mean} for level in effect.levels]
    return {
        "parameter": effect.parameter,
        "share": effect.share,
        "share_by_chance": effect.by_chance,
        "importance": effect.importance,
        "levels": levels,
    }


def _suggestion_object(suggestion: Suggestion) -> dict[str, Any]:
    return {"parameters": dict(suggestion.parameters), "reason": suggestion.reason}
