"""The wrong answers that `evaluate --show-wrong` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from orchestrator.evaluation.wronganswers import WrongAnswer, WrongAnswers
from orchestrator.reports.table import facts
from orchestrator.reports.text import printable


def print_wrong_answers(found: Sequence[WrongAnswers], console: Console) -> None:
    """Print each wrong answer as four lines: request, expected, got and reason."""
    several = len({each.series.variant for each in found}) > 1
    for wrong in found:
        variant = f" ({wrong.series.variant})" if several else ""
        who = printable(f"{wrong.series.label}{variant}")
        shown = f"{len(wrong.answers)} of {wrong.total:,}" if wrong.total else "none"
        console.print()
        console.print(f"Wrong answers of {who}: {shown}", style="bold", soft_wrap=True)
        for each in wrong.answers:
            console.print()
            console.print(printable(_heading(each)), soft_wrap=True)
            console.print(facts(_facts(each), gap=(2, 0)))


def wrong_answers_objects(found: Sequence[WrongAnswers]) -> list[dict[str, Any]]:
    """The key `wrong_answers` of `evaluate --json`."""
    return [
        {
            "model": wrong.series.model,
            "label": wrong.series.label,
            "variant": wrong.series.variant,
            "total": wrong.total,
            "answers": [asdict(each) for each in wrong.answers],
        }
        for wrong in found
    ]


def _heading(each: WrongAnswer) -> str:
    sample = f", sample {each.sample + 1}" if each.sample else ""
    return f"{each.case}, line {each.line}{sample}{' (the base was right)' if each.base_was_right else ''}"


def _facts(each: WrongAnswer) -> Iterator[tuple[str, str]]:
    yield "request", printable(each.request)
    yield "expected", printable(each.expected)
    yield "got", printable(each.got)
    yield "reason", printable(each.reason)
