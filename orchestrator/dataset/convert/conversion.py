"""One conversion: a file read row by row, each row converted or set aside, and the result put in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.convert.answerfile import Answers, with_answer
from orchestrator.dataset.convert.calls import with_functions
from orchestrator.dataset.convert.cells import ColumnNames, LeftOut
from orchestrator.dataset.convert.changes import (
    ANSWERS_ADDED,
    MOST_BAD_ROWS,
    BadRow,
    Change,
    Changes,
    NotConvertible,
)
from orchestrator.dataset.convert.documents import Row
from orchestrator.dataset.convert.inputs import STANDARD_INPUT, Container, Input, opened
from orchestrator.dataset.convert.keys import with_keys_dropped, with_keys_used
from orchestrator.dataset.convert.renaming import Renaming
from orchestrator.dataset.convert.shapes import modern_example, preferred, shape_of
from orchestrator.dataset.files import BYTE_ORDER_MARK, json_line, new_files
from orchestrator.dataset.findings import named_type
from orchestrator.dataset.formats import Shape
from orchestrator.dataset.profile.fingerprints import lines_text
from orchestrator.errors import DataFileEmpty, RowsNotConverted

Target = Literal["tools", "supervised", "functions", "dpo"]

_SHOWN_BAD_ROWS = 10
_TOO_FEW = "FT106"


@dataclass(frozen=True)
class Options:
    """What to convert from and to, and how."""

    shape: Shape | None = None
    """None: recognised, example by example."""
    container: Container | None = None
    """None: recognised by the first bytes."""
    to: Target | None = None
    """None: tools, and DPO for examples that are DPO."""
    columns: ColumnNames = field(default_factory=ColumnNames)
    tools: tuple[Mapping[str, Any], ...] | None = None
    """Definitions for every example that has none."""
    renumber: bool = False
    """Number all call ids by position, sound ones too."""
    mark: bool = False
    """Begin the file with a byte-order mark."""
    skip_bad: bool = False
    answers: Answers | None = None
    """The calls that answer the rows, by their id."""
    rename_functions: bool = False
    """Write function names that services refuse with "_" in place of other characters."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion did."""

    container: Container
    shapes: Mapping[Shape, int]
    """How many examples had each shape."""
    written: int
    changes: tuple[Change, ...]
    bad: tuple[BadRow, ...]
    """The first 1,000 examples that were left out."""
    bad_count: int
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The new name of each function that was renamed."""
    unused: tuple[str, ...] = ()
    """What was asked for and nothing in the file needed, as a sentence each."""


def write_names(done: Conversion, target: Path) -> None:
    """Write the new names beside `target` as JSON, `{"uber.ride": "uber_ride"}`, where functions were renamed.

    Raises OutputUnwritable.
    """
    if done.renamed:
        with new_files([names_file(target)], replace=True) as [output]:
            output.write(json_line(dict(done.renamed)) + b"\n")


def names_file(target: Path) -> Path:
    """Where the new names of functions are written: train.jsonl has train.names.json beside it."""
    return target.with_name(f"{target.stem}.names.json")


def check_converted(target: Path, purpose: Purpose = "validation") -> CheckReport:
    """What `data check` finds in the file that a conversion wrote; too few examples are no error here."""
    report = check_file(target, method=None, purpose=purpose, count_tokens=False, any_size=True)
    findings = tuple(finding for finding in report.findings if finding.code != _TOO_FEW)
    counts = {code: count for code, count in report.counts.items() if code != _TOO_FEW}
    return replace(report, findings=findings, counts=counts)


def convert_file(
    source: Path, target: Path, options: Options | None = None, *, replace: bool = False
) -> Conversion:
    """Convert `source` ("-" is standard input) and write `target` as JSONL, one example at a time.

    `target` is written whole or not at all: RowsNotConverted names the examples that can't be converted, unless
    `options.skip_bad` leaves them out. An example with nothing to change keeps its bytes.
    Raises also DataFileNotFound, DataFileUnreadable, DataFileEmpty, ColumnsUnclear, ParquetMissing, OutputExists
    (unless `replace`) and OutputUnwritable.
    """
    options = options or Options()
    with opened(source, options.container) as found, new_files([target], replace=replace) as [output]:
        converting = _Converting(options, output)
        converting.mark(found)
        for row in found.rows(options.columns, converting.changes):
            converting.take(row)
            if converting.is_hopeless:
                break
        converting.refuse(source)
        return converting.conversion(found.container)


@dataclass
class _Converting:
    options: Options
    output: BinaryIO
    changes: Changes = field(default_factory=Changes)
    shapes: Counter[Shape] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    written: int = 0
    is_known: bool = False
    """Whether any example had the shape of a known format."""
    left_out: int = 0
    renaming: Renaming = field(default_factory=Renaming)

    def mark(self, source: Input) -> None:
        self.changes.line = 1
        if source.marked != self.options.mark:
            self.changes.note("byte-order mark added" if self.options.mark else "byte-order mark taken off")
            self.changes.settle()
        if self.options.mark:
            self.output.write(BYTE_ORDER_MARK)

    def take(self, row: Row) -> None:
        self.changes.line = row.line
        try:
            line = self._converted(row)
        except NotConvertible as problem:
            self._set_aside(row.line, problem)
        except LeftOut as left:
            self.changes.discard()
            self.changes.note(left.what)
            self.changes.settle()
            self.left_out += 1
        except RecursionError:
            self._set_aside(row.line, NotConvertible("it is nested too deeply", "Flatten it."))
        else:
            self.output.write(line + b"\n")
            self.written += 1
            self.changes.settle()

    def _converted(self, row: Row) -> bytes:
        if row.problem is not None:
            raise row.problem
        if not isinstance(row.value, dict):
            raise NotConvertible(f"it is {named_type(row.value)}", "Write one JSON object for each example.")
        names = self.options.columns
        if self.options.answers is not None:
            names = replace(names, call="answers")
        shape = self.options.shape or shape_of(row.value, names)
        self.is_known = True
        example = _example(row.value, shape, self.options, self.changes)
        if self.options.rename_functions:
            example = self.renaming.applied(example, self.changes)
        line = row.raw if row.raw is not None and example == row.value else _written(example)
        self.shapes[shape] += 1
        return line

    def _set_aside(self, line: int, problem: NotConvertible) -> None:
        self.changes.discard()
        self.bad_count += 1
        if len(self.bad) < MOST_BAD_ROWS:
            self.bad.append(BadRow(line, problem.problem, problem.advice))

    @property
    def is_hopeless(self) -> bool:
        """True where nothing but bad examples came: the file is of another kind, and may be endless."""
        return self.bad_count >= MOST_BAD_ROWS and not self.written

    def refuse(self, path: Path) -> None:
        """Raise where nothing may be written: for bad examples that may not be skipped, and for none at all."""
        if not self.bad and not self.written:
            raise DataFileEmpty(path=path)
        if not self.bad or (self.options.skip_bad and self.written):
            return
        name = "standard input" if path == STANDARD_INPUT else path
        alike = self._bad_alike()
        shown = [_said_of(name, lines, *why) for why, lines in alike[:_SHOWN_BAD_ROWS]]
        more = self.bad_count - sum(len(lines) for _, lines in alike[:_SHOWN_BAD_ROWS])
        advice = "Correct these lines, or leave them out with --skip-bad."
        if not self.written:
            advice = "No example could be converted."
        if not self.is_known:
            advice += " Is it another format? --from names one."
        raise RowsNotConverted(name, shown, more, advice=advice)

    def _bad_alike(self) -> list[tuple[tuple[str, str], list[int]]]:
        """The lines of bad examples by problem and advice."""
        found: dict[tuple[str, str], list[int]] = {}
        for row in self.bad:
            found.setdefault((row.problem, row.advice), []).append(row.line)
        return list(found.items())

    def conversion(self, container: Container) -> Conversion:
        tally = self.changes.tally()
        return Conversion(
            container,
            dict(self.shapes),
            self.written,
            tally,
            tuple(self.bad),
            self.bad_count,
            self.renaming.names,
            tuple(self._unused(tally)),
        )

    def _unused(self, tally: tuple[Change, ...]) -> Iterator[str]:
        columns = self.options.columns
        for name in columns.drop:
            if name not in self.changes.dropped:
                yield f"--drop-column {name} removed nothing: no example has an unused key of that name"
        if columns.answer_call is not None and ANSWERS_ADDED not in [change.what for change in tally]:
            yield "--answer-call added nothing: every example has an answer"


def _said_of(name: object, lines: list[int], problem: str, advice: str) -> str:
    others = [line for line in lines if line != lines[0]]
    also = f" (also on {lines_text(others)})" if others else f" (and {len(lines) - 1:,} more)" if lines[1:] else ""
    return f"{name}:{lines[0]}: {problem}{also}. {advice}"


def _example(row: dict[str, Any], shape: Shape, options: Options, changes: Changes) -> dict[str, Any]:
    keep_good = options.to in ("tools", "supervised")
    names = options.columns if options.answers is None else replace(options.columns, call="answers")
    if options.answers is not None:
        row = with_answer(row, options.answers, changes)
    example = modern_example(row, shape, names, renumber=options.renumber, changes=changes, keep_good=keep_good)
    example = with_keys_dropped(example, names.drop, changes)
    is_preference = "preferred_output" in example and "messages" not in example
    if not is_preference:
        example = with_keys_used(example, names, changes, keep_good=keep_good)
    if options.tools is not None:
        _add_tools(example["input"] if is_preference else example, options.tools, changes)
    if options.to == "dpo" and not is_preference:
        raise NotConvertible("it holds one answer, and DPO needs two", "Write the answer to avoid, too.")
    if is_preference and options.to in ("tools", "supervised", "functions"):
        example = preferred(example, changes)
    return with_functions(example, changes) if options.to == "functions" else example


def _add_tools(holder: dict[str, Any], tools: tuple[Mapping[str, Any], ...], changes: Changes) -> None:
    if holder.get("tools") is None:
        changes.note("tool definitions added")
        holder["tools"] = list(tools)


def _written(example: dict[str, Any]) -> bytes:
    try:
        return json_line(example)
    except ValueError as error:
        raise NotConvertible(f"it can't be written as JSON: {error}", "Take that value out.") from None
