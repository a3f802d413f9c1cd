"""What a conversion changed, and what it left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.dataset.convert import STANDARD_INPUT, BadRow, Change, Conversion
from orchestrator.reports.formats import count, printable

_SHOWN_BAD_ROWS = 10

_SHAPES = {
    "tools": "messages with tools",
    "functions": "legacy functions",
    "dpo": "DPO",
    "single-call": "user and function_call",
    "sharegpt": "ShareGPT",
    "columns": "flat rows",
}


def print_conversion(done: Conversion, source: Path, target: Path, console: Console, errors: Console) -> None:
    """Print what was read, changed and written to `console`, and the examples left out to `errors`."""
    shapes = ", ".join(f"{_SHAPES[shape]} ({count(number)})" for shape, number in done.shapes.items())
    console.print(f"Read {_named(source)}: {done.container}; {shapes}")
    if done.changes:
        console.print(_changes(done.changes))
    elif done.container == "JSONL":
        console.print("Nothing to change.")
    else:
        console.print("Nothing to change in the examples; now each is a line.")
    console.print(f"Wrote {printable(str(target))}: {count(done.written)} example{'s' * (done.written != 1)}")
    if done.bad:
        _print_left_out(done, source, errors)


def conversion_object(done: Conversion, source: Path, target: Path) -> dict[str, Any]:
    """The conversion for programs."""
    return {
        "source": str(source),
        "target": str(target),
        "container": done.container,
        "shapes": dict(done.shapes),
        "written": done.written,
        "changes": [asdict(change) for change in done.changes],
        "left_out": done.bad_count,
        "bad": [asdict(row) for row in done.bad],
    }


def _changes(changes: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("CHANGED", overflow="fold")
    table.add_column("TIMES", justify="right", no_wrap=True)
    table.add_column("FIRST AT LINE")
    for change in changes:
        more = ", …" if change.lines > len(change.first) else ""
        first = ", ".join(str(line) for line in change.first)
        table.add_row(printable(change.what), count(change.lines), first + more)
    return table


def _print_left_out(done: Conversion, source: Path, errors: Console) -> None:
    for row in done.bad[:_SHOWN_BAD_ROWS]:
        errors.print(f"Left out: {_named(source)}:{row.line}: {_reason(row)}", style="yellow", soft_wrap=True)
    if done.bad_count > _SHOWN_BAD_ROWS:
        errors.print(
            f"Left out: {count(done.bad_count - _SHOWN_BAD_ROWS)} more (--json names them)", style="yellow"
        )


def _reason(row: BadRow) -> str:
    return printable(f"{row.problem}. {row.advice}")


def _named(source: Path) -> str:
    return "standard input" if source == STANDARD_INPUT else printable(str(source))
