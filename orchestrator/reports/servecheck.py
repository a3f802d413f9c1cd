"""Prompts of training and serving compared: for people, and as an object for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.api.servecheck import Comparison, Difference
from orchestrator.reports.text import plural, printable, shown_path


def print_comparison(found: Comparison, console: Console) -> None:
    """How much was compared, how much differs, and where it begins."""
    cases, tokens = plural(found.cases, "case"), plural(found.tokens, "token")
    console.print(printable(f"{cases} of {shown_path(str(found.file))}, {tokens}"), soft_wrap=True)
    if found.first is None:
        console.print("0 tokens differ: serving feeds the prompts of training.", style="bold green")
        return
    differing = f"{plural(found.differing_tokens, 'token')} in {plural(found.differing_cases, 'case')}"
    console.print(f"{differing} differ: the model is served prompts that it was not trained on.", style="bold red")
    for line in _lines(found.first):
        console.print(line, soft_wrap=True)


def comparison_object(found: Comparison) -> dict[str, Any]:
    """What `serve check --json` prints."""
    return {
        "model": found.model,
        "file": str(found.file),
        "cases": found.cases,
        "tokens": found.tokens,
        "differing_cases": found.differing_cases,
        "differing_tokens": found.differing_tokens,
        "first_difference": asdict(found.first) if found.first else None,
    }


def _lines(first: Difference) -> list[str]:
    """Texts as Python writes them: line ends and blanks are what often differs."""
    return [
        f"First difference: line {first.line}, token {first.token:,}",
        f"  after     {first.before!r}",
        f"  training  {first.trained!r}",
        f"  serving   {first.served!r}",
    ]
