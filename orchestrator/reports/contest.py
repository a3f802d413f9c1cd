"""What `compare` prints: regressions first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.evaluation.contest import Changed, Contest, Side
from orchestrator.reports.contrasts import print_contrasts
from orchestrator.reports.evaluation import print_rehearsal
from orchestrator.reports.formats import plural, printable

_SHOWN = 20


def print_contest(contest: Contest, console: Console) -> None:
    """The measures, the cases that changed, and the tools that were mixed up."""
    evaluation = contest.second.evaluation
    console.print(printable(f"On {evaluation.file_path}"), style="bold", soft_wrap=True)
    print_rehearsal(evaluation, console)
    for word, side in (("first", contest.first), ("second", contest.second)):
        console.print(printable(f"  {word:7} {_named(side)}"), soft_wrap=True)
    console.print()
    print_contrasts("The second against the first, case by case", "first", contest.contrasts, console)
    _print_changed("Broken", "right with the first only", contest.broken, console)
    _print_changed("Fixed", "right with the second only", contest.fixed, console)
    _print_confusion(contest, console)


def _named(side: Side) -> str:
    model, variant = side.key
    return f"{model} ({variant}, evaluation {side.evaluation.id})"


def _print_changed(title: str, meaning: str, changed: Sequence[Changed], console: Console) -> None:
    console.print()
    console.print(f"{title}: {plural(len(changed), 'answer')} {meaning}", style="bold")
    if not changed:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case", no_wrap=True)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("asked", overflow="fold", ratio=1)
    table.add_column("what is wrong then", overflow="fold", ratio=1)
    for each in changed[:_SHOWN]:
        table.add_row(printable(each.case), str(each.line), printable(each.request), printable(each.difference))
    console.print(table)
    if len(changed) > _SHOWN:
        console.print(f"… and {len(changed) - _SHOWN:,} more; --json has all of them")


def _print_confusion(contest: Contest, console: Console) -> None:
    if not contest.confusion:
        return
    console.print()
    console.print("Tools mixed up", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("expected", "called"):
        table.add_column(heading, overflow="fold")
    for heading in ("first", "second"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (expected, called), (first, second) in list(contest.confusion.items())[:_SHOWN]:
        table.add_row(printable(expected), printable(called), str(first), str(second))
    console.print(table)
