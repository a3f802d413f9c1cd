"""The plan that `submit` prints before anything happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orchestrator.reports.formats import count, money, printable
from orchestrator.reports.kinds import tallies
from orchestrator.runs.plan import CheckedFile, Plan


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
        table.add_row(checked.role, file_facts(checked))
    table.add_row("cost", _cost(plan))
    console.print(table)
    print_concerns(plan.files, plan.job.source, plan.notices, console)


def file_facts(checked: CheckedFile) -> str:
    """A data file's path and size."""
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


def print_concerns(files: Sequence[CheckedFile], job_file: Path, notices: Iterable[str], console: Console) -> None:
    """What the checks found that is no error, and what to know of the endpoint."""
    for checked in files:
        if found := tallies(checked.report.counts):
            path = printable(str(checked.file.path))
            console.print(f"Warning: {path}: {', '.join(found)}", style="yellow")
    if any(checked.report.counts for checked in files):
        console.print(f"  see them: ftorch data check {printable(str(job_file))}")
    for notice in notices:
        console.print(f"Note: {printable(notice)}", style="yellow")
