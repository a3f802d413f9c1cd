"""The kinds of findings: one explained, all listed, and how often each was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.dataset.kinds import KINDS, Kind, Severity
from orchestrator.reports.console import wrapped
from orchestrator.reports.formats import printable

if TYPE_CHECKING:
    from orchestrator.dataset.checking.examples import Explanation

SEVERITY_STYLES: Mapping[Severity, str] = {"error": "red", "warning": "yellow"}


def print_explanation(explained: Explanation, console: Console) -> None:
    """One kind: what is said, how to put it right, and an example of each."""
    kind = explained.kind
    heading = Text(f"{kind.code} {kind.title} ", style="bold")
    console.print(heading.append(f"({kind.severity})", style=SEVERITY_STYLES[kind.severity]))
    for name, text in (("reason", explained.reason), ("fix", explained.fix)):
        console.print(f"\n{name}", style="bold")
        for line in wrapped(text, console, indent="  ", hanging=""):
            console.print(line, soft_wrap=True)
    where = f": {explained.place}" if explained.place else ""
    for name, text in ((f"wrong{where}", kind.wrong), ("right", kind.right)):
        if text.strip():
            console.print(f"\n{name}", style="bold")
            for line in text.splitlines():
                console.print(f"  {printable(line)}", soft_wrap=True)


def tallies(counts: Mapping[str, int]) -> list[str]:
    """`FT331 calls without tools (12)` for each code found; one that this version does not know stands alone."""
    return [_tally(code, counts[code]) for code in sorted(counts)]


def _tally(code: str, number: int) -> str:
    words = [code, KINDS[code].title] if code in KINDS else [code]
    return " ".join([*words, f"({number:,})"] if number > 1 else words)


def kinds_table(kinds: Iterable[Kind]) -> Table:
    """One line for each kind."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("CODE", "SEVERITY"):
        table.add_column(column, no_wrap=True)
    table.add_column("TITLE")
    for kind in kinds:
        table.add_row(kind.code, Text(kind.severity, style=SEVERITY_STYLES[kind.severity]), kind.title)
    return table


def explanation_object(explained: Explanation) -> dict[str, Any]:
    """What `data explain --json` prints of a kind."""
    kind = explained.kind
    return {
        "code": kind.code,
        "severity": kind.severity,
        "title": kind.title,
        "reason": explained.reason,
        "fix": explained.fix,
        "wrong": kind.wrong,
        "right": kind.right,
    }
