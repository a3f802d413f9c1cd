"""A table of the terminal as what a page needs of it, so that both say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_MEANINGS: Mapping[str, str] = {"green": "good", "bold red": "bad", "yellow": "open"}


@dataclass(frozen=True)
class Cell:
    """`meaning` is good, bad, open or nothing; a page may show it by more than colour."""

    text: str
    meaning: str = ""


@dataclass(frozen=True)
class Grid:
    """Headings, and rows whose first cell names them. A row with one cell is a heading for those below it."""

    headings: Sequence[str]
    numeric: Sequence[bool]
    """Which columns are set to the right."""
    rows: Sequence[Sequence[Cell]]
    caption: str


def grid_of(table: Table) -> Grid:
    """The texts of a table, and what its colours mean."""
    columns = [[_cell(each) for each in column.cells] for column in table.columns]
    rows = [list(row) for row in zip_longest(*columns, fillvalue=Cell(""))]
    return Grid(
        headings=[str(column.header) for column in table.columns],
        numeric=[column.justify == "right" for column in table.columns],
        rows=[row[:1] if len(row) > 1 and not any(cell.text for cell in row[1:]) else row for row in rows],
        caption=str(table.caption or ""),
    )


def _cell(found: RenderableType) -> Cell:
    style = str(found.style) if isinstance(found, Text) else ""
    return Cell(str(found).strip(), _MEANINGS.get(style, ""))
