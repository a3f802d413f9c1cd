"""The line of a plan that tells of the evaluation behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.reports.formats import count, money, plural, printable

if TYPE_CHECKING:
    from orchestrator.evaluation.preview import Preview


def evaluation_line(preview: Preview) -> str:
    """`evaluation.jsonl: 40 cases × 2 models = 80 questions; about $0.05`."""
    parts = [plural(preview.cases.cases, "case"), plural(preview.models, "model")]
    if len(preview.variants) > 1:
        parts.append(f"{len(preview.variants)} variants ({', '.join(preview.variants)})")
    if preview.settings.samples > 1:
        parts.append(plural(preview.settings.samples, "sample"))
    asked = f"{preview.cases.path}: {' × '.join(parts)} = {count(preview.questions)} questions"
    return printable(f"{asked}; {_cost(preview)}")


def print_preview_notes(preview: Preview, console: Console) -> None:
    """What the look at the evaluation file found that is no error."""
    for note in preview.notes:
        console.print(f"Note: {printable(note)}", style="yellow", soft_wrap=True)


def preview_object(preview: Preview | None) -> dict[str, Any] | None:
    """The same for programs."""
    if preview is None:
        return None
    price = preview.price
    return {
        "file": str(preview.cases.path),
        "sha256": preview.cases.sha256,
        "cases": preview.cases.cases,
        "models": preview.models,
        "variants": list(preview.variants),
        "samples": preview.settings.samples,
        "questions": preview.questions,
        "prompt_tokens": price.prompt_tokens if price else None,
        "estimated_cost_usd": price.usd if price else 0.0,
        "notes": list(preview.notes),
    }


def _cost(preview: Preview) -> str:
    if preview.price is None:
        return "no charge"
    usd = preview.price.usd
    return "cost unknown" if usd is None else f"about {money(usd)}, not held by max_cost_usd"
