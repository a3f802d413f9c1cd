"""One table for every output: reports build it; a terminal, a page, a spreadsheet or a program shows it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from orchestrator.export.formulas import harmless
from orchestrator.reports.text import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table as RichTable
    from rich.text import Text


Link = Callable[[str], str | None]
"""Turns the `ref` of a cell into an address; None for one that leads nowhere."""


class Meaning(StrEnum):
    """What a cell or a row says beside its text. Each output shows it in its own way."""

    NONE = ""
    GOOD = "good"
    BAD = "bad"
    ERROR = "error"
    WARNING = "warning"
    """Nothing is wrong yet, or nothing is known for sure."""
    MUTED = "muted"
    STRONG = "strong"
    """Headings and totals."""
    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    STOPPED = "stopped"
    """Ended early on purpose."""


class Fit(Enum):
    """What becomes of a text that is longer than its column is wide on a terminal."""

    WORDS = "wrapped between words"
    FOLD = "wrapped, inside words too"
    LINE = "cut, with an ellipsis"
    CROP = "cut, without a mark"
    BELOW = "wrapped between words; with a longer word, on the next line, so that no id is broken"
    """For one column. Where the table is too wide, that column is its last. A word longer than the terminal is wide
    stays one word when it is copied."""


@dataclass(frozen=True)
class Column:
    """`key` names the column for programs; without one the heading does, in lower case."""

    heading: str = ""
    key: str = ""
    fit: Fit = Fit.WORDS
    is_number: bool = False
    """Set to the right."""
    takes_rest: bool = False
    """Takes the width that the other columns leave, where the table is wide."""
    least_width: int | None = None


@dataclass(frozen=True)
class Cell:
    """A text and its meaning; `note` follows the text in muted letters."""

    text: str
    meaning: Meaning = Meaning.NONE
    note: str = ""
    ref: str = field(default="", kw_only=True)
    """What the text names, for a link on a page: `run:ID`, `sweep:ID`, `evaluation:ID`, `model:ID`
    or `data:RUN/ROLE`."""

    @property
    def data(self) -> str | float | None:
        """What programs get."""
        return f"{self.text}{self.note}".strip()


@dataclass(frozen=True)
class Number(Cell):
    """A number beside the text that shows it, in `unit` ("USD", "s", "tokens"); None where it is not known."""

    value: float | None = None
    unit: str = ""

    @property
    def data(self) -> str | float | None:
        return self.value


@dataclass(frozen=True)
class Marked(Cell):
    """A text in parts, of which some are marked as different from another text. Make it with `marked`."""

    parts: Sequence[tuple[str, bool]] = ()


@dataclass(frozen=True)
class Bar(Cell):
    """How much of `total` is done, drawn. Programs get the share, 0..1."""

    text: str = ""
    done: float = 0.0
    total: float = 1.0

    @property
    def data(self) -> str | float | None:
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class Row:
    """Cells from the left; missing ones are empty. A heading is one cell over the rows below it."""

    cells: Sequence[Cell]
    meaning: Meaning = Meaning.NONE
    is_heading: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows, a title that stands above them and notes that stand below."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    notes: Sequence[str] = ()
    footer: Row | None = None
    has_headings: bool = True
    headings: Meaning = Meaning.STRONG
    gap: tuple[int, int] = (1, 1)
    """The blanks before and behind a cell on a terminal, but at the table's edges."""

    @property
    def keys(self) -> list[str]:
        """The name of each column for programs; no two are equal."""
        found: list[str] = []
        for place, column in enumerate(self.columns, 1):
            slug = re.sub(r"\W+", "_", column.heading.lower()).strip("_")
            key = column.key or slug or ("name" if place == 1 else f"column_{place}")
            found.append(key if key not in found else f"{key}_{place}")
        return found

    @property
    def width(self) -> int:
        """The characters that a terminal needs so that no text is cut, and that a last column which may go below
        has room for a few words."""
        widths = [_width(self, place) for place, _ in enumerate(self.columns)]
        if self.columns[-1].fit is Fit.BELOW:
            widths[-1] = min(widths[-1], _FEW_WORDS)
        return sum(widths) + sum(self.gap) * (len(widths) - 1)

    def to_dicts(self) -> list[dict[str, str | float | None]]:
        """A dict for each row, as a data frame takes them; `group` holds the heading above it, if there is any."""
        keys, group = self.keys, ""
        has_groups = any(row.is_heading for row in self.rows)
        found = []
        for row in self.rows:
            if row.is_heading:
                group = str(row.cells[0].data)
                continue
            first: dict[str, str | float | None] = {"group": group} if has_groups else {}
            found.append(first | dict(zip(keys, (cell.data for cell in self._filled(row)), strict=True)))
        return found

    def to_json(self) -> str:
        """The rows as a JSON array of objects."""
        return json.dumps(self.to_dicts(), indent=2)

    def to_csv(self) -> str:
        """The rows under a line of keys. No text in it can be taken for a formula by a spreadsheet."""
        has_groups = any(row.is_heading for row in self.rows)
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(map(harmless, [*(["group"] if has_groups else []), *self.keys]))
        writer.writerows([harmless(data) for data in row.values()] for row in self.to_dicts())
        return stream.getvalue()

    def to_html(self, *, has_caption: bool = True, link: Link | None = None) -> str:
        """A `table` element. All texts are escaped; what they mean is a class: `<td class="number good">`."""
        return "\n".join(_html_lines(self, link or (lambda _: None), has_caption=has_caption))

    def _repr_html_(self) -> str:
        """For notebooks."""
        return self.to_html()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For a terminal: `console.print(table)`."""
        place = next((place for place, each in enumerate(self.columns) if each.fit is Fit.BELOW), None)
        if place is not None and (place == len(self.columns) - 1 or self.width > options.max_width):
            yield from _with_rows_below(_with_last(self, place), options.max_width)
        else:
            yield _drawn(self)

    def _filled(self, row: Row) -> list[Cell]:
        return [*row.cells, *(Cell("") for _ in range(len(self.columns) - len(row.cells)))]


def row(*cells: Cell | str, meaning: Meaning = Meaning.NONE) -> Row:
    """A row of cells, some of which are texts that mean nothing further."""
    return Row(tuple(Cell(each) if isinstance(each, str) else each for each in cells), meaning)


def marked(parts: Sequence[tuple[str, bool]]) -> Marked:
    """A cell of these texts, each with whether it is marked."""
    return Marked("".join(text for text, _ in parts), parts=tuple(parts))


def heading_row(text: str) -> Row:
    """A heading over the rows below it."""
    return Row((Cell(text, Meaning.STRONG),), is_heading=True)


def facts(rows: Iterable[tuple[str, Cell | str]], gap: tuple[int, int] = (2, 1)) -> Table:
    """What is known of one thing: a name and a value in each row, under no headings."""
    columns = [Column(key="name", fit=Fit.LINE), Column(key="value", fit=Fit.FOLD)]
    return Table(columns, [row(name, value) for name, value in rows], has_headings=False, gap=gap)


# --- On a terminal --------------------------------------------------------------------------------------------


TERMINAL_STYLES: Mapping[Meaning, str] = {
    Meaning.NONE: "",
    Meaning.GOOD: "green",
    Meaning.BAD: "bold red",
    Meaning.ERROR: "red",
    Meaning.WARNING: "yellow",
    Meaning.MUTED: "dim",
    Meaning.STRONG: "bold",
    Meaning.STARTING: "cyan",
    Meaning.RUNNING: "bold blue",
    Meaning.FINISHING: "blue",
    Meaning.STOPPED: "dim yellow",
}
BAR_WIDTH = 12
_FEW_WORDS = 40
_FITS: Mapping[Fit, Mapping[str, Any]] = {
    Fit.WORDS: {},
    Fit.FOLD: {"overflow": "fold"},
    Fit.LINE: {"no_wrap": True},
    Fit.CROP: {"no_wrap": True, "overflow": "fold"},
    Fit.BELOW: {"overflow": "fold"},
}


def _with_last(table: Table, place: int) -> Table:
    """The table with this column as its last."""

    def moved(each: Row) -> Row:
        if each.is_heading or place >= len(each.cells):
            return each
        cells = [*table._filled(each)]
        return replace(each, cells=[*cells[:place], *cells[place + 1 :], cells[place]])

    columns = [*table.columns[:place], *table.columns[place + 1 :], table.columns[place]]
    footer = moved(table.footer) if table.footer else None
    return replace(table, columns=columns, rows=[*map(moved, table.rows)], footer=footer)


def _with_rows_below(table: Table, width: int) -> Iterator[RenderableType]:
    """The table in parts: a row whose last cell has a word wider than its column is followed by that cell."""
    from rich.padding import Padding

    others = table.columns[:-1]
    widths = [_width(table, place) for place, _ in enumerate(others)]
    first = widths[0] + sum(table.gap) if others else 0
    taken = sum(widths) + len(others) * sum(table.gap)
    part = replace(table, rows=[], notes=(), footer=None)
    for given in table.rows:
        if given.is_heading:  # it would widen the first column of its part
            yield from (_drawn(part), terminal_text(given.cells[0]))
            part = replace(part, rows=[], has_headings=False)
            continue
        each = replace(given, cells=_padded(given.cells, table.columns, widths))
        text = each.cells[-1].text if len(each.cells) == len(table.columns) else ""
        longest = max(map(len, text.split()), default=0)
        if longest <= width - taken:
            part = replace(part, rows=[*part.rows, each])
            continue
        yield _drawn(replace(part, rows=[*part.rows, *([replace(each, cells=each.cells[:-1])] if others else [])]))
        below = terminal_text(each.cells[-1])
        if longest > width:  # the terminal breaks it, and copying it gives it whole
            below.no_wrap, below.overflow = True, "ignore"
            yield below
        else:
            yield Padding(below, (0, 0, 0, min(first, width - longest)))
        part = replace(part, rows=[], has_headings=False)
    yield _drawn(replace(part, notes=table.notes, footer=table.footer))


def _padded(cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int]) -> list[Cell]:
    """The cells before the last column as wide as their columns, so that all parts of a table line up."""
    padded = [
        replace(cell, text=cell.text.rjust(width) if column.is_number else cell.text.ljust(width - len(cell.note)))
        for cell, column, width in zip(cells, columns, widths, strict=False)
    ]
    return [*padded, *cells[len(padded) :]]


def _width(table: Table, place: int) -> int:
    """How wide the widest text of a column is, and its heading; at least 1."""
    rows = [*table.rows, *([table.footer] if table.footer else [])]
    cells = (each.cells[place] for each in rows if place < len(each.cells) and not each.is_heading)
    texts = (table.columns[place].heading, *(f"{cell.text}{cell.note}" for cell in cells))
    return max(1, *(len(line) for text in texts for line in text.split("\n")))


def _drawn(table: Table) -> RichTable:
    from rich.table import Table as RichTable

    before, behind = table.gap
    drawn = RichTable(
        box=None,
        pad_edge=False,
        padding=(0, behind, 0, before),
        header_style=TERMINAL_STYLES[table.headings],
        show_header=table.has_headings,
        show_footer=table.footer is not None,
        caption="\n".join(table.notes) or None,
        caption_justify="left",
    )
    footer = table._filled(table.footer or Row(()))
    for column, last in zip(table.columns, footer, strict=True):
        drawn.add_column(
            column.heading,
            footer=terminal_text(last),
            justify="right" if column.is_number else "left",
            ratio=1 if column.takes_rest else None,
            min_width=column.least_width,
            **_FITS[column.fit],
        )
    for each in table.rows:
        drawn.add_row(*map(_drawn_cell, each.cells), style=TERMINAL_STYLES[each.meaning])
    return drawn


def _drawn_cell(cell: Cell) -> RenderableType:
    from rich.progress_bar import ProgressBar

    if isinstance(cell, Bar):
        return ProgressBar(total=cell.total or 1, completed=cell.done, width=BAR_WIDTH)
    return terminal_text(cell)


def terminal_text(cell: Cell) -> Text:
    """The text of a cell as a terminal shows it, in a table or in a line."""
    from rich.text import Text

    text = Text(cell.text, style=TERMINAL_STYLES[cell.meaning])
    return text.append(cell.note, style="dim") if cell.note else text


# --- On a page ------------------------------------------------------------------------------------------------


def _html_lines(table: Table, link: Link, *, has_caption: bool) -> Iterator[str]:
    yield "<table>" if table.has_headings else '<table class="facts">'
    if has_caption and table.title:
        yield f"<caption>{escaped(table.title)}</caption>"
    if table.has_headings:
        yield f"<thead><tr>{''.join(map(_html_heading, table.columns))}</tr></thead>"
    yield "<tbody>"
    for each in table.rows:
        yield _html_row(table, each, link)
    yield "</tbody>"
    if table.footer:
        yield f"<tfoot>{_html_row(table, table.footer, link)}</tfoot>"
    yield "</table>"
    for note in table.notes:
        yield f'<p class="note">{escaped(note)}</p>'


def _html_heading(column: Column) -> str:
    if not column.heading:
        return "<td></td>"
    return f'<th scope="col"{_classes("number" if column.is_number else "")}>{escaped(column.heading)}</th>'


def _html_row(table: Table, given: Row, link: Link) -> str:
    if given.is_heading:
        text = escaped(given.cells[0].text)
        return f'<tr class="group"><th colspan="{len(table.columns)}" scope="colgroup">{text}</th></tr>'
    pairs = list(zip(table.columns, table._filled(given), strict=True))
    first, *others = [_html_cell(column, cell, link, is_first=n == 0) for n, (column, cell) in enumerate(pairs)]
    return f"<tr{_classes(given.meaning)}>{first}{''.join(others)}</tr>"


def _html_cell(column: Column, cell: Cell, link: Link, *, is_first: bool) -> str:
    classes = _classes("number" if column.is_number else _HTML_FITS.get(column.fit, ""), cell.meaning)
    text = _html_text(cell)
    if cell.ref and (address := link(cell.ref)):
        text = f'<a href="{escape(address)}">{text}</a>'
    if cell.note:
        text += f'<span class="muted">{escaped(cell.note)}</span>'
    return f'<th scope="row"{classes}>{text}</th>' if is_first else f"<td{classes}>{text}</td>"


_HTML_FITS: Mapping[Fit, str] = {Fit.FOLD: "said", Fit.LINE: "line", Fit.CROP: "line"}


def _html_text(cell: Cell) -> str:
    if isinstance(cell, Bar):
        return f'<progress max="{cell.total or 1:g}" value="{cell.done:g}"></progress>'
    if isinstance(cell, Marked):
        return "".join(
            f"<mark>{escaped(text)}</mark>" if is_marked else escaped(text) for text, is_marked in cell.parts
        )
    return escaped(cell.text.strip())


def _classes(*names: str) -> str:
    known = " ".join(filter(None, names))
    return f' class="{known}"' if known else ""


def escaped(text: str) -> str:
    """The text in HTML, without the control characters and half surrogates that a model may answer with."""
    return "<br>".join(escape(printable(line)) for line in text.splitlines())
