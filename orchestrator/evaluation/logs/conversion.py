"""Reads a log twice: first to group similar requests, then to write each into its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from orchestrator.dataset.basemodels import Purpose
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.convert.cells import ColumnNames
from orchestrator.dataset.convert.changes import MOST_BAD_ROWS, BadRow, Changes, NotConvertible
from orchestrator.dataset.convert.inputs import opened
from orchestrator.dataset.files import json_line, new_files
from orchestrator.dataset.findings import Finding, Notes
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.profile.answers import TEXT
from orchestrator.dataset.profile.leaks import leaks_between
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.dataset.split import assign_parts, clusters_of
from orchestrator.errors import DataFileUnreadable, LogOutputTaken, NothingInLog
from orchestrator.evaluation.logs.examples import Judged, Kind, LogReader
from orchestrator.evaluation.subjects import Subject

CASE_SHARE = 0.3
"""The share of a divided log that becomes cases."""
_SHOWN = 5


@dataclass(frozen=True)
class Outputs:
    """The files to write. If one is None, everything goes into the other."""

    cases: Path | None
    training: Path | None

    @property
    def paths(self) -> dict[Purpose, Path]:
        named: dict[Purpose, Path | None] = {"evaluation": self.cases, "training": self.training}
        return {purpose: path for purpose, path in named.items() if path is not None}


@dataclass(frozen=True)
class LogConversion:
    """The result of converting a log."""

    source: Path
    requests: int
    """Lines that are not blank, or values of a JSON array."""
    written: Mapping[Purpose, tuple[Path, Mapping[Kind, int]]]
    """The files, and the number of requests of each kind in them."""
    left_out: tuple[BadRow, ...]
    """The first 1,000 rows that were not used, in log order."""
    left_out_count: int
    warnings: tuple[Finding, ...]
    """Service keys and personal addresses in the usable requests; lines are the log's."""

    def count(self, purpose: Purpose) -> int:
        """The number of examples in a file."""
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

    The expected answer is the correction, or else the answer if it was rated good; other requests are left out and
    listed. Equal and nearly equal requests go into the same file, about `case_share` of them into the cases. None
    repeats a request of a `known` file, or is nearly equal to one in a known file of the other purpose. The same
    seed and log give the same files. Raises NothingInLog if no request can be used, LogOutputTaken,
    OutputUnwritable, DataFileNotFound, DataFileUnreadable and DataFileEmpty.
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
    survey: Profile = field(default_factory=lambda: Profile("evaluation"))
    answers: list[str] = field(default_factory=list)
    """For each usable request, its kind and the tools of the right answer; each combination is divided alike."""
    left_out: list[BadRow] = field(default_factory=list)
    left_out_count: int = 0

    def leave_out(self, line: int, problem: str, advice: str = "") -> None:
        self.left_out_count += 1
        if len(self.left_out) < MOST_BAD_ROWS:
            self.left_out.append(BadRow(line, problem, advice))

    def divided(
        self, written: frozenset[Purpose], known: KnownFiles, case_share: float, seed: int
    ) -> dict[int, Purpose]:
        """The file of each line; lines that are left out are noted."""
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
    """Each line of the log, or item of a JSON array, with its example, or the reason why it has none."""
    reader = LogReader()
    with opened(source) as found:
        if found.container not in ("JSONL", "JSON"):
            raise DataFileUnreadable(path=source, problem=f"it is {found.container}, but a log must be JSON")
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
    """With a unique id: logs give the id of a conversation to each of its requests."""
    name = judged.row.get("id")
    unique = name if name is not None and name not in names else f"log-{judged.line}"
    names.add(unique)
    return replace(judged, row={"id": unique, **{key: each for key, each in judged.row.items() if key != "id"}})


def _sensitive(survey: Profile) -> tuple[Finding, ...]:
    notes = Notes()
    survey.sensitive.note(notes)
    return tuple(notes.findings)


# --- Dividing a log: cases on one side, training examples on the other -------------------------------------------


Cluster = Sequence[int]
"""Indexes of equal or nearly equal requests."""
_NEARLY = "has nearly the same request"


@dataclass
class Division:
    """The requests of a log by index: the file of each, or the reason why it is left out."""

    parts: dict[int, Purpose] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    def put(self, cluster: Cluster, part: Purpose) -> None:
        self.parts |= dict.fromkeys(cluster, part)

    def leave_out(self, cluster: Cluster, problem: str) -> None:
        self.problems |= dict.fromkeys(cluster, problem)
        for index in cluster:
            self.parts.pop(index, None)

    def of(self, part: Purpose) -> list[int]:
        return [index for index, its in self.parts.items() if its == part]


def divide(
    prompts: Prompts,
    answers: Sequence[str],
    written: AbstractSet[Purpose],
    known: KnownFiles,
    case_share: float,
    seed: int,
) -> Division:
    """Divide requests into the `written` files: whole clusters, and about `case_share` of each of `answers` into
    the cases. Requests nearly equal to one in a known file go into the file of that purpose.
    """
    near = alike(known, prompts)
    found = Division(problems={**dict(_doubles(prompts)), **near.problems})
    clusters = [[index for index in cluster if index not in found.problems] for cluster in clusters_of(prompts)]
    free = []
    for cluster in filter(None, clusters):
        side, problem = _side(cluster, near, written)
        if problem is not None:
            found.leave_out(cluster, problem)
        elif side is not None:
            found.put(cluster, side)
        else:
            free.append(cluster)
    if len(written) == 1:
        [only] = written
        found.put([index for cluster in free for index in cluster], only)
    else:
        _assign(free, answers, case_share, seed, found)
        _keep_apart(clusters, prompts, near, found)
    return found


