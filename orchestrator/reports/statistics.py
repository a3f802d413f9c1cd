"""What `data stats` prints: tokens and lengths, and what the calls of a file show of each function."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.dataset.stats import ArgumentCoverage, Distribution, FunctionCoverage, Statistics
from orchestrator.reports.formats import count, plural, printable

_FUNCTIONS_SHOWN = 50
_LENGTHS_SHOWN = 5


def print_statistics(found: Statistics, console: Console, *, show_all: bool = False) -> None:
    """One file's figures; of more than 50 functions the most called ones, unless `show_all`."""
    console.print(_headline(found), style="bold", soft_wrap=True)
    if found.left_out:
        hint = f"Left out, with errors: {plural(found.left_out, 'line')}. See them: ftorch data check {found.path}"
        console.print(printable(hint), style="yellow", soft_wrap=True)
    console.print(_lengths(found), soft_wrap=True)
    console.print()
    console.print(_numbers(found))
    console.print(_tokens(found), soft_wrap=True)
    if found.functions:
        console.print()
        console.print(_coverage(found, show_all))


def statistics_object(found: Statistics) -> dict[str, Any]:
    """One file for programs; shares are between 0 and 1."""
    fields = asdict(found)
    fields["path"] = str(found.path)
    fields["lengths"] = {str(messages): examples for messages, examples in found.lengths.items()}
    return {**fields, "definition_share": round(found.definition_share, 4)}


def _headline(found: Statistics) -> str:
    called = found.examples - found.answered_in_text
    calls = f"{count(called)} with calls, {count(found.answered_in_text)} answered in text"
    return printable(f"{found.path}: {plural(found.examples, 'example')}, {calls}")


def _lengths(found: Statistics) -> str:
    usual = sorted(found.lengths.items(), key=lambda entry: -entry[1])
    parts = [f"{count(examples)} with {messages} messages" for messages, examples in usual[:_LENGTHS_SHOWN]]
    if rest := sum(examples for _, examples in usual[_LENGTHS_SHOWN:]):
        parts.append(f"{count(rest)} with other numbers")
    return f"Conversations: {', '.join(parts)}"


def _numbers(found: Statistics) -> Table:
    table = _table("FOR EACH EXAMPLE", "MIN", "MEDIAN", "P95", "MAX", "IN ALL")
    _add(table, "messages", found.messages)
    _add(table, "prompt tokens", found.prompt_tokens)
    _add(table, "completion tokens", found.completion_tokens)
    return table


def _add(table: Table, name: str, values: Distribution) -> None:
    numbers = (values.minimum, values.median, values.p95, values.maximum, values.total)
    table.add_row(name, *map(count, numbers))


def _tokens(found: Statistics) -> str:
    share = f"tool definitions take {found.definition_share:.0%} of the prompt tokens; " if found.functions else ""
    return f"Estimates: {share}one epoch trains on {count(found.tokens)} tokens"


def _coverage(found: Statistics, show_all: bool) -> Table:
    functions = found.functions if show_all else found.functions[:_FUNCTIONS_SHOWN]
    table = _table("FUNCTION, ARGUMENTS", "CALLS", "GIVEN", "VALUES", "ENUM")
    table.add_column("REMARKS", overflow="fold", ratio=1)
    for function in functions:
        table.add_row(printable(function.name), count(function.called), "", "", "", _remark(function, found))
        for argument in function.arguments:
            table.add_row(*_cells(argument))
    if left := len(found.functions) - len(functions):
        table.caption = f"… and {count(left)} functions more, called less often (--all)"
        table.caption_justify = "left"
    return table


def _remark(function: FunctionCoverage, found: Statistics) -> str:
    remarks = []
    if not function.called:
        remarks.append("never called")
    if not function.declared:
        remarks.append("never declared")
    elif function.declared < found.examples:
        remarks.append(f"declared by {count(function.declared)} examples")
    if function.definitions > 1:
        remarks.append(f"{count(function.definitions)} different definitions")
    return ", ".join(remarks)


def _cells(argument: ArgumentCoverage) -> tuple[str, ...]:
    values = f"{argument.distinct}+" if argument.more_distinct else str(argument.distinct)
    shown = f"{argument.choices - len(argument.unshown)} of {argument.choices}" if argument.choices else ""
    return (
        printable(f"  {argument.path}{'' if argument.required else '?'}"),
        "",
        f"{count(argument.given)} of {count(argument.of)}",
        values if argument.distinct else "",
        shown,
        printable(f"never {', '.join(argument.unshown)}") if argument.unshown else "",
    )


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
