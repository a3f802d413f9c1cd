"""The plan of a sweep that `submit` shows before anything happens: its trials, their costs, and the caps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from orchestrator.jobfile import Asha, JobFile, Median, Stop
from orchestrator.reports.endpoints import destination, destination_object
from orchestrator.reports.plans import (
    checked_file_object,
    data_facts,
    earlier_object,
    evaluation_line,
    not_held,
    override_facts,
    overrides_object,
    preview_object,
    print_concerns,
    print_earlier,
    print_not_looked,
    print_preview_notes,
    weights_facts,
)
from orchestrator.reports.table import Cell, Column, Fit, Meaning, Number, Row, Table, facts, row
from orchestrator.reports.text import count, heading, listed, money, plural, printable, value, varied
from orchestrator.runs.earlier import Earlier
from orchestrator.runs.plan import hyperparameters_of
from orchestrator.sweeps.overview import settings
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.recipes import PlannedTrial
from orchestrator.sweeps.submission import Changes

_SHOWN_TRIALS = 20
_WIDTH_BESIDE_PARAMETERS, _PARAMETER_WIDTH = 30, 12


def print_sweep_plan(
    plan: SweepPlan, console: Console, changes: Changes | None = None, limit: int | None = _SHOWN_TRIALS
) -> None:
    """What will be tried, where, and its cost; `changes`: what is recorded already.

    At most `limit` combinations are listed (None: all of them).
    """
    console.print(f"Plan: sweep {plan.job.name} on {plan.config.name}", style="bold")
    console.print(facts(sweep_plan_facts(plan)))
    console.print(_trials(plan, console.width, limit))
    if changes is not None:
        _print_changes(changes, console)
    if held_back := _held_back(plan):
        console.print(f"Warning: {held_back}", style="yellow")
    print_concerns(plan.files, plan.job.source, plan.notices, console)
    if plan.evaluation is not None:
        print_preview_notes(plan.evaluation, console)
    if changes is not None:
        print_earlier([(_same_as(planned), each) for planned, each in changes.before], console)
        print_not_looked(changes.not_looked, console)


def _same_as(planned: PlannedTrial) -> str:
    return f"the same content as {planned.name} was"


def sweep_plan_object(plan: SweepPlan, changes: Changes | None = None) -> dict[str, Any]:
    """What `submit --dry-run --json` prints of a sweep."""
    settings = plan.settings
    return {
        "name": plan.job.name,
        "endpoint": plan.config.name,
        **destination_object(plan.config),
        "model": plan.job.model,
        "base_folders": {name: str(each.folder) for name, each in plan.recipes.bases.items()},
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
        "overrides": overrides_object(plan.job),
        "notices": list(plan.notices),
        "evaluation": preview_object(plan.evaluation),
        "trained_before": [_earlier_object(*each) for each in changes.earlier] if changes else [],
        "over_budget": _held_back(plan) or None,
    }


# --- The facts ------------------------------------------------------------------------------------------------


def sweep_plan_facts(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    """What is known of a sweep before it is submitted: names and values."""
    yield from ((name, printable(text)) for name, text in _settings(plan))
    yield from data_facts(plan.files, plan.evaluation)
    yield "cost", _cost(plan)
    if plan.evaluation is not None:
        yield "evaluation", evaluation_line(plan.evaluation)
    yield from override_facts(plan.job)


def _settings(plan: SweepPlan) -> list[tuple[str, str]]:
    job, sweep = plan.job, plan.settings
    axes = varied(planned.trial.parameters for planned in (*plan.trials, *plan.corners))
    fixed = {name: given for name, given in hyperparameters_of(job, plan.config).items() if name not in axes}
    return [
        *destination(plan.config),
        *([("model", job.model), *weights_facts(plan.plans[0].weights)] if "model" not in axes else []),
        ("method", f"{job.method.type}{': ' if fixed else ''}{listed(fixed)}"),
        ("trials", _trials_said(plan)),
        ("judged by", judged_by(job)),
        *([("stopping", _rule(sweep.stop))] if sweep.stop is not None else []),
        ("at once", _at_once(plan)),
    ]


def _trials_said(plan: SweepPlan) -> str:
    sweep, total = plan.settings, len(plan.trials) + plan.drawn
    repeats = f", each combination {sweep.seeds} times with its own seed" if sweep.seeds > 1 else ""
    drawn = f"; {plan.drawn:,} of them chosen from the results of earlier ones" if plan.drawn else ""
    return f"{total:,} ({sweep.strategy}){repeats}{drawn}"


def judged_by(job: JobFile) -> str:
    """`valid_loss of the best checkpoint, lower is better`."""
    sweep = settings(job)
    better = "lower" if sweep.goal == "minimize" else "higher"
    if sweep.by_evaluation and job.evaluation is not None:
        return f"{job.evaluation.metric} on {job.evaluation.file}, {better} is better"
    which = "best checkpoint" if sweep.checkpoint == "best" else "final model"
    return f"{sweep.metric} of the {which}, {better} is better"


def _rule(stop: Stop) -> str:
    if isinstance(stop, Median):
        return f"median: stops what is worse than the median of at least {stop.startup_trials} finished trials"
    if isinstance(stop, Asha):
        return f"asha: at each rung the best 1 in {stop.reduction_factor} go on"
    return f"patience: stops what has been worse than its best for {stop.patience} looks"


def _at_once(plan: SweepPlan) -> str:
    own, endpoint = plan.settings.max_active, plan.config.max_active
    if own is not None and own < endpoint:
        return f"{own} (max_active of the sweep)"
    return f"{endpoint} (max_active of {plan.config.name})"


def _cost(plan: SweepPlan) -> str:
    if not plan.may_cost:
        return "no charge"
    limit, total = plan.job.limits.max_cost_usd, plan.cost_usd
    bound = "at most" if plan.drawn else "about"
    amount = "unknown" if total is None else f"{bound} {money(total)} for all trials together"
    held = ""
    if limit is not None:
        held = f"; held to {money(limit)} (max_cost_usd)" if total is not None else f", {not_held(limit)}"
    return f"{amount}{held}; {plan.plans[0].cost.note}"


def _held_back(plan: SweepPlan) -> str:
    """A warning where the cap is below what all trials may cost."""
    limit, total = plan.job.limits.max_cost_usd, plan.cost_usd
    if limit is None or total is None or total <= limit:
        return ""
    return (
        f"all trials may cost {money(total)}, and max_cost_usd is {money(limit)}: trials start in order while "
        "the next one fits; the others wait until you raise it"
    )


def _print_changes(changes: Changes, console: Console) -> None:
    """What is already recorded of the trials; nothing for a new sweep."""
    parts = [
        (changes.found, "recorded already, not submitted again"),
        (changes.renewed, "tried again, since they failed or were cancelled"),
        (changes.new, "new"),
        (changes.removed, "no longer in the job file; their results stay recorded"),
    ]
    if changes.found or changes.renewed or changes.removed:
        said = [f"  {plural(len(trials), 'trial')} {what}" for trials, what in parts if trials]
        console.print("\n".join(said))
        for trial in changes.removed[:_SHOWN_TRIALS]:
            console.print(f"    trial {trial.number}: {listed(trial.parameters)}", style="dim", soft_wrap=True)


# --- The trials -----------------------------------------------------------------------------------------------


def _trials(plan: SweepPlan, width: int, limit: int | None) -> Table:
    """One line for each combination, repeats included; then those still to be drawn, and the total."""
    points = [planned for planned in plan.trials if planned.trial.repeat == 0]
    names = varied(planned.trial.parameters for planned in (*points, *plan.corners))
    is_wide = width >= _WIDTH_BESIDE_PARAMETERS + _PARAMETER_WIDTH * len(names)
    columns = [
        Column("  trial", fit=Fit.LINE, is_number=True),
        *(Column(heading(name, is_wide), name, Fit.FOLD) for name in names),
        *(Column(title, fit=Fit.LINE, is_number=True) for title in ("tokens", "cost")),
    ]
    rows = [_trial(planned, names) for planned in points[:limit]]
    blanks = [""] * max(0, len(names) - 1)
    if limit is not None and len(points) > limit:
        more = [f"{len(points) - limit:,} more"] if names else []
        rows.append(row("…", *more, *blanks, "", "", meaning=Meaning.MUTED))
    if plan.drawn:
        rows.append(row("…", f"{plan.drawn:,} to be drawn", *blanks, *_span(plan.corners), meaning=Meaning.MUTED))
    total = f"all {len(plan.trials) + plan.drawn:,}"
    rows.append(row("", total, *blanks, *_numbers(_all_tokens(plan), plan.cost_usd), meaning=Meaning.STRONG))
    return Table(columns, rows, headings=Meaning.MUTED, gap=(0, 2))


def _trial(planned: PlannedTrial, names: Sequence[str]) -> Row:
    given = planned.trial.parameters
    cells = (Cell(value(given[name]) if name in given else "–") for name in names)
    number = Number(str(planned.trial.number), value=planned.trial.number)
    return row(number, *cells, *_numbers(_tokens(planned), planned.cost.usd))


def _numbers(tokens: int | None, usd: float | None) -> tuple[Number, Number]:
    return Number(count(tokens), value=tokens, unit="tokens"), Number(money(usd), value=usd, unit="USD")


def _tokens(planned: PlannedTrial) -> int | None:
    """The tokens of all its epochs."""
    cost = planned.cost
    return None if cost.tokens_per_epoch is None else cost.tokens_per_epoch * cost.epochs


def _all_tokens(plan: SweepPlan) -> int | None:
    """At most, where trials are still to be drawn."""
    known = [tokens for planned in plan.trials if (tokens := _tokens(planned)) is not None]
    corners = [tokens for planned in plan.corners if (tokens := _tokens(planned)) is not None]
    if len(known) < len(plan.trials) or len(corners) < len(plan.corners):
        return None
    return sum(known) + plan.drawn * max(corners, default=0)


def _span(corners: Sequence[PlannedTrial]) -> tuple[str, str]:
    """The least and the most that a trial may take: tokens, and cost."""
    tokens = [found for corner in corners if (found := _tokens(corner)) is not None]
    costs = [corner.cost.usd for corner in corners if corner.cost.usd is not None]
    return (
        _between(*(count(end) for end in (min(tokens), max(tokens)))) if tokens else "unknown",
        _between(*(money(end) for end in (min(costs), max(costs)))) if costs else "unknown",
    )


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


# --- Their objects --------------------------------------------------------------------------------------------


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


def _earlier_object(planned: PlannedTrial, earlier: Earlier) -> dict[str, Any]:
    return {"trial": planned.trial.number, "repeat": planned.trial.repeat, **earlier_object(earlier)}


def _changes_object(changes: Changes) -> dict[str, Any]:
    return {
        "new": len(changes.new) + changes.drawn,
        "found": [trial.number for trial in changes.found],
        "tried_again": [trial.number for trial, _ in changes.renewed],
        "removed": [trial.number for trial in changes.removed],
    }
