"""The plan of a migration on a terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console

from orchestrator.bookkeeping.endings import today
from orchestrator.evaluation.metrics import METRICS
from orchestrator.migration.baseline import Baseline
from orchestrator.migration.plan import MigrationPlan, Successor, points
from orchestrator.reports.comparison import share
from orchestrator.reports.evaluation import REHEARSAL
from orchestrator.reports.table import facts
from orchestrator.reports.text import count, ending, iso, money, plural, print_wrapped, printable


def print_migration_plan(plan: MigrationPlan, console: Console) -> None:
    """What will be trained where, on which cases it is judged, and what it may cost."""
    console.print(printable(f"Plan: successors of {plan.baseline.model}"), style="bold", soft_wrap=True)
    console.print(facts(_plan_facts(plan)))
    rehearsal = [REHEARSAL] if plan.baseline.evaluation.is_rehearsal else []
    for note in (*rehearsal, *plan.notes):
        print_wrapped(f"Warning: {printable(note)}", console, indent="", style="yellow")
    for successor in plan.successors:
        console.print()
        _print_successor(successor, console)


def _plan_facts(plan: MigrationPlan) -> Iterator[tuple[str, str]]:
    baseline = plan.baseline
    found = baseline.evaluation
    yield (
        "baseline",
        printable(f"{found.endpoint}, evaluation {found.id} of {_day(found.created_at)}{_ending(baseline)}"),
    )
    yield "cases", printable(f"{baseline.file}: {plural(cases_of(baseline), 'case')}")
    yield METRICS[plan.metric].title, share(METRICS[plan.metric].of(baseline.series.all))
    yield "passes if", f"not worse by more than {points(plan.margin)}, at 95 %"
    yield "cost", _total(plan)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _ending(baseline: Baseline) -> str:
    return f"; {ends_in(baseline.ends)}" if baseline.ends else ""


def ends_in(ends: date) -> str:
    """`ends in 47 days, on 2027-01-14`."""
    return f"{ending(ends, today())}, on {ends}"


def cases_of(baseline: Baseline) -> int:
    """How many cases the baseline was asked, answered or not."""
    return len({case for case, _ in baseline.scores.kept})


def _total(plan: MigrationPlan) -> str:
    if not any(each.plan and each.plan.may_cost for each in plan.successors if each.is_possible):
        return "no charge"
    known = f"about {money(plan.usd)}" + (f", {money(plan.paid_usd)} of it paid" if plan.paid_usd else "")
    said = known if plan.is_priced else f"{known} and an unknown part" if plan.usd else "unknown"
    hosting = ", and hosting while they are asked" if any(each.needs_hosting for each in plan.successors) else ""
    if plan.limit_usd is None:
        return f"{said}{hosting}; no limit (--max-cost-usd)"
    left = [*([] if plan.is_priced else ["an unknown cost"]), *(["hosting"] if hosting else [])]
    held = f"; {' and '.join(left)} can't be held back" if left else ""
    return f"{said}{hosting}; at most {money(plan.limit_usd)} for all{held}"


def _print_successor(successor: Successor, console: Console) -> None:
    console.print(printable(successor.label), style="bold", soft_wrap=True)
    console.print(facts(_successor_facts(successor)))
    if successor.problem is not None:
        print_wrapped(f"Left out: {printable(str(successor.problem))}", console, style="red")
        return
    if successor.unasked == 0:  # nothing is left to do there
        return
    for note in successor.notes:
        print_wrapped(f"Note: {printable(note)}", console, style="yellow")


def _successor_facts(successor: Successor) -> Iterator[tuple[str, str]]:
    yield "  model", printable(successor.job.model)
    plan = successor.plan
    if plan is None:
        return
    yield "  training", f"{plan.job.method.type}, {_training(successor)}"
    if successor.preview is not None:
        yield "  answers", f"{count(successor.preview.questions)} questions, {_answers(successor)}"


def _training(successor: Successor) -> str:
    plan, run = successor.plan, successor.run
    assert plan is not None
    if run is not None:
        return f"recorded as run {run.id} ({run.state})"
    return f"about {money(plan.cost.usd)}" if plan.may_cost and plan.cost.usd is not None else _free(successor)


def _free(successor: Successor) -> str:
    return "cost unknown" if successor.plan and successor.plan.may_cost else "no charge"


def _answers(successor: Successor) -> str:
    if successor.evaluated is not None:
        return f"recorded in evaluation {successor.evaluated.id}"
    if successor.unasked == 0:
        return "all answers are recorded"
    usd = successor.answers_usd
    if not usd:
        is_charged = successor.plan is not None and successor.plan.may_cost
        return "cost unknown" if usd is None else "no charge for tokens" if is_charged else "no charge"
    return f"about {money(usd)}"


def migration_plan_object(plan: MigrationPlan) -> dict[str, Any]:
    """What `migrate --dry-run --json` prints."""
    return {
        "name": plan.job.name,
        "baseline": baseline_object(plan.baseline),
        "metric": plan.metric,
        "margin": plan.margin,
        "estimated_cost_usd": plan.usd if plan.is_priced else None,
        "max_cost_usd": plan.limit_usd,
        "warnings": list(plan.notes),
        "successors": [successor_object(each) for each in plan.successors],
    }


def successor_object(successor: Successor) -> dict[str, Any]:
    """A successor as planned."""
    plan = successor.plan
    return {
        "to": successor.target.written,
        "label": successor.label,
        "endpoint": successor.target.endpoint,
        "base_model": successor.job.model,
        "method": plan.job.method.type if plan else None,
        "hyperparameters": plan.recipe.hyperparameters if plan else None,
        "run": successor.run.id if successor.run else None,
        "training_usd": successor.training_usd,
        "answers_usd": successor.answers_usd,
        "problem": str(successor.problem) if successor.problem else None,
        "notes": list(successor.notes),
    }


def baseline_object(baseline: Baseline) -> dict[str, Any]:
    """The baseline: its model, its evaluation, and its cases."""
    found = baseline.evaluation
    return {
        "model": baseline.model,
        "endpoint": found.endpoint,
        "variant": baseline.variant,
        "evaluation": found.id,
        "evaluated_at": iso(found.created_at),
        "file": str(baseline.file),
        "file_sha256": found.file_sha256,
        "ends": baseline.ends.isoformat() if baseline.ends else None,
        "is_rehearsal": found.is_rehearsal,
    }