def _doubles(prompts: Prompts) -> Iterator[tuple[int, str]]:
    """Repeated requests, with why they are left out: of equal requests the first stays, unless they contradict."""
    first: dict[tuple[int, int], int] = {}
    contradicted: dict[int, int] = {}
    for index, key in enumerate(zip(prompts.prompts, prompts.instructions, strict=True)):
        place = first.setdefault(key, index)
        if place == index:
            continue
        if prompts.answers[place] == prompts.answers[index]:
            yield index, f"it repeats line {prompts.lines[place]}"
        else:
            contradicted.setdefault(place, index)
            yield index, f"line {prompts.lines[place]} has the same request with a different right answer"
    for place, index in contradicted.items():
        yield place, f"line {prompts.lines[index]} has the same request with a different right answer"


def _side(cluster: Cluster, near: Alike, written: Collection[Purpose]) -> tuple[Purpose | None, str | None]:
    """The file that known files require for paraphrases, None for any; and why they must be left out."""
    sides = {side for index in cluster for side in near.sides.get(index, ())}
    if "validation" in sides:
        return None, f"the validation file {_NEARLY}"
    if len(sides) > 1:
        return None, f"each of the training and evaluation files {_NEARLY}"
    side = next(iter(sides), None)
    if side is not None and side not in written:
        return None, f"the {side} file {_NEARLY}"
    return side, None


def _assign(free: Sequence[Cluster], answers: Sequence[str], case_share: float, seed: int, found: Division) -> None:
    """Divide the clusters that may go into either file; `case_share` is the share of these."""
    indexes = [index for cluster in free for index in cluster]
    place = {index: number for number, index in enumerate(indexes)}
    clusters = [[place[index] for index in cluster] for cluster in free]
    shares: dict[Purpose, float] = {"evaluation": case_share}
    parts = assign_parts(clusters, [answers[index] for index in indexes], shares, Random(seed))
    for index, part in zip(indexes, parts, strict=True):
        found.put([index], part)


def _keep_apart(clusters: Sequence[Cluster], prompts: Prompts, near: Alike, found: Division) -> None:
    """Move cases that are nearly training examples. Between two files the words of a template count too, so more
    requests are near than within one. Each round leaves fewer cases."""
    while True:
        training, cases = found.of("training"), found.of("evaluation")
        leaks = leaks_between(prompts.taken(training), prompts.taken(cases))
        leaking = {leak.line for leak in leaks}
        touched = [
            each
            for each in clusters
            if any(found.parts.get(index) == "evaluation" and prompts.lines[index] in leaking for index in each)
        ]
        if not touched:
            return
        for cluster in touched:
            if any("evaluation" in near.sides.get(index, ()) for index in cluster):
                found.leave_out(cluster, f"each of the training and evaluation files {_NEARLY}")
            else:
                found.put(cluster, "training")


# --- The job's existing files ------------------------------------------------------------------------------------


KnownFiles = Mapping[Path, Purpose]
"""Existing files and their purposes."""


def known_files(subject: Subject) -> KnownFiles:
    """The data files of the subject: those of its job file, and those its runs were trained on."""
    found: dict[Path, Purpose] = {}
    if job := subject.job:
        found |= {path: "training" for path in [job.training_path] if path}
        found |= {path: "validation" for path in [job.validation_path] if path}
        found |= {path: "evaluation" for path in [job.evaluation_path] if path}
    for run in subject.runs:
        found.setdefault(Path(run.training_path), "training")
        if run.validation_path:
            found.setdefault(Path(run.validation_path), "validation")
    resolved = {path.resolve(): purpose for path, purpose in found.items() if path.exists()}
    return {_shown(path): purpose for path, purpose in resolved.items()}


def _shown(path: Path) -> Path:
    """Relative to the current folder if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@dataclass
class Alike:
    """The requests of a log that the known files have too, by index."""

    problems: dict[int, str] = field(default_factory=dict)
    """Why a request is not written."""
    sides: dict[int, set[Purpose]] = field(default_factory=dict)
    """The files that have nearly the same request: it may go into no other file."""


def alike(known: KnownFiles, log: Prompts) -> Alike:
    """Compare the requests of a log with the known files. Raises DataFileUnreadable."""
    found = Alike()
    places = {line: index for index, line in enumerate(log.lines)}
    for path, purpose in known.items():
        prompts = check_file(path, method=None, purpose=purpose, count_tokens=False).survey.prompts
        answers = {line: prompts.answers[index] for index, line in enumerate(prompts.lines)}
        for leak in leaks_between(prompts, log):
            index = places[leak.line]
            if not leak.exact:
                found.sides.setdefault(index, set()).add(purpose)
            elif answers[leak.other_line] == log.answers[index]:
                found.problems.setdefault(index, f"it is already in {path}, on line {leak.other_line}")
            else:
                text = f"line {leak.other_line} of {path} answers the same request differently: correct it there"
                found.problems[index] = text
    return found
