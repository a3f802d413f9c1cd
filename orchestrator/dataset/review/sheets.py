"""Review sheets that come back: decisions that somebody wrote into a table, in a spreadsheet program or by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.review.decisions import Verdict
from orchestrator.dataset.review.review import Review
from orchestrator.errors import DataFileNotFound, DataFileUnreadable, SheetUnusable

SHEET_COLUMNS = ("line", "sha256", "request", "answer", "decision", "note")

_NEEDED = ("sha256", "decision")
_DELIMITERS = ",;\t"
_WORDS: Mapping[str, Verdict | None] = {
    "": None,
    "a": Verdict.ACCEPT,
    "accept": Verdict.ACCEPT,
    "accepted": Verdict.ACCEPT,
    "d": Verdict.DROP,
    "drop": Verdict.DROP,
    "dropped": Verdict.DROP,
    "f": Verdict.FLAG,
    "flag": Verdict.FLAG,
    "flagged": Verdict.FLAG,
    "edit": Verdict.EDIT,
    "edited": Verdict.EDIT,
}
_SHOWN_PROBLEMS = 10
_LONGEST_FIELD = 32 << 20


@dataclass(frozen=True)
class SheetLine:
    """One line of a sheet on which a decision is written."""

    place: int
    """The sheet's line, from 1."""
    line: str
    """The line of the reviewed file, as the sheet has it; for people."""
    sha256: str
    verdict: Verdict
    note: str


def read_sheet(path: Path) -> list[SheetLine]:
    """The decisions in a CSV sheet. Lines whose decision is empty are passed over, and so are other columns.

    Commas, semicolons or tabs may divide the columns. Raises SheetUnusable with every problem there is,
    DataFileNotFound and DataFileUnreadable.
    """
    rows = _rows(path)
    heading = next(rows, None)
    names = [name.strip().lower() for name in heading[1]] if heading else []
    if missing := [name for name in _NEEDED if name not in names]:
        raise SheetUnusable(path, [f"{path}, line 1: there is no column {' and no column '.join(missing)}"])
    found, problems = [], []
    for place, cells in rows:
        given = dict(zip(names, cells, strict=False))
        word = given.get("decision", "").strip().lower()
        if any(map(str.strip, cells[len(names) :])):
            problems.append(
                f"{path}, line {place}: it has more cells than line 1; put quotes around a text with commas"
            )
        elif word not in _WORDS:
            problems.append(f'{path}, line {place}: the decision "{word}" is not accept, drop or flag')
        elif not (verdict := _WORDS[word]):
            continue
        elif not (sha256 := given.get("sha256", "").strip().lower()):
            problems.append(f"{path}, line {place}: the decision has no sha256 to identify its row")
        else:
            note = _unquoted(given.get("note", "").strip())
            found.append(SheetLine(place, given.get("line", "?").strip() or "?", sha256, verdict, note))
    if problems:
        raise SheetUnusable(path, _first(problems))
    return found


def apply_sheet(review: Review, path: Path) -> tuple[int, list[SheetLine]]:
    """Record the decisions of a sheet; how many there are, and the lines about rows that the file does not hold.

    Raises what `read_sheet` raises, SheetUnusable too where a row is said to be edited and is not, and
    DecisionNotKept.
    """
    rows = {row.sha256: row for row in review.rows}
    taken, missing, problems = [], [], []
    for each in read_sheet(path):
        row = rows.get(each.sha256)
        if row is None:
            missing.append(each)
            continue
        known = review.decision(row)
        if each.verdict is Verdict.EDIT and known.row is None:
            problems.append(
                f"{path}, line {each.place}: a sheet can't edit rows; write flag, and the change as the note"
            )
        taken.append(known.judged(Verdict.ACCEPT if each.verdict is Verdict.EDIT else each.verdict, each.note))
    if problems:
        raise SheetUnusable(path, _first(problems))
    review.decide(taken)
    return len(taken), missing


def _first(problems: Sequence[str]) -> list[str]:
    left = len(problems) - _SHOWN_PROBLEMS
    return [*problems[:_SHOWN_PROBLEMS], *([f"… and {left:,} more"] if left > 0 else [])]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line on which each begins."""
    text = _text(path)
    start, _, _ = text.partition("\n")
    delimiter = max(_DELIMITERS, key=start.count)
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        reader, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
        for cells in reader:
            if any(map(str.strip, cells)):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise SheetUnusable(path, [f"{path}, line {line}: {error}"]) from None
    finally:
        csv.field_size_limit(before)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataFileNotFound(
            f"There is no sheet {path}. Write one: ftorch data review FILE --sheet {path}"
        ) from None
    except OSError as error:
        raise DataFileUnreadable(path=path, problem=error.strerror or str(error)) from error
    except UnicodeDecodeError:
        raise SheetUnusable(path, [f'{path} is not UTF-8; save it as "CSV UTF-8"']) from None


def _unquoted(note: str) -> str:
    """Without the apostrophe that keeps a spreadsheet program from taking a text for a formula."""
    return note[1:] if note[:1] == "'" and note[1:2] in tuple("=+-@") else note
