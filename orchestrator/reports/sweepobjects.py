"""What `--json` prints of sweeps: plain objects, numbers as numbers, nothing where something is not known."""

from __future__ import annotations

from typing import Any

from orchestrator.reports.objects import checked_file_object
from orchestrator.reports.plans import preview_object
from orchestrator.reports.text import iso
from orchestrator.sweeps.effects import Effect
from orchestrator.sweeps.overview import Overview, TrialRecord
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.recipes import PlannedTrial
from orchestrator.sweeps.results import PointResult, TrialResult, best_repeat
from orchestrator.sweeps.submission import Changes
from orchestrator.sweeps.tpe import Suggestion


def overview_object(overview: Overview) -> dict[str, Any]:
    """What `sweep show --json` prints."""
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
        "trials": [_trial_object(record) for record in (*overview.trials, *overview.removed)],
    }


def best_object(best: TrialResult) -> dict[str, Any]:
    """What `sweep best --json` prints."""
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


def _trial_object(record: TrialRecord) -> dict[str, Any]:
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


def sweep_plan_object(plan: SweepPlan, changes: Changes | None = None) -> dict[str, Any]:
    """What `submit --dry-run --json` prints of a sweep."""
    settings = plan.settings
    return {
        "name": plan.job.name,
        "endpoint": plan.config.name,
        "model": plan.job.model,
        "method": plan.job.method.type,
        "strategy": settings.strategy,
        "metric": plan.job.evaluation.metric if settings.by_evaluation and plan.job.evaluation else settings.metric,
        "goal": settings.goal,
        "files": [checked_file_object(checked) for checked in plan.files],
        "trials": [_planned_object(planned) for planned in plan.trials],
        "drawn_later": plan.drawn,
        "changes": _changes_object(changes) if changes else None,
        "estimated_cost_usd": plan.cost_usd,
        "max_cost_usd": plan.job.limits.max_cost_usd,
        "max_active": min(settings.max_active or plan.config.max_active, plan.config.max_active),
        "notices": list(plan.notices),
        "evaluation": preview_object(plan.evaluation),
    }


def _planned_object(planned: PlannedTrial) -> dict[str, Any]:
    cost = planned.cost
    return {
        "trial": planned.trial.number,
        "repeat": planned.trial.repeat,
        "parameters": dict(planned.trial.parameters),
        "tokens_per_epoch": cost.tokens_per_epoch,
        "epochs": cost.epochs,
        "epochs_assumed": cost.epochs_assumed,
        "estimated_cost_usd": cost.usd,
    }


def _changes_object(changes: Changes) -> dict[str, Any]:
    return {
        "new": len(changes.new) + changes.drawn,
        "found": [trial.number for trial in changes.found],
        "tried_again": [trial.number for trial, _ in changes.renewed],
        "removed": [trial.number for trial in changes.removed],
    }
