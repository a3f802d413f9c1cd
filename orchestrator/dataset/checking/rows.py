"""The examples of a data file one by one, for what counts, divides or compares them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.dataset.basemodels import Method
from orchestrator.dataset.checking.checks import EXAMPLE_CHECKS
from orchestrator.dataset.checking.filesets import purpose_in_name
from orchestrator.dataset.checking.formats import (
    HEAD_BYTES,
    looks_like_training,
    note_foreign_file,
    shape_of,
)
from orchestrator.dataset.checking.keys import check_row_keys
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import Notes, with_command_for, without_content
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, numbered_lines, parse_line
from orchestrator.dataset.texts import check_texts
from orchestrator.dataset.toollists import Reader
from orchestrator.errors import DataFileEmpty, NoGoodExample, NotExamples


@dataclass(frozen=True)
class Row:
    """One line that is not blank: what stands on it, or the `problem` that keeps it from being used."""

    line: int
    example: dict[str, Any] | None
    problem: str | None = None


def read_rows(path: Path, method: Method | None = None) -> Iterator[Row]:
    """Yield every line of `path` that is not blank, each judged as an example of `method`, or of the one it looks
    like.

    Raises NotExamples where the file as a whole is something else (gzip, one JSON array), DataFileNotFound or
    DataFileUnreadable.
    """
    with open_as_sent(path) as stream:
        notes = Notes()
        if note_foreign_file(stream.read(HEAD_BYTES), notes):
            found = notes.findings[0]
            raise NotExamples(path=path, problem=found.reason, fix=with_command_for(found.fix, path))
        stream.seek(0)
        reader = Reader()
        with_keys = purpose_in_name(path) != "evaluation"  # whose rows have additional keys
        for number, line in numbered_lines(stream):
            yield row_of_line(number, line, reader, method, with_keys=with_keys)


def rows_on(path: Path, lines: Collection[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The examples on `lines`, known to be good ones, in the order of the file; nothing else is parsed."""
    wanted = frozenset(lines)
    if not wanted:
        return
    last = max(wanted)
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            if number in wanted and line is not None:
                yield number, parse_json(line)
            if number >= last:
                return


def row_of_line(
    number: int, line: bytes | None, reader: Reader, method: Method | None = None, *, with_keys: bool = True
) -> Row:
    """The example on a line, judged as one of `method`, or of the one it looks like; `line` None stands for one
    that is too long. Without `with_keys` the keys beside its conversation may be any."""
    if line is None:
        return Row(number, None, f"the line is longer than {LONGEST_LINE_BYTES >> 20} MiB")
    notes = Notes(line=number)
    example = None
    if parsed := parse_line(line, reader, notes):
        example, text = parsed
        check_texts(example, text, notes)
        likely = method or shape_of(example) or "supervised"
        EXAMPLE_CHECKS[likely](example, notes)
        if with_keys:
            check_row_keys(example, likely, notes)
        notes.note_tallies()
    bad = next((finding for finding in notes.findings if finding.severity == "error"), None)
    if bad is None:
        return Row(number, example)
    return Row(number, None, (bad if looks_like_training(line) else without_content(bad)).reason)


@dataclass
class GoodRows:
    """The rows of a file without errors, as pairs of line number and example. The others are counted.

    Iterating raises what `read_rows` does, and at the end, where no row was good, NoGoodExample or DataFileEmpty.
    """

    path: Path
    method: Method | None = None
    """None: the one that each row looks like."""
    left_out: int = 0

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        first_bad: Row | None = None
        good = 0
        for row in read_rows(self.path, self.method):
            if row.example is not None:
                good += 1
                yield row.line, row.example
            else:
                self.left_out += 1
                first_bad = first_bad or row
        if first_bad and not good:
            raise NoGoodExample(path=self.path, line=first_bad.line, problem=first_bad.problem)
        if not good:
            raise DataFileEmpty(path=self.path)
