"""The check of a data file before it costs anything: one pass, line by line, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from orchestrator.dataset.basemodels import training_context
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import CheckReport, Finding, Notes
from orchestrator.dataset.formats import HEAD_BYTES, note_foreign_file
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, numbered_lines, parse_line
from orchestrator.dataset.preference import check_preference
from orchestrator.dataset.reinforcement import check_reinforcement
from orchestrator.dataset.supervised import check_supervised
from orchestrator.dataset.texts import check_texts
from orchestrator.dataset.tokens import sequence_lengths

__all__ = ["CheckReport", "Finding", "Method", "Purpose", "check_file"]

Method = Literal["supervised", "dpo", "reinforcement"]
Purpose = Literal["training", "validation"]

LEAST_TRAINING_EXAMPLES = 10
LARGEST_FILE_BYTES = 512 << 20

_EXAMPLE_CHECKS: Mapping[Method, Callable[[Mapping[str, Any], Notes], None]] = {
    "supervised": check_supervised,
    "dpo": check_preference,
    "reinforcement": check_reinforcement,
}


def check_file(
    source: Path,
    *,
    method: Method,
    purpose: Purpose,
    model: str | None = None,
    count_tokens: bool = True,
) -> CheckReport:
    """Check all lines of `source` against what `method` asks of an example.

    `model` (a base or fine-tuned name) chooses the token encoding and the longest example allowed. Without
    `count_tokens` the report's `tokens` is None and no length is checked.
    Whatever the file holds becomes a finding; DataFileNotFound and DataFileUnreadable are raised where it can't be
    read at all.
    """
    checking = _Checking(method, model, count_tokens, Notes())
    with open_as_sent(source) as stream:
        foreign = note_foreign_file(stream.read(HEAD_BYTES), checking.notes)
        if not foreign:
            stream.seek(0)
            checking.check_lines(stream)
            _check_whole(stream.seek(0, os.SEEK_END), checking, purpose)
    return checking.report()


@dataclass
class _Checking:
    method: Method
    model: str | None
    count_tokens: bool
    notes: Notes
    examples: int = 0
    tokens: int = 0

    def check_lines(self, stream: BinaryIO) -> None:
        for number, line in numbered_lines(stream):
            self.notes.line = number
            self.examples += 1
            if line is None:
                self.notes.add("FT108", limit=LONGEST_LINE_BYTES >> 20)
            else:
                self._check_line(line)

    def _check_line(self, line: bytes) -> None:
        row = parse_line(line, self.notes)
        if row is None:
            return
        errors = self.notes.counts["error"]
        try:
            check_texts(row, line, self.notes)
            _EXAMPLE_CHECKS[self.method](row, self.notes)
            if self.count_tokens and self.notes.counts["error"] == errors:
                self._count(row)
        except RecursionError:
            self.notes.add("FT107")

    def _count(self, row: Mapping[str, Any]) -> None:
        lengths = sequence_lengths(row, self.model)
        self.tokens += sum(lengths)
        limit = training_context(self.model) if self.model else None
        if limit is not None and max(lengths) > limit:
            self.notes.add("FT501", tokens=max(lengths), model=self.model, limit=limit)

    def report(self) -> CheckReport:
        return self.notes.report(self.examples, self.tokens if self.count_tokens else None)


def _check_whole(size: int, checking: _Checking, purpose: Purpose) -> None:
    notes = checking.notes
    notes.line = None
    if checking.examples == 0:
        notes.add("FT101")
    elif purpose == "training" and checking.examples < LEAST_TRAINING_EXAMPLES:
        notes.add("FT106", count=checking.examples, least=LEAST_TRAINING_EXAMPLES)
    if size > LARGEST_FILE_BYTES:
        notes.add("FT502", size=size, limit=LARGEST_FILE_BYTES)
