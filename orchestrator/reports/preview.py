"""What `data preview` prints: one row token by token, then the lengths of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.dataset.findings import printable as escaped
from orchestrator.reports.datasets import count_cell, number_columns
from orchestrator.reports.table import Row as TableRow, Table, facts, row as table_row
from orchestrator.reports.text import count, plural, print_wrapped, printable

if TYPE_CHECKING:
    from orchestrator.dataset.checking.rendering import Base
    from orchestrator.dataset.preview.file import FilePreview
    from orchestrator.dataset.preview.pieces import Piece
    from orchestrator.dataset.preview.row import RowPreview, Rows, ShownSequence, TokenSpan
    from orchestrator.dataset.rendering.renderer import Renderer
    from orchestrator.dataset.stats import Distribution

_NEWLINE = "⏎"
_HEAD, _TAIL, _SLACK = 120, 60, 40
"""Tokens of a long context that are shown at its start and at its end, and how many more make it long."""
_NEAR = 24
"""Tokens within which a cut moves to the end of a line."""
_LONGEST_ADDED = 300
_SHOWN_UNUSABLE = 10
_FOUND = {
    "prefix": "by prefix difference",
    "markers": "by the template's generation markers",
}
"""How the learned text was found."""


# --- One row -----------------------------------------------------------------------------------------------------


def print_row_preview(
    rows: Rows, base: Base, renderer: Renderer, row: RowPreview, console: Console, *, full: bool
) -> None:
    """The model and its template, then the row: learned lines begin with >, and control tokens are visible."""
    console.print(facts(_template_facts(base, renderer)))
    place = f"{printable(str(rows.path))}:{row.line}"
    if row.problem:
        console.print()
        print_wrapped(f"{place} can't be rendered: {escaped(row.problem)}", console, indent="", style="bold red")
    for sequence in row.sequences:
        console.print()
        label = f", {sequence.label} answer" if sequence.label else ""
        print_wrapped(f"{place}{label}: {_size(sequence)}", console, indent="", style="bold")
        for span in sequence.spans:
            _print_span(span, console, full=full)
    _print_notes(row, console)


def _template_facts(base: Base, renderer: Renderer) -> Iterator[tuple[str, str]]:
    template, limit = renderer.template, renderer.context_length
    context = "its context is not known" if limit is None else f"a context of {limit:,} tokens"
    yield "model", printable(f"{base.name}, {context}")
    yield "template", printable(template.source)
    yield "SHA-256", template.sha256
    yield "calls", template.family or "in a format that ftorch does not read back"


def _size(sequence: ShownSequence) -> str:
    tokens = plural(sequence.tokens, "token")
    if sequence.method is None:
        return f"a prompt of {tokens}"
    return f"{tokens}, {sequence.learned:,} of them learned"


def _print_span(span: TokenSpan, console: Console, *, full: bool) -> None:
    kind, style, mark = ("learned", "bold green", "> ") if span.is_learned else ("context", "bold", "  ")
    console.print(f"{kind}, {plural(span.tokens, 'token')}", style=style)
    if full or span.is_learned:
        _print_pieces(span.pieces, span.is_learned, mark, console)
        return
    head, hidden, tail = _folded(span.pieces)
    _print_pieces(head, False, mark, console)
    if hidden:
        console.print(f"{mark}… {count(hidden)} tokens of context (--full) …", style="dim")
        _print_pieces(tail, False, mark, console)


def _folded(pieces: Sequence[Piece]) -> tuple[Sequence[Piece], int, Sequence[Piece]]:
    """The pieces at the start, how many tokens are hidden, and the pieces at the end. Cuts are between lines where
    one ends nearby."""
    sums = [0, *accumulate(piece.tokens for piece in pieces)]
    if sums[-1] <= _HEAD + _TAIL + _SLACK:
        return pieces, 0, ()
    start = next(index for index, tokens in enumerate(sums) if tokens >= _HEAD)
    end = next(index for index, tokens in enumerate(sums) if tokens >= sums[-1] - _TAIL)
    ends = [index for index, piece in enumerate(pieces, 1) if piece.text.endswith("\n")]
    start = next((index for index in ends if start <= index <= min(start + _NEAR, end)), start)
    end = next((index for index in ends if max(end - _NEAR, start) <= index <= end), end)
    hidden = sums[end] - sums[start]
    return (pieces[:start], hidden, pieces[end:]) if hidden >= _SLACK else (pieces, 0, ())


def _print_pieces(pieces: Iterable[Piece], is_learned: bool, mark: str, console: Console) -> None:
    for line in _lines(pieces, is_learned):
        shown = line.wrap(console, console.width - len(mark)) if console.is_terminal else [line]
        for each in shown:
            console.print(Text.assemble((mark, "bold green" if is_learned else ""), each), soft_wrap=True)


def _lines(pieces: Iterable[Piece], is_learned: bool) -> Iterator[Text]:
    """The text line by line, each newline visible; on a terminal with colours, learned tokens alternate."""
    line = Text()
    for number, piece in enumerate(pieces):
        style = _style(piece, is_learned, number)
        for part in piece.text.splitlines(keepends=True) if "\n" in piece.text else [piece.text]:
            line.append(escaped(part.removesuffix("\n")), style=style)
            if part.endswith("\n"):
                line.append(_NEWLINE, style="dim")
                yield line
                line = Text()
    if line:
        yield line


def _style(piece: Piece, is_learned: bool, number: int) -> str:
    if piece.is_control:
        return "bold magenta" if is_learned else "magenta"
    return ("green", "bold green")[number % 2] if is_learned else ""


def _print_notes(row: RowPreview, console: Console) -> None:
    for heading, texts in (
        ("The template adds", [_quoted(text) for text in row.added]),
        ("The template leaves out", [escaped(text) for text in row.dropped]),
        ("Read as plain text, not as a control token", [escaped(text) for text in row.control_texts]),
    ):
        if texts:
            console.print()
            console.print(heading, style="bold")
        for text in texts:
            print_wrapped(text, console, indent="  ", hanging="  ")


def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST_ADDED else f"{text[:_LONGEST_ADDED]}… ({len(text):,} characters)"
    return escaped(shown.replace("\n", _NEWLINE))


# --- All rows ----------------------------------------------------------------------------------------------------


def print_file_preview(rows: Rows, renderer: Renderer, found: FilePreview, console: Console) -> None:
    """How long the rows are, and which ones can't be used."""
    console.print()
    if found.lengths:
        console.print(lengths_table(found))
    if found.methods:
        console.print(f"Learned text is found {_ways(found)}")
    verdict = preview_verdict(found, renderer.context_length)
    print_wrapped(verdict, console, indent="", hanging="  ", style="green" if found.is_usable else "bold")
    for each in found.unusable[:_SHOWN_UNUSABLE]:
        place = f"{printable(str(rows.path))}:{each.line}"
        print_wrapped(f"{place}: {escaped(each.reason)}", console, indent="", hanging="  ", style="red")
    if left := _refused(found) - len(found.unusable[:_SHOWN_UNUSABLE]):
        console.print(f"… and {count(left)} more (--json names them)", style="dim")
    if found.left_out:
        hint = f"Left out, with errors: {plural(found.left_out, 'line')}. See them: ftorch data check {rows.path}"
        print_wrapped(printable(hint), console, indent="", hanging="  ", style="yellow")


