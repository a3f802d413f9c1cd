"""What `data diff` prints: what was added, removed, or is answered differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.dataset.diff import ChangedAnswer, ChangedFunction, Difference, Excerpt, Side
from orchestrator.reports.formats import count, plural, printable

_SHOWN = 5
_LONGEST_TEXT = 300


def print_diff(found: Difference, console: Console, *, show_all: bool = False) -> None:
    """The files, the changes with the first five examples of each, and a sentence in the end."""
    console.print(_sides(found))
    limit = None if show_all else _SHOWN
    _print_changed(found, console, limit)
    _print_examples("removed", "-", "red", found.removed, found.removed_examples[:limit], console)
    _print_examples("added", "+", "green", found.added, found.added_examples[:limit], console)
    _print_functions(found, console)
    console.print()
    console.print(_sentence(found), style="bold", soft_wrap=True)


def diff_object(found: Difference) -> dict[str, Any]:
    """The difference for programs."""
    fields = asdict(found)
    for side in ("before", "after"):
        fields[side]["path"] = str(fields[side]["path"])
    return {"different": not found.is_empty, **fields}


def _sides(found: Difference) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("FILE", overflow="fold")
    for heading in ("EXAMPLES", "TOKENS"):
        table.add_column(heading, justify="right", no_wrap=True)
    for sign, side in (("-", found.before), ("+", found.after)):
        table.add_row(sign, printable(f"{side.path}{_left_out(side)}"), count(side.examples), count(side.tokens))
    examples = found.after.examples - found.before.examples
    table.add_row("", "difference", f"{examples:+,}", f"{found.after.tokens - found.before.tokens:+,}")
    return table


def _left_out(side: Side) -> str:
    return f" ({plural(side.left_out, 'line')} with errors left out)" if side.left_out else ""


def _print_changed(found: Difference, console: Console, limit: int | None) -> None:
    shown = found.changed_answers[:limit]
    _print_heading("answered differently", found.changed, len(shown), console)
    for change in shown:
        _print_change(change, console)


def _print_change(change: ChangedAnswer, console: Console) -> None:
    before, after = change.before, change.after
    place = f"line {before.line}" if before.line == after.line else f"lines {before.line} and {after.line}"
    _print_line(f"  {place}: {before.prompt}", "", console)
    _print_line(f"    - {before.answer}", "red", console)
    _print_line(f"    + {after.answer}", "green", console)


def _print_examples(
    verb: str, sign: str, style: str, total: int, shown: Sequence[Excerpt], console: Console
) -> None:
    _print_heading(verb, total, len(shown), console)
    for each in shown:
        _print_line(f"  {sign} line {each.line}: {each.prompt}", style, console)
        _print_line(f"      → {each.answer}", style, console)


def _print_heading(verb: str, total: int, shown: int, console: Console) -> None:
    if total:
        first = f", the first {count(shown)}" if shown < total else ""
        console.print()
        console.print(f"{plural(total, 'example')} {verb}{first}", style="bold")


def _print_line(text: str, style: str, console: Console) -> None:
    line = printable(text)
    if len(line) > _LONGEST_TEXT:
        line = f"{line[:_LONGEST_TEXT]}…"
    console.print(Text(line, style=style), soft_wrap=True)


def _print_functions(found: Difference, console: Console) -> None:
    lines = [_changed_function(change) for change in found.functions_changed]
    for verb, names in (("removed", found.functions_removed), ("added", found.functions_added)):
        lines.extend(f"{name}: {verb}" for name in names)
    if lines:
        console.print()
        console.print("Functions", style="bold")
    for line in lines:
        console.print(printable(f"  {line}"), soft_wrap=True)


def _changed_function(change: ChangedFunction) -> str:
    if change.line is None:
        return f"{change.name}: one of several definitions removed"
    return f"{change.name}: defined differently at {change.place}, on line {change.line}"


def _sentence(found: Difference) -> str:
    order = ", in another order" if found.reordered else ""
    if found.is_empty:
        return f"No difference: the same {plural(found.same, 'example')}{order}"
    tools = f"; {count(found.tools_changed)} of those in both declare other tools" if found.tools_changed else ""
    return (
        f"{count(found.added)} added, {count(found.removed)} removed, {count(found.changed)} answered differently, "
        f"{count(found.same)} the same{order}{tools}"
    )
