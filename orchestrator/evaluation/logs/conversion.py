"""A log read twice: first to see which requests belong together, then to write each where it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.dataset.checking.findings import Finding, Notes
from orchestrator.dataset.convert.changes import MOST_BAD_ROWS, BadRow, Changes, NotConvertible
from orchestrator.dataset.convert.columns import ColumnNames
from orchestrator.dataset.convert.inputs import opened
from orchestrator.dataset.methods import Purpose
from orchestrator.dataset.newfiles import json_line, new_files
from orchestrator.dataset.survey import Survey
from orchestrator.dataset.survey.answers import TEXT
from orchestrator.errors import DataFileUnreadable, LogOutputTaken, NothingInLog
from orchestrator.evaluation.logs.division import divide
from orchestrator.evaluation.logs.examples import Judged, Kind, LogReader
from orchestrator.evaluation.logs.known import KnownFiles

CASE_SHARE = 0.3
"""How much of a log becomes cases where it is divided."""
_SHOWN = 5


@dataclass(frozen=True)
class Outputs:
    """The files to write; one that is None is not written, and then everything goes into the other."""

    cases: Path | None
    training: Path | None

    @property
    def paths(self) -> dict[Purpose, Path]:
        named: dict[Purpose, Path | None] = {"evaluation": self.cases, "training": self.training}
        return {purpose: path for purpose, path in named.items() if path is not None}


@dataclass(frozen=True)
class LogConversion:
    """What became of a log."""

    source: Path
    requests: int
    """Lines that are not blank, or values of a JSON array."""
    written: Mapping[Purpose, tuple[Path, Mapping[Kind, int]]]
    """The files, and how many requests of each kind went into them."""
    left_out: tuple[BadRow, ...]
    """The first 1,000 that went nowhere, in the order of the log."""
    left_out_count: int
    warnings: tuple[Finding, ...]
    """Keys of services and addresses of people in the requests that can be used; lines are the log's."""

    def count(self, purpose: Purpose) -> int:
        """How many examples a file got."""
        return sum(self.written[purpose][1].values()) if purpose in self.written else 0


def convert_log(
    source: Path,
    outputs: Outputs,
    *,
    known: KnownFiles | None = None,
    case_share: float = CASE_SHARE,
    seed: int = 0,
) -> LogConversion:
    """Write the judged requests of a log as cases and as training examples; both files, or none.

    A request with a correction expects that; one whose answer was rated good expects this answer; others are left
    out and named. Requests that are equal or nearly so go into the same file, about `case_share` of them into the
    cases, and none stands in a file of `known` or, on the other side, nearly so. The same seed and log give the
    same files. Raises NothingInLog where no request can be used, LogOutputTaken, OutputUnwritable,
    DataFileNotFound, DataFileUnreadable and DataFileEmpty.
    """
    for path in outputs.paths.values():
        if path.exists():
            raise LogOutputTaken(path=path)
    reading = _read(source)
    parts = reading.divided(frozenset(outputs.paths), known or {}, case_share, seed)
    if not parts:
        reasons = [f"line {row.line}: {row.problem}" for row in reading.in_order()[:_SHOWN]]
        raise NothingInLog(path=source, reasons="\n".join(reasons))
    kinds = _write(source, outputs.paths, parts)
    return LogConversion(
        source=source,
        requests=reading.requests,
        written={purpose: (path, kinds[purpose]) for purpose, path in outputs.paths.items()},
        left_out=tuple(reading.in_order()[:MOST_BAD_ROWS]),
        left_out_count=reading.left_out_count,
        warnings=_sensitive(reading.survey),
    )


@dataclass
class _Reading:
    requests: int = 0
    survey: Survey = field(default_factory=lambda: Survey("evaluation"))
    answers: list[str] = field(default_factory=list)
    """For each usable request, its kind and what the right answer calls: each of these is divided alike."""
    left_out: list[BadRow] = field(default_factory=list)
    left_out_count: int = 0

    def leave_out(self, line: int, problem: str, advice: str = "") -> None:
        self.left_out_count += 1
        if len(self.left_out) < MOST_BAD_ROWS:
            self.left_out.append(BadRow(line, problem, advice))

    def divided(
        self, written: frozenset[Purpose], known: KnownFiles, case_share: float, seed: int
    ) -> dict[int, Purpose]:
        """Where each line goes; those that go nowhere are noted."""
        prompts = self.survey.prompts
        found = divide(prompts, self.answers, written, known, case_share, seed)
        for index, problem in found.problems.items():
            self.leave_out(prompts.lines[index], problem)
        return {prompts.lines[index]: part for index, part in found.parts.items()}

    def in_order(self) -> list[BadRow]:
        return sorted(self.left_out, key=lambda row: row.line)


def _read(source: Path) -> _Reading:
    reading = _Reading()
    names: dict[str, str] = {}
    for line, found in _judged(source):
        reading.requests += 1
        if isinstance(found, NotConvertible):
            reading.leave_out(line, found.problem, found.advice)
            continue
        calls = reading.survey.add(line, found.row).calls
        answer = f"{found.kind} {' + '.join(sorted({name for name, _ in calls})) or TEXT}"
        reading.answers.append(names.setdefault(answer, answer))
    return reading


def _judged(source: Path) -> Iterator[tuple[int, Judged | NotConvertible]]:
    """Each line of the log with what it gives, or with why it gives nothing; in a JSON array, each place."""
    reader = LogReader()
    with opened(source) as found:
        if found.container not in ("JSONL", "JSON"):
            raise DataFileUnreadable(path=source, problem=f"it is {found.container}, and logs are JSON")
        for place, row in enumerate(found.rows(ColumnNames(), Changes()), 1):
            number = row.line if found.container == "JSONL" else place
            try:
                if row.problem is not None:
                    raise row.problem
                yield number, reader.read(number, row.value)
            except NotConvertible as problem:
                yield number, problem
            except RecursionError:
                yield number, NotConvertible("it is nested too deeply", "Flatten it.")


def _write(
    source: Path, paths: Mapping[Purpose, Path], parts: Mapping[int, Purpose]
) -> dict[Purpose, Counter[Kind]]:
    kinds: dict[Purpose, Counter[Kind]] = {purpose: Counter() for purpose in paths}
    names: set[Any] = set()
    with new_files([*paths.values()]) as streams:
        output_of: dict[Purpose, BinaryIO] = dict(zip(paths, streams, strict=True))
        for line, found in _judged(source):
            if line not in parts or isinstance(found, NotConvertible):
                continue
            part = parts[line]
            row = _named(found, names).case if part == "evaluation" else found.training
            output_of[part].write(json_line(row) + b"\n")
            kinds[part][found.kind] += 1
    return kinds


def _named(judged: Judged, names: set[Any]) -> Judged:
    """With an id of its own: logs give the id of a conversation to each of its requests."""
    name = judged.row.get("id")
    unique = name if name is not None and name not in names else f"log-{judged.line}"
    names.add(unique)
    return replace(judged, row={"id": unique, **{key: each for key, each in judged.row.items() if key != "id"}})


def _sensitive(survey: Survey) -> tuple[Finding, ...]:
    notes = Notes()
    survey.sensitive.note(notes)
    return tuple(notes.findings)
