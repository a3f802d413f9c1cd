"""`data convert`: what was changed, what was left out, and what the check of the result found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.dataset.checking.checks import LEAST_TRAINING_EXAMPLES
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.convert import STANDARD_INPUT, BadRow, Change, Conversion, names_file
from orchestrator.dataset.rules.rule import OR_CONVERT
from orchestrator.reports.datasets import count_cell, number_columns
from orchestrator.reports.table import Column, Table, row
from orchestrator.reports.text import count, plural, printable

_SHOWN_BAD_ROWS = 10
_HINTS = {
    "FT302": "To write names that services accept, convert again with --rename-functions --force.",
    "FT331": "To declare the functions that are called, convert again with --tools FILE --force.",
}

_SHAPES = {
    "tools": "messages with tools",
    "functions": "legacy functions",
    "dpo": "DPO",
    "single-call": "user and function_call",
    "sharegpt": "ShareGPT",
    "columns": "flat rows",
    "preference": "chosen and rejected answers",
    "blocks": "blocks of content",
    "responses": "Responses API items",
    "gemini": "Gemini contents",
    "glaive": "Glaive chat",
    "chatml": "ChatML text",
    "envelope": "requests inside other objects",
}


def print_conversion(
    done: Conversion, report: CheckReport, source: Path, target: Path, console: Console, errors: Console
) -> None:
    """Print what was read, changed, written and found to `console`; examples left out, and the first error, to
    `errors`."""
    shapes = ", ".join(f"{_SHAPES[shape]} ({count(number)})" for shape, number in done.shapes.items())
    console.print(f"Read {_named(source)}: {done.container}; {shapes}")
    if done.changes:
        console.print(_changes(done.changes))
    elif report.ok and done.container == "JSONL":
        console.print("Nothing to change.")
    elif report.ok:
        console.print("The examples needed no change; each is now one line.")
    written = f"{count(done.written)} example{'s' * (done.written != 1)}"
    console.print(f"Wrote {printable(str(target))}: {written}")
    if done.renamed:
        console.print(printable(f"Wrote {names_file(target)}: {plural(len(done.renamed), 'new name')}"))
    found = f"{plural(report.total('error'), 'error')}{_warned(report)}{_too_few(report)}"
    console.print(f"Checked: {written} written, {found}", soft_wrap=True)
    for unused in done.unused:
        errors.print(printable(f"Warning: {unused}"), style="yellow", soft_wrap=True)
    if done.bad:
        _print_left_out(done, source, errors)
    if not report.ok:
        first = report.errors[0]
        # A plain conversion has just been done, so only its options can help.
        mended = replace(first, fix=first.fix.replace(OR_CONVERT, "."))
        text = f"First error: {mended.said_of(target)}"
        errors.print(printable(text), style="red", soft_wrap=True)
    for code, hint in _HINTS.items():
        if code in report.counts:
            errors.print(hint, soft_wrap=True)


def _warned(report: CheckReport) -> str:
    warnings = report.total("warning")
    return f", {plural(warnings, 'warning')} (ftorch data check shows them)" if warnings else ""


def _too_few(report: CheckReport) -> str:
    if report.survey.purpose != "training" or report.examples >= LEAST_TRAINING_EXAMPLES:
        return ""
    return f"; a training file needs {LEAST_TRAINING_EXAMPLES} examples"


def conversion_object(done: Conversion, report: CheckReport, source: Path, target: Path) -> dict[str, Any]:
    """The conversion for programs."""
    return {
        "source": str(source),
        "errors": report.total("error"),
        "first_error": report.errors[0].message if report.errors else None,
        "warnings": report.total("warning"),
        "renamed": dict(done.renamed),
        "unused": list(done.unused),
        "target": str(target),
        "container": done.container,
        "shapes": dict(done.shapes),
        "written": done.written,
        "changes": [asdict(change) for change in done.changes],
        "left_out": done.bad_count,
        "bad": [asdict(row) for row in done.bad],
    }


def _changes(changes: Sequence[Change]) -> Table:
    rows = []
    for change in changes:
        more = ", …" if change.lines > len(change.first) else ""
        first = ", ".join(str(line) for line in change.first)
        rows.append(row(printable(change.what), count_cell(change.lines), first + more))
    return Table([*number_columns("CHANGED", "TIMES"), Column("FIRST AT LINE")], rows)


def _print_left_out(done: Conversion, source: Path, errors: Console) -> None:
    for bad in done.bad[:_SHOWN_BAD_ROWS]:
        errors.print(f"Left out: {_named(source)}:{bad.line}: {_reason(bad)}", style="yellow", soft_wrap=True)
    if done.bad_count > _SHOWN_BAD_ROWS:
        errors.print(
            f"Left out: {count(done.bad_count - _SHOWN_BAD_ROWS)} more (--json names them)", style="yellow"
        )


def _reason(row: BadRow) -> str:
    return printable(f"{row.problem}. {row.advice}")


def _named(source: Path) -> str:
    return "standard input" if source == STANDARD_INPUT else printable(str(source))
