"""The plan that `evaluate` prints before it asks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.pricing import ASSUMED_ANSWER
from orchestrator.reports.table import facts
from orchestrator.reports.text import count, money, plural, printable


def print_evaluation_plan(plan: Plan, console: Console) -> None:
    """Print the models, cases and questions, how many are already answered, and what the rest may cost."""
    console.print(f"Evaluation: {printable(plan.subject.name)} on {plan.config.name}", style="bold")
    console.print(facts(_facts(plan)))
    for warning in plan.warnings:
        console.print(f"Warning: {printable(warning)}", style="yellow", soft_wrap=True)
    for note in plan.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    for candidate in plan.candidates:
        is_named = candidate.label != candidate.model
        yield printable(candidate.label) if is_named else "model", printable(candidate.model)
    yield "cases", printable(f"{plan.cases.path}: {_contents(plan)}")
    yield "questions", _questions(plan)
    if plan.price is not None:
        yield "cost", _price(plan)


def _contents(plan: Plan) -> str:
    slices = ", ".join(f"{name} {number}" for name, number in plan.cases.slices.items())
    return f"{plural(plan.cases.cases, 'case')}{f' ({slices})' if slices else ''}"


def _questions(plan: Plan) -> str:
    parts = [f"{count(plan.cases.cases)} × {plural(len(plan.candidates), 'model')}"]
    if len(plan.grid.variants) > 1:
        parts.append(f"{len(plan.grid.variants)} variants ({', '.join(plan.grid.variants)})")
    elif plan.grid.variants[0] != "full":
        parts.append(f"variant {plan.grid.variants[0]}")
    if plan.grid.samples > 1:
        parts.append(plural(plan.grid.samples, "sample"))
    return f"{' × '.join(parts)} = {count(plan.questions)}; {count(plan.missing)} to be asked{_batched(plan)}"


def _batched(plan: Plan) -> str:
    """Whether they are asked in a batch, and how many are under way."""
    how = " in a batch" if plan.in_batches and plan.missing else ""
    waiting = sum(plan.under_way.values())
    return f"{how}, {count(waiting)} under way in {', '.join(sorted(plan.under_way))}" if waiting else how


def _price(plan: Plan) -> str:
    price = plan.price
    assert price is not None
    tokens = f"{count(price.prompt_tokens)} prompt tokens by estimate, answers taken as {ASSUMED_ANSWER} tokens"
    how = "by the prices of the Batch API, " if plan.in_batches else ""
    return f"{'unknown' if price.usd is None else f'about {money(price.usd)}'}: {how}{tokens}"
