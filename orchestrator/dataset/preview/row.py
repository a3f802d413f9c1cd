"""One row as a model is trained on it: its spans, token by token, and what the template adds and leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import Method, Purpose
from orchestrator.dataset.checking.formats import shape_of
from orchestrator.dataset.checking.rendering import ControlTokens, Sequences
from orchestrator.dataset.checking.rows import GoodRows, read_rows
from orchestrator.dataset.preview.origins import added_texts, dropped_parts
from orchestrator.dataset.preview.pieces import Piece, pieces_of
from orchestrator.dataset.rendering.rendered import Method as Found, Prompt, Rendered, Span
from orchestrator.dataset.rendering.renderer import Renderer
from orchestrator.dataset.shorten import Cut, shortened
from orchestrator.errors import CannotRender, NoSuchLine

_LABELS = {"dpo": ("preferred", "other")}


@dataclass(frozen=True)
class Rows:
    """The rows to preview: a file, and how they are rendered."""

    path: Path
    purpose: Purpose
    method: Method | None
    """None: the one that each row looks like."""
    cut: Cut
    """What is left out of the definitions, as the trained model will not get it."""

    def sequences(self, row: Mapping[str, Any], renderer: Renderer) -> tuple[Rendered | Prompt, ...]:
        """What the model is trained on, or asked, by a row. Raises CannotRender."""
        return Sequences(renderer, self._method_of(row), self.purpose).of(row)

    def labels(self, row: Mapping[str, Any], count: int) -> tuple[str, ...]:
        """The name of each sequence; "" for the only one."""
        return _LABELS.get(self._method_of(row), ("",)) if count > 1 else ("",)

    def _method_of(self, row: Mapping[str, Any]) -> Method:
        return self.method or shape_of(row) or "supervised"


@dataclass(frozen=True)
class TokenSpan:
    """A stretch of text that is learned, or is context, as a whole."""

    text: str
    is_learned: bool
    ids: Sequence[int]
    renderer: Renderer

    @property
    def tokens(self) -> int:
        return len(self.ids)

    @cached_property
    def pieces(self) -> list[Piece]:
        """The text, cut where its tokens meet."""
        return pieces_of(self.text, self.ids, self.renderer, frozenset(self.renderer.control_tokens.values()))


@dataclass(frozen=True)
class ShownSequence:
    """One conversation as the model is trained on it, or is asked it."""

    label: str
    """preferred or other, for preference data."""
    spans: Sequence[TokenSpan]
    """Neighbours that are both context, or both learned, are one span."""
    method: Found | None
    """How the learned text was found; None for a prompt without an answer."""

    @property
    def tokens(self) -> int:
        return sum(span.tokens for span in self.spans)

    @property
    def learned(self) -> int:
        """Tokens that are learned."""
        return sum(span.tokens for span in self.spans if span.is_learned)


@dataclass(frozen=True)
class RowPreview:
    """One row of a file."""

    line: int
    sequences: Sequence[ShownSequence]
    """One, two for preference data; none if the row can't be rendered."""
    problem: str | None
    """Why the row can't be rendered, for a sentence."""
    added: Sequence[str]
    """Texts of the template's own that the model reads with the row."""
    dropped: Sequence[str]
    """Parts of the row that the template leaves out."""
    control_texts: Sequence[str]
    """Texts of the row that look like control tokens, and are read as plain text."""


def preview_row(rows: Rows, renderer: Renderer, line: int | None = None) -> RowPreview:
    """The row on `line`, counted from 1, or the first one without errors.

    Raises NoSuchLine, and what `read_rows` and `GoodRows` raise.
    """
    number, row = next(iter(GoodRows(rows.path, rows.method))) if line is None else _on_line(rows, line)
    row = shortened(row, rows.cut)
    looks_like = [*dict.fromkeys(token for _, token in ControlTokens(renderer.control_tokens).in_row(row))]
    try:
        rendered = rows.sequences(row, renderer)
    except CannotRender as error:
        return RowPreview(number, (), str(error.facts["reason"]), (), (), looks_like)
    labels = rows.labels(row, len(rendered))
    sequences = [_shown(label, each, renderer) for label, each in zip(labels, rendered, strict=True)]
    texts = [(span.text, span.is_learned) for span in sequences[0].spans]
    return RowPreview(
        number,
        sequences,
        None,
        added_texts(texts, row, [*renderer.control_tokens]),
        dropped_parts("".join(text for text, _ in texts), row),
        looks_like,
    )


def _on_line(rows: Rows, line: int) -> tuple[int, dict[str, Any]]:
    last = 0
    for each in read_rows(rows.path, rows.method):
        if each.line == line and each.example is not None:
            return line, each.example
        if each.line == line:
            raise NoSuchLine(path=rows.path, line=line, problem=each.problem)
        if each.line > line:
            raise NoSuchLine(path=rows.path, line=line, problem="the line is blank")
        last = each.line
    raise NoSuchLine(path=rows.path, line=line, problem=f"the last example is on line {last}")


def _shown(label: str, sequence: Rendered | Prompt, renderer: Renderer) -> ShownSequence:
    if isinstance(sequence, Prompt):
        return ShownSequence(label, [TokenSpan(sequence.text, False, sequence.ids, renderer)], None)
    return ShownSequence(label, _joined(sequence.spans, sequence.ids, renderer), sequence.method)


def _joined(spans: Sequence[Span], ids: Sequence[int], renderer: Renderer) -> list[TokenSpan]:
    """Spans with their ids, neighbours of the same kind as one."""
    joined: list[TokenSpan] = []
    at = 0
    for span in spans:
        its = ids[at : at + span.tokens]
        at += span.tokens
        if joined and joined[-1].is_learned == span.learned:
            before = joined.pop()
            joined.append(TokenSpan(before.text + span.text, span.learned, [*before.ids, *its], renderer))
        elif span.text:
            joined.append(TokenSpan(span.text, span.learned, its, renderer))
    return joined
