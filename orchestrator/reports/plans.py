"""The plan that `submit` prints before anything happens."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from orchestrator.reports.formats import count, money, printable
from orchestrator.runs.plan import CheckedFile, Plan

_SHOWN_WARNINGS = 5


def print_plan(plan: Plan, console: Console) -> None:
    """What will be trained where, on which bytes, for how much."""
    job = plan.job
    console.print(f"Plan: {job.name} on {plan.config.name}", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("model", printable(job.model))
    numbers = ", ".join(f"{name} {value}" for name, value in job.method.hyperparameters.items())
    table.add_row("method", f"{job.method.type}: {numbers}")
    for checked in plan.files:
        table.add_row(checked.role, _file(checked))
    table.add_row("cost", _cost(plan))
    console.print(table)
    for checked in plan.files:
        _print_warnings(checked, console)
    for notice in plan.notices:
        console.print(f"Note: {printable(notice)}", style="yellow")


def _file(checked: CheckedFile) -> str:
    report = checked.report
    size = f"{checked.file.size / 1e6:,.1f} MB" if checked.file.size >= 1e5 else f"{checked.file.size:,} bytes"
    path = printable(str(checked.file.path))
    return f"{path}: {count(report.examples)} examples, {count(report.tokens)} tokens, {size}"


def _cost(plan: Plan) -> str:
    cost, limit = plan.cost, plan.job.limits.max_cost_usd
    if not plan.may_cost:
        return "no charge"
    assumed = " (assumed for auto)" if cost.epochs_assumed else ""
    work = f"{count(cost.tokens_per_epoch)} tokens × {cost.epochs} epochs{assumed}"
    amount = "unknown" if cost.usd is None else f"about {money(cost.usd)}"
    held = f"; at most {money(limit)} (max_cost_usd)" if limit is not None else ""
    return f"{amount}: {work}; {cost.note}{held}"


def _print_warnings(checked: CheckedFile, console: Console) -> None:
    warnings, path = checked.report.warnings, printable(str(checked.file.path))
    for finding in warnings[:_SHOWN_WARNINGS]:
        console.print(f"Warning: {path}: {finding.code} {printable(finding.message)}", style="yellow")
    if len(warnings) > _SHOWN_WARNINGS:
        console.print(f"Warning: {path}: {len(warnings) - _SHOWN_WARNINGS} more", style="yellow")
