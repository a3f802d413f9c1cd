"""Documents as Markdown, for a terminal, an issue or a wiki. No text of a record is markup in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.reports.charts.chart import Chart, Line
from orchestrator.reports.charts.parallel import Parallel
from orchestrator.reports.comparison import share
from orchestrator.reports.documents.document import (
    Block,
    Code,
    Document,
    Folded,
    Paragraph,
    Section,
    Shares,
    Timeline,
)
from orchestrator.reports.documents.run import utc
from orchestrator.reports.table import Bar, Cell, Column, Fit, Meaning, Row, Table, row
from orchestrator.reports.text import percent, plural, printable, sparkline

MOST_ROWS = 200
_SPARK = 40


def markdown(document: Document) -> str:
    """The document as text. Tables have at most 200 rows; a chart is a table of its lines."""
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"# {_text(document.title)}\n"
    for label, model in document.models:
        yield f"- {_text(label)}: {_code(model)}"
    if document.models:
        yield ""
    if document.lead:
        yield f"{_paragraph(document.lead)}\n"
    for warning in document.warnings:
        yield f"> {_paragraph(warning)}\n"
    for section in document.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {_text(section.title)}\n"
    for block in section.blocks:
        yield from _block(block, section.title)


def _block(block: Block, title: str) -> Iterator[str]:
    match block:
        case Table():
            yield from _table(block, title)
        case Chart():
            yield from _table(_of_chart(block), title)
        case Parallel():
            yield f"{_text(block.title)}: {plural(len(block.courses), 'point')}, drawn in the report as .html.\n"
        case Timeline():
            yield from (_moment(each.at, each.state.text, each.lasted, each.reason) for each in block.moments)
            yield ""
        case Shares():
            low = " (low is good)" if block.is_better_low else ""
            yield f"### {_text(block.title)}{low}\n"
            yield from (f"- {_text(name)}: {share(found)}" for name, found in block.shares)
            yield ""
        case Code():
            yield from _fenced(block.text)
        case Paragraph():
            strong = "**" if block.meaning is Meaning.STRONG else ""
            yield f"{strong}{_text(block.text)}{strong}\n" if strong else f"{_paragraph(block.text)}\n"
        case Folded():
            yield f"### {_text(block.summary)}\n"
            for each in block.blocks:
                yield from _block(each, block.summary)


def _moment(at: float, state: str, lasted: str, reason: str) -> str:
    after = f" ({_text(lasted)})" if lasted else ""
    return f"- {utc(at)} **{_text(state)}**{after}: {_text(reason)}"


def _of_chart(chart: Chart) -> Table:
    names = ("first", "last", "lowest", "highest")
    columns = [
        Column(chart.y.label),
        *(Column(name, is_number=True) for name in names),
        Column("course", fit=Fit.LINE),
    ]
    return Table(columns, [_line(line) for line in chart.lines if line.known], chart.title)


def _line(line: Line) -> Row:
    values = [y for _, y in line.known]
    figures = (values[0], values[-1], min(values), max(values))
    return row(line.label, *(f"{value:.4g}" for value in figures), sparkline(values, _SPARK))


def _table(table: Table, title: str) -> Iterator[str]:
    if table.title and table.title != title:
        yield f"### {_text(table.title)}\n"
    if table.has_headings:
        yield _cells([Cell(column.heading) for column in table.columns])
    else:
        yield _cells([Cell("") for _ in table.columns])
    yield f"|{'|'.join('--:' if column.is_number else '---' for column in table.columns)}|"
    for each in table.rows[:MOST_ROWS]:
        yield _heading(each, table) if each.is_heading else _cells(each.cells, len(table.columns))
    left = len(table.rows) - MOST_ROWS
    more = [f"… and {plural(left, 'row')} more; .json has every one"] if left > 0 else []
    yield ""
    yield from (f"{_paragraph(note)}\n" for note in [*more, *table.notes])


def _heading(given: Row, table: Table) -> str:
    first = f"**{_text(given.cells[0].text)}**"
    return f"| {first} |{' |' * (len(table.columns) - 1)}"


def _cells(cells: Sequence[Cell], columns: int = 0) -> str:
    texts = [*map(_cell, cells), *([""] * (columns - len(cells)))]
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Bar):
        return percent(cell.done / cell.total if cell.total else 0.0)
    return _text(f"{cell.text}{cell.note}".strip())


_MARKUP = re.compile(r"[\\`*{}\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
_AT_THE_START = re.compile(r"^(?:[-+#=]|\d+(?=[.)]))")


def _text(text: str) -> str:
    """Without line ends and markup: CommonMark lets any ASCII punctuation be escaped, and GitHub a dollar sign,
    which would begin a formula."""
    line = " ".join(printable(part) for part in text.splitlines())
    return _MARKUP.sub(lambda found: f"\\{found[0]}", line)


def _paragraph(text: str) -> str:
    """The same at the start of a line, where a list or a heading could begin too."""
    return _AT_THE_START.sub(lambda found: _escaped(found[0]), _text(text))


def _escaped(start: str) -> str:
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def _code(text: str) -> str:
    """A span that holds any text: its fence is longer than each run of backquotes in it."""
    line = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _fenced(text: str) -> Iterator[str]:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield fence
    yield from map(printable, text.splitlines())
    yield f"{fence}\n"
