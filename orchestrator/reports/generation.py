"""`data generate`: the plan, the progress and the outcome of making training data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress as ProgressBar, TextColumn, TimeRemainingColumn

from orchestrator.reports.datasets import count_cell, number_columns
from orchestrator.reports.table import Cell, Table, facts, row
from orchestrator.reports.text import count, duration, money, plural, printable

if TYPE_CHECKING:
    from orchestrator.generation.outcome import Outcome
    from orchestrator.generation.plan import Expense, Plan
    from orchestrator.generation.states import Listener, Progress
    from orchestrator.store.generations import Generation

_LINE_SECONDS = 5.0
_SHOWN_REASONS = 12


def print_generation_plan(plan: Plan, console: Console) -> None:
    """What will be made, the coverage it reaches, and what it may cost."""
    spec = plan.spec
    console.print(f"Generation: {printable(spec.outputs.training.name)}", style="bold")
    console.print(facts(_facts(plan)))
    if not spec.failures:
        console.print()
        console.print(functions_table(plan))
    for note in plan.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def functions_table(plan: Plan) -> Table:
    """A row for each function: its calls, how many it allows, and how they were chosen."""
    rows = [
        row(printable(each.function), count_cell(each.cells), _of(each.full), "all" if each.is_full else "by pairs")
        for each in plan.spec.cells.coverage.functions
    ]
    return Table(number_columns("FUNCTION", "CALLS", "OF", "CHOSEN"), rows)


def plan_object(plan: Plan) -> dict[str, Any]:
    """The plan for programs."""
    counts, coverage = plan.counts, plan.spec.cells.coverage
    return {
        "output": str(plan.spec.outputs.training),
        "functions": [
            {"name": each.function, "calls": each.cells, "of": each.full, "all": each.is_full}
            for each in coverage.functions
        ],
        "examples": {
            "calls": counts.calls,
            "parallel": counts.parallel,
            "reject": counts.reject,
            "missing": counts.missing,
            "turns": counts.turns,
            "all": counts.all,
        },
        "coverage": {name: list(pair) for name, pair in coverage.shares.items()},
        "words": _expense_object(plan.words),
        "checks": _expense_object(plan.checks),
        "estimated_cost_usd": plan.usd,
        "notes": list(plan.notes),
    }


def print_outcome(outcome: Outcome, console: Console, errors: Console) -> None:
    """What was written and found. The reason for waiting goes to `errors`."""
    spec, report = outcome.spec, outcome.report
    if report is not None:
        console.print(f"Wrote {_shown(spec.outputs.training)}: {plural(report.examples, 'example')}")
        for path in spec.outputs.all[1:]:
            console.print(f"Wrote {_shown(path)}")
        checked = f"{plural(report.total('error'), 'error')}, {plural(report.total('warning'), 'warning')}"
        console.print(f"Checked: {checked}{' (ftorch data check shows them)' if report.counts else ''}")
        if not report.ok:
            errors.print(f"First error: {printable(report.errors[0].said_of(spec.outputs.training))}", style="red")
    dropped = drops_table(outcome)
    if dropped is not None:
        console.print()
        console.print(dropped)
    if outcome.spent is not None:
        console.print(f"{plural(outcome.spent.requests, 'request')}, {money(outcome.spent.usd)}")
    if outcome.waits:
        errors.print(f"Waiting: {printable(outcome.waits)}.", style="yellow", soft_wrap=True)
        errors.print(_next(outcome), soft_wrap=True)


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """The outcome for programs."""
    report = outcome.report
    return {
        "generation": outcome.id or None,
        "files": [str(path) for path in outcome.spec.outputs.all] if report else [],
        "examples": outcome.examples,
        "of": outcome.targets,
        "dropped": dict(outcome.drops),
        "without_words": outcome.unmade,
        "errors": report.total("error") if report else None,
        "warnings": report.total("warning") if report else None,
        "requests": outcome.spent.requests if outcome.spent else 0,
        "cost_usd": outcome.spent.usd if outcome.spent else 0.0,
        "waits": outcome.waits or None,
    }


def _shown(path: Path) -> str:
    """The path as a user would type it."""
    is_near = path.is_relative_to(Path.cwd())
    return printable(str(path.relative_to(Path.cwd()) if is_near else path))


def _facts(plan: Plan) -> Iterator[tuple[str, Cell | str]]:
    spec = plan.spec
    yield "functions", f"{len(spec.functions)} of {printable(spec.origin)}"
    yield "examples", _examples(plan)
    if not spec.failures:
        covered = (f"{name} {a:,} of {b:,}" for name, (a, b) in spec.cells.coverage.shares.items() if b)
        yield "coverage", "; ".join(covered) or "no optional parameters or enums"
    if plan.words is None:
        yield "teacher", "none: requests come from templates, and each row is marked"
    else:
        yield "teacher", f"{printable(str(spec.settings.model))} on {spec.endpoint}: {_expense(plan.words)}"
        if plan.checks is None:
            yield "round trip", "none"
        else:
            verifier = spec.settings.verifier or spec.settings.model
            yield "round trip", f"{printable(str(verifier))}: {_expense(plan.checks)}"
        yield "cost", _cost(plan)
    yield "seed", str(spec.settings.seed)


def _examples(plan: Plan) -> str:
    counts = plan.counts
    parts = [f"{counts.calls:,} with calls"]
    if counts.parallel:
        parts[0] += f" ({counts.parallel:,} with several)"
    named = {"to reject": counts.reject, "with a value missing": counts.missing, "of two requests": counts.turns}
    parts += [f"{number:,} {name}" for name, number in named.items() if number]
    return f"{counts.all:,}: " + ", ".join(parts)


def _expense(expense: Expense) -> str:
    return f"{plural(expense.requests, 'request')}, {count(expense.input_tokens + expense.output_tokens)} tokens"


def _cost(plan: Plan) -> str:
    settings = plan.spec.settings
    if plan.usd is None:
        return "unknown: no price of this model"
    most = f"; at most {money(settings.max_cost_usd)}" if settings.max_cost_usd else ""
    return f"{money(plan.usd)} if no request is dropped{' (Batch API)' if plan.spec.batch else ''}{most}"


def _of(full: int) -> Cell:
    return Cell(f"{full:,}" if full < 10**9 else f"{full:.1e}")


def _expense_object(expense: Expense | None) -> dict[str, Any] | None:
    if expense is None:
        return None
    return {
        "requests": expense.requests,
        "input_tokens": expense.input_tokens,
        "output_tokens": expense.output_tokens,
        "usd": expense.usd,
    }


def drops_table(outcome: Outcome) -> Table | None:
    """Dropped requests by reason; None without drops."""
    if not outcome.drops:
        return None
    ordered = sorted(outcome.drops.items(), key=lambda entry: -entry[1])[:_SHOWN_REASONS]
    rows = [row(reason, count_cell(number)) for reason, number in ordered]
    if outcome.unmade:
        rows.append(row("examples left without a request", count_cell(outcome.unmade)))
    return Table(number_columns("DROPPED REQUESTS", "TIMES"), rows)


def _next(outcome: Outcome) -> str:
    if outcome.waits.startswith("the budget"):
        return "To continue, run the command again with a larger --max-cost-usd: recorded answers cost nothing."
    return "Fix that, then run: ftorch resume"


# --- Progress ----------------------------------------------------------------------------------------------------


@contextmanager
def generation_progress(console: Console) -> Iterator[Listener]:
    """Yields a listener for a generation's progress: a bar on a terminal, an occasional line elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True) as progress:
        yield _Bar(progress)


