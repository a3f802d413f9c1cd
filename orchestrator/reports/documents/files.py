"""Documents and charts as files: the ending of the name says in which form."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.dataset.files import new_files
from orchestrator.errors import NothingToDraw, ReportWouldReplace, UnknownReportFormat
from orchestrator.reports.charts.chart import Chart
from orchestrator.reports.charts.svgfile import svg_file
from orchestrator.reports.documents.document import Document
from orchestrator.reports.documents.html import page
from orchestrator.reports.documents.markdown import markdown
from orchestrator.reports.documents.objects import document_object
from orchestrator.reports.text import printable

PICTURES = (".svg", ".png")
FORMATS = (".html", ".md", ".csv", ".json", *PICTURES)
_LIKE_DATA = (".md", ".csv", ".json")
_SAME = {".htm": ".html", ".markdown": ".md"}


def format_of(path: Path, formats: tuple[str, ...] = FORMATS) -> str:
    """One of these endings, in lower case. Raises UnknownReportFormat, and MatplotlibMissing if `.png` needs it."""
    ending = _SAME.get(path.suffix.lower(), path.suffix.lower())
    if ending not in formats:
        raise UnknownReportFormat(path=path, formats=", ".join(formats))
    if ending == ".png":
        from orchestrator.reports.charts.png import require_matplotlib

        require_matplotlib()
    return ending


def require_writable(path: Path, *, force: bool) -> None:
    """Check before anything is read that a report can be written there.

    Pages and pictures replace what is there; text, tables and objects, which could be data, only with `force`.
    Raises UnknownReportFormat, MatplotlibMissing and ReportWouldReplace.
    """
    if format_of(path) in _LIKE_DATA and path.exists() and not force:
        raise ReportWouldReplace(path=path)


def write_document(document: Document, path: Path) -> None:
    """Write the document in the form that the file's name ends with; a file there is replaced.

    CSV has its `records`, a picture its first chart, every other form all of it. Raises UnknownReportFormat,
    MatplotlibMissing, NothingToDraw and OutputUnwritable.
    """
    ending = format_of(path)
    if ending in PICTURES:
        if not document.charts:
            raise NothingToDraw(what=document.title)
        write_chart(document.charts[0], path)
        return
    _write(path, _text(document, ending).encode())


def write_chart(chart: Chart, path: Path) -> None:
    """Write the chart as .svg or .png; a file there is replaced. Raises as `write_document` does."""
    if format_of(path, PICTURES) == ".svg":
        _write(path, svg_file(chart).encode())
        return
    from orchestrator.reports.charts.png import png

    _write(path, png(chart))


def _text(document: Document, ending: str) -> str:
    match ending:
        case ".html":
            return page(document)
        case ".md":
            return markdown(document)
        case ".csv":
            return _without_controls(document.records().to_csv()) if document.records else ""
        case _:
            return json.dumps(document_object(document)) + "\n"


def _without_controls(text: str) -> str:
    """A file that is printed on a terminal must not steer it."""
    return "\n".join(map(printable, text.split("\n")))


def _write(path: Path, content: bytes) -> None:
    with new_files([path], replace=True) as [stream]:
        stream.write(content)
