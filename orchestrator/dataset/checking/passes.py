"""One pass over the lines of a data file, or of a part of it, and the joining of such passes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import training_context
from orchestrator.dataset.checking.findings import Notes
from orchestrator.dataset.checking.formats import shape_of
from orchestrator.dataset.checking.preference import check_preference
from orchestrator.dataset.checking.reinforcement import check_reinforcement
from orchestrator.dataset.checking.supervised import check_supervised
from orchestrator.dataset.checking.texts import check_texts
from orchestrator.dataset.checking.toollists import Reader
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, NumberedLines, parse_line
from orchestrator.dataset.methods import Method, Purpose
from orchestrator.dataset.survey import Survey
from orchestrator.dataset.tokens import sequence_lengths

EXAMPLE_CHECKS: Mapping[Method, Callable[[Mapping[str, Any], Notes], None]] = {
    "supervised": check_supervised,
    "dpo": check_preference,
    "reinforcement": check_reinforcement,
}


@dataclass(frozen=True)
class Order:
    """What is asked of a pass."""

    path: Path
    method: Method
    purpose: Purpose
    model: str | None
    count_tokens: bool
    keep_all: bool


@dataclass
class Shapes:
    """How many rows look like the examples of each method, and the first line of each."""

    counts: dict[Method, int] = field(default_factory=dict)
    first_lines: dict[Method, int] = field(default_factory=dict)

    def add(self, shape: Method, line: int) -> None:
        self.counts[shape] = self.counts.get(shape, 0) + 1
        self.first_lines.setdefault(shape, line)

    def merge(self, later: Shapes, line_offset: int) -> None:
        for shape, count in later.counts.items():
            self.counts[shape] = self.counts.get(shape, 0) + count
            self.first_lines.setdefault(shape, later.first_lines[shape] + line_offset)


@dataclass
class Pass:
    """What was found so far. Line numbers count from the start of the part."""

    order: Order
    notes: Notes
    survey: Survey
    shapes: Shapes = field(default_factory=Shapes)
    lines: int = 0
    examples: int = 0
    tokens: int = 0

    def merge(self, later: Pass) -> None:
        """Join the pass over the part that follows this one in the file."""
        self.notes.merge(later.notes, self.lines)
        self.survey.merge(later.survey, self.lines)
        self.shapes.merge(later.shapes, self.lines)
        self.lines += later.lines
        self.examples += later.examples
        self.tokens += later.tokens


def pass_over(order: Order, start: int = 0, size: int | None = None) -> Pass:
    """Check the lines of the file from byte `start` (as sent) on, up to the one that reaches byte `start + size`.

    Raises DataFileNotFound or DataFileUnreadable.
    """
    found = Pass(order, Notes(order.keep_all), Survey(purpose=order.purpose))
    checker = _LineChecker(order, found)
    with open_as_sent(order.path) as stream:
        stream.seek(start, os.SEEK_SET)
        lines = NumberedLines(stream, LONGEST_LINE_BYTES, size)
        for number, line in lines:
            checker.check(number, line)
        found.lines = lines.count
    found.notes.at(None)
    return found


class _LineChecker:
    """Checks line after line, adding to what was found."""

    def __init__(self, order: Order, found: Pass) -> None:
        self._order = order
        self._found = found
        self._notes = found.notes
        self._reader = Reader()
        self._check_example = EXAMPLE_CHECKS[order.method]
        self._limit = training_context(order.model) if order.model else None

    def check(self, number: int, line: bytes | None) -> None:
        self._found.examples += 1
        self._notes.at(number)
        if line is None:
            self._notes.add("FT108", problem=f"is longer than {LONGEST_LINE_BYTES >> 20} MiB")
        elif (parsed := parse_line(line, self._reader, self._notes)) is not None:
            self._check_row(number, *parsed)

    def _check_row(self, number: int, row: dict[str, Any], text: bytes) -> None:
        notes = self._notes
        errors = notes.errors
        notes.at(number, row)
        if shape := shape_of(row):
            self._found.shapes.add(shape, number)
        check_texts(row, text, notes)
        self._check_example(row, notes)
        if notes.errors == errors and self._order.count_tokens:
            self._count(row)
        if notes.errors == errors:
            self._found.survey.add(number, row)

    def _count(self, row: Mapping[str, Any]) -> None:
        lengths = sequence_lengths(row, self._order.model)
        self._found.tokens += sum(lengths)
        if self._limit is not None and max(lengths) > self._limit:
            self._notes.add("FT501", tokens=max(lengths), model=self._order.model, limit=self._limit)