class _Bar:
    def __init__(self, progress: ProgressBar) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, note="")

    def progressed(self, progress: Progress) -> None:
        note = money(progress.spent.usd) if progress.spent.requests else ""
        self._progress.update(
            self._task, description=progress.stage, completed=progress.asked, total=progress.of, note=note
        )

    def changed(self, generation: Generation) -> None:
        pass

    def warned(self, text: str) -> None:
        self._progress.console.print(printable(text), style="yellow", soft_wrap=True)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage, self._start, self._told = "", monotonic(), 0.0

    def progressed(self, progress: Progress) -> None:
        now = monotonic()
        if progress.stage != self._stage:
            self._stage, self._start, self._told = progress.stage, now, now
            self._console.print(f"{progress.stage}: {count(progress.of)} to do")
        elif now - self._told >= _LINE_SECONDS and progress.asked:
            self._told = now
            left = (now - self._start) / progress.asked * (progress.of - progress.asked)
            spent = f"; {money(progress.spent.usd)} so far" if progress.spent.usd else ""
            self._console.print(
                f"{progress.stage}: {progress.asked:,} of {progress.of:,}; about {duration(left)} left{spent}"
            )

    def changed(self, generation: Generation) -> None:
        pass

    def warned(self, text: str) -> None:
        self._console.print(printable(text), style="yellow", soft_wrap=True)