def lengths_table(found: FilePreview) -> Table:
    """The tokens of all sequences, and those that are learned."""
    return Table(number_columns("EACH SEQUENCE", "MIN", "MEDIAN", "P95", "MAX", "IN ALL"), [*_spreads(found)])


def _spreads(found: FilePreview) -> Iterator[TableRow]:
    if found.lengths:
        yield _spread("tokens", found.lengths)
    if found.learned:
        yield _spread("learned tokens", found.learned)


def _spread(name: str, values: Distribution) -> TableRow:
    numbers = (values.minimum, values.median, values.p95, values.maximum, values.total)
    return table_row(name, *map(count_cell, numbers))


def _refused(found: FilePreview) -> int:
    return found.too_long + found.not_rendered + found.nothing_learned


def preview_verdict(found: FilePreview, limit: int | None) -> str:
    """Whether every row can be used. `limit` is the model's context in tokens."""
    if found.is_usable:
        rows, fit = ("The row", "fits") if found.rows == 1 else (f"All {found.rows:,} rows", "fit")
        fitting = "" if limit is None else f" and {fit} into the context of {limit:,} tokens"
        return f"{rows} can be rendered{fitting}"
    parts = {
        "can't be rendered": found.not_rendered,
        "longer than the context": found.too_long,
        "without a learned token": found.nothing_learned,
    }
    listed = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)
    return f"Of {plural(found.rows, 'row')}: {listed}"


def _ways(found: FilePreview) -> str:
    """How the learned text was found; the number of sequences for each way if there are two."""
    if len(found.methods) == 1:
        return _FOUND[next(iter(found.methods))]
    return ", ".join(f"{_FOUND[way]} ({number:,})" for way, number in found.methods.items())


# --- For programs ------------------------------------------------------------------------------------------------


def preview_object(
    rows: Rows, base: Base, renderer: Renderer, row: RowPreview, found: FilePreview
) -> dict[str, Any]:
    """The object behind `ftorch data preview --json`; docs/data.md explains its keys."""
    template = renderer.template
    return {
        "file": str(rows.path),
        "model": base.name,
        "folder": str(base.folder),
        "context_length": renderer.context_length,
        "template": {"source": template.source, "sha256": template.sha256, "family": template.family},
        "line": row.line,
        "problem": row.problem,
        "sequences": [_sequence_object(each) for each in row.sequences],
        "added": list(row.added),
        "dropped": list(row.dropped),
        "control_texts": list(row.control_texts),
        "rows": _rows_object(found),
    }


def _sequence_object(sequence: ShownSequence) -> dict[str, Any]:
    return {
        "label": sequence.label or None,
        "method": sequence.method,
        "tokens": sequence.tokens,
        "learned_tokens": sequence.learned,
        "spans": [
            {"text": span.text, "learned": span.is_learned, "tokens": span.tokens, "ids": list(span.ids)}
            for span in sequence.spans
        ],
    }


def _rows_object(found: FilePreview) -> Mapping[str, Any]:
    return {
        "tried": found.rows,
        "left_out": found.left_out,
        "lengths": asdict(found.lengths) if found.lengths else None,
        "learned": asdict(found.learned) if found.learned else None,
        "too_long": found.too_long,
        "not_rendered": found.not_rendered,
        "nothing_learned": found.nothing_learned,
        "methods": dict(found.methods),
        "unusable": [asdict(each) for each in found.unusable],
    }
