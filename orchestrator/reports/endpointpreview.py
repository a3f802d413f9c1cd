"""What `data preview --endpoint` prints: rows as ftorch renders them, beside the endpoint's own tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.dataset.findings import printable as escaped
from orchestrator.reports.datasets import count_cell, number_columns
from orchestrator.reports.table import Column, Row, Table, facts, row
from orchestrator.reports.text import print_wrapped, printable

if TYPE_CHECKING:
    from orchestrator.api.previewing import EndpointPreview
    from orchestrator.dataset.preview.comparison import Differing, RowComparison


def print_endpoint_preview(found: EndpointPreview, console: Console) -> None:
    """A line for each row, then the first difference of each row that differs."""
    console.print(facts(_facts(found)))
    console.print()
    numbers = number_columns("LINE", "TOKENS", "LEARNED", "TOKENS THERE", "LEARNED THERE")
    console.print(Table([*numbers, Column("COMPARED")], [_line(each) for each in found.rows]))
    for each in found.rows:
        _print_difference(each, found, console)
    style = "green" if found.is_learned_alike else "bold"
    console.print()
    print_wrapped(_verdict(found), console, indent="", hanging="  ", style=style)


def _facts(found: EndpointPreview) -> Iterator[tuple[str, str]]:
    yield "file", printable(str(found.path))
    yield "model", printable(f"{found.model} on {found.endpoint}")
    yield "rendered with", printable(str(found.base.folder))


def _line(each: RowComparison) -> Row:
    ours = ("–", "–") if each.ours is None else (count_cell(len(each.ours.ids)), count_cell(sum(each.ours.learned)))
    theirs = (count_cell(len(each.theirs.ids)), count_cell(sum(each.theirs.learned)))
    return row(count_cell(each.line), *ours, *theirs, _word(each))


def _word(each: RowComparison) -> str:
    if each.ours is None:
        return "not rendered here"
    if each.is_cut:
        return "cut there"
    if each.is_same:
        return "the same"
    if each.learned:
        return "learns another text"
    return "another context" if each.context else "other tokens"


def _print_difference(each: RowComparison, found: EndpointPreview, console: Console) -> None:
    place = f"{printable(str(found.path))}:{each.line}"
    if each.problem:
        print_wrapped(f"{place} {escaped(each.problem)}", console, indent="", hanging="  ", style="red")
    if differing := each.learned or each.context:
        what = "learned" if each.learned else "read"
        console.print()
        print_wrapped(f"{place}: the text that is {what}", console, indent="", style="bold")
        print_wrapped(f"here   {_shown(differing.ours)}", console, indent="  ", hanging="         ")
        print_wrapped(f"there  {_shown(differing.theirs)}", console, indent="  ", hanging="         ")


def _shown(text: str) -> str:
    return escaped(text.replace("\n", "⏎"))


def _verdict(found: EndpointPreview) -> str:
    rows = len(found.rows)
    unlike = sum(not each.is_learned_alike for each in found.rows)
    if unlike:
        return f"Of the first {rows} rows, {unlike} would be learned differently on {printable(found.endpoint)}"
    return f"Of each of the first {rows} rows, the same text is learned on {printable(found.endpoint)}"


def endpoint_preview_object(found: EndpointPreview) -> dict[str, Any]:
    """The object behind `--json`."""
    return {
        "file": str(found.path),
        "endpoint": found.endpoint,
        "model": found.model,
        "folder": str(found.base.folder),
        "is_learned_alike": found.is_learned_alike,
        "rows": [_row_object(each) for each in found.rows],
    }


def _row_object(each: RowComparison) -> dict[str, Any]:
    return {
        "line": each.line,
        "here": asdict(each.ours) if each.ours else None,
        "there": asdict(each.theirs),
        "is_cut": each.is_cut,
        "problem": each.problem,
        "learned": _texts(each.learned),
        "context": _texts(each.context),
        "is_same": each.is_same,
        "is_learned_alike": each.is_learned_alike,
    }


def _texts(differing: Differing | None) -> dict[str, str] | None:
    return {"here": differing.ours, "there": differing.theirs} if differing else None
