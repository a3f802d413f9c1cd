"""The check of a data file before it costs anything: one pass, line by line, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.childenv import child_environment
from orchestrator.dataset.basemodels import Method, Purpose, training_context
from orchestrator.dataset.checking.formats import HEAD_BYTES, looks_like_training, note_foreign_file, shape_of
from orchestrator.dataset.checking.keys import check_row_keys
from orchestrator.dataset.checking.methods import check_preference, check_reinforcement, check_supervised
from orchestrator.dataset.checking.rendering import Base, RenderingCheck
from orchestrator.dataset.checking.report import CheckReport
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import Finding, Notes, without_content
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import LONGEST_LINE_BYTES, NumberedLines, parse_line, skip_line
from orchestrator.dataset.profile import Profile
from orchestrator.dataset.texts import check_texts
from orchestrator.dataset.tokens import sequence_lengths
from orchestrator.dataset.toollists import Reader

__all__ = ["CheckReport", "Finding", "Method", "Purpose", "check_file"]

LEAST_TRAINING_EXAMPLES = 10
LARGEST_FILE_BYTES = 512 << 20

_ROWS_THAT_TELL = 20
_LONGEST_THAT_TELLS = 1 << 20
_METHOD_WORDS: dict[Method, str] = {
    "supervised": "supervised",
    "dpo": "preference",
    "reinforcement": "reinforcement",
}


def check_file(
    source: Path,
    *,
    method: Method | None,
    purpose: Purpose,
    model: str | None = None,
    base: Base | None = None,
    count_tokens: bool = True,
    processes: int | None = None,
    keep_all: bool = False,
    any_size: bool = False,
) -> CheckReport:
    """Check all lines of `source` against what `method` asks of an example; None: the one most rows look like.

    `model` (a base or fine-tuned name) chooses the token encoding and the longest example allowed. `base` is that
    model where it has open weights: each row is rendered with its template, and its tokenizer counts. Without
    `count_tokens` the report's `tokens` is None and no length is checked. `keep_all` stores findings without limit,
    and `any_size` accepts files above 512 MiB, which the large services refuse.
    A large file is checked in parts, by as many `processes` at the same time; None chooses one or two. The report
    is the same for any number.
    Whatever the file holds becomes a finding; DataFileNotFound and DataFileUnreadable are raised where it can't be
    read at all, and what `open_renderer` raises where `base` can't be used.
    """
    notes = Notes(keep_all)
    with open_as_sent(source) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        foreign = note_foreign_file(stream.read(HEAD_BYTES), notes)
        found_method = method or _likely_method(stream, purpose)
    if foreign:
        return CheckReport(found_method, 0, tuple(notes.findings), notes.counts, None, Profile(purpose=purpose))
    order = Order(source, found_method, purpose, model, count_tokens, keep_all, base)
    found = pass_in_parts(order, size, processes)
    _check_whole(found)
    if size > LARGEST_FILE_BYTES and not any_size:
        found.notes.add("FT502", size=size, limit=LARGEST_FILE_BYTES)
    return _report(found)


def _likely_method(stream: BinaryIO, purpose: Purpose) -> Method:
    """What most of the first rows look like; supervised where none tells, and for evaluation files always."""
    if purpose == "evaluation":
        return "supervised"
    stream.seek(0)
    seen: Counter[Method] = Counter()
    for number, line in NumberedLines(stream, _LONGEST_THAT_TELLS):
        if number > _ROWS_THAT_TELL or line is None:
            break
        with contextlib.suppress(NotJson):
            row = parse_json(line)
            shape = shape_of(row) if isinstance(row, dict) else None
            seen.update((shape,) if shape else ())
    return seen.most_common(1)[0][0] if seen else "supervised"


def _check_whole(found: Pass) -> None:
    notes, purpose = found.notes, found.order.purpose
    notes.note_tallies()
    if found.examples > 1 and notes.counts.get("FT208") == found.examples:
        _note_prompts_only(found)
    if found.examples == 0:
        notes.add("FT101")
    elif purpose == "training" and found.examples < LEAST_TRAINING_EXAMPLES:
        notes.add("FT106", count=found.examples, least=LEAST_TRAINING_EXAMPLES)
    if purpose != "evaluation" and _is_mixed(found):
        notes.add("FT113", found=_mixture(found.shapes))
    found.survey.note(notes, complete=found.examples == len(found.survey))


def _note_prompts_only(found: Pass) -> None:
    """One finding in place of one on each line: no row holds an answer."""
    found.notes.withdraw("FT208")
    found.notes.at(None)
    found.notes.add(
        "FT208",
        subject=f"all {found.examples:,} examples are prompts: they have",
        answer="the answers",
        advice=" Prompts for a grader are checked with --method reinforcement.",
    )


def _is_mixed(found: Pass) -> bool:
    shapes = set(found.shapes.counts)
    # Keys for a grader before an answer of the assistant: a reinforcement example with one message too many.
    return len(shapes - {"supervised"} if found.order.method == "reinforcement" else shapes) > 1


def _mixture(shapes: Shapes) -> str:
    return " and ".join(
        f"{count:,} {_METHOD_WORDS[shape]} example{'s' * (count > 1)} (first on line {shapes.first_lines[shape]:,})"
        for shape, count in sorted(shapes.counts.items(), key=lambda entry: -entry[1])
    )


def _report(found: Pass) -> CheckReport:
    countable = found.order.count_tokens and not found.notes.errors
    return CheckReport(
        method=found.order.method,
        examples=found.examples,
        findings=tuple(found.notes.findings if found.is_training else map(without_content, found.notes.findings)),
        counts=found.notes.counts,
        tokens=found.tokens if countable else None,
        survey=found.survey,
        tokenizer=found.order.base.name if found.order.base else None,
    )


# --- Large files: several processes, joined in order -------------------------------------------------------------
#
# Each later part is done by a fresh interpreter that runs this module: it gets its order on stdin and answers on
# stdout. `multiprocessing` would import the caller's main script once more, and a script that submits jobs
# without guarding its main part would submit them twice.


LEAST_PART_BYTES = 4 << 20
"""Smaller parts are done before an interpreter to do them has started."""

USUAL_PROCESSES = 2
"""Each needs about 100 MB, most of it for the tokenizer."""

_HEAD_START_BYTES = 6 << 20  # what this process checks while the others start


def pass_in_parts(order: Order, size: int, processes: int | None) -> Pass:
    """Check a file of `size` bytes in at most `processes` processes; None: as suits the file and the machine.

    What is found is the same for any number.
    """
    most = _available() if processes is None else processes
    parts = _parts(order, size, max(1, min(most, size // LEAST_PART_BYTES)))
    workers = [_start(order, *part) for part in parts[1:]]
    try:
        found = pass_over(order, *parts[0])
        for worker, part in zip(workers, parts[1:], strict=True):
            found.merge(_answer(worker) or pass_over(order, *part))
    finally:
        for worker in workers:
            with worker:  # which closes its pipe and waits for it
                worker.kill()
    return found


def _available() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, USUAL_PROCESSES)


def _parts(order: Order, size: int, count: int) -> list[tuple[int, int]]:
    """The start and length of at most `count` parts that take about as long, each from the start of a line."""
    ahead = min(_HEAD_START_BYTES, size // (4 * count))
    positions = [ahead + (size - ahead) * index // count for index in range(1, count)]
    starts = sorted({0, *_line_starts(order, positions)})
    return [(start, end - start) for start, end in pairwise([*starts, size]) if end > start] or [(0, size)]


def _line_starts(order: Order, positions: list[int]) -> Iterator[int]:
    """The start of the first line that begins at or behind each position."""
    if not positions:
        return
    with open_as_sent(order.path) as stream:
        for position in positions:
            stream.seek(position - 1, os.SEEK_SET)
            skip_line(stream)
            yield stream.tell()


def _start(order: Order, start: int, length: int) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen(
        # Imported, not run with -m: a class of __main__ could not be unpickled here.
        [sys.executable, "-P", "-c", f"from {__name__} import _work; _work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
    )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:  # one that has ended has no answer either
        stdin.write(pickle.dumps((order, start, length)))
    return worker


def _answer(worker: subprocess.Popen[bytes]) -> Pass | None:
    """What a worker found; None where it was killed or could not start, and this process must do its part."""
    assert worker.stdout is not None
    with worker.stdout as stdout:
        answer = stdout.read()
    found = pickle.loads(answer) if worker.wait() == 0 else None
    return found if isinstance(found, Pass) else None


def _work() -> None:
    # Ctrl-C reaches the whole group; what becomes of the check is for the process that asked for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order, start, length = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(pass_over(order, start, length)))


# --- One pass over a file, or over a part of it ------------------------------------------------------------------


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
    base: Base | None = None


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
    survey: Profile
    shapes: Shapes = field(default_factory=Shapes)
    lines: int = 0
    examples: int = 0
    tokens: int = 0
    is_training: bool = False
    """Whether any line looks like a training example, however broken; else nothing of the file is shown."""

    def merge(self, later: Pass) -> None:
        """Join the pass over the part that follows this one in the file."""
        self.notes.merge(later.notes, self.lines)
        self.survey.merge(later.survey, self.lines)
        self.shapes.merge(later.shapes, self.lines)
        self.lines += later.lines
        self.examples += later.examples
        self.tokens += later.tokens
        self.is_training |= later.is_training


def pass_over(order: Order, start: int = 0, size: int | None = None) -> Pass:
    """Check the lines of the file from byte `start` (as sent) on, up to the one that reaches byte `start + size`.

    Raises DataFileNotFound or DataFileUnreadable.
    """
    found = Pass(order, Notes(order.keep_all), Profile(purpose=order.purpose))
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
        self._rendering = RenderingCheck(order.base, order.method, order.purpose) if order.base else None

    def check(self, number: int, line: bytes | None) -> None:
        self._found.examples += 1
        self._notes.at(number)
        if not self._found.is_training and line is not None:
            self._found.is_training = looks_like_training(line)
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
        foreign = notes.counts.get("FT214")
        self._check_example(row, notes)
        if notes.counts.get("FT214") == foreign:  # else the row is converted first, and its keys with it
            check_texts(row, text, notes)
            if self._order.purpose != "evaluation":  # whose rows have additional keys
                check_row_keys(row, self._order.method, notes)
        if notes.errors == errors and self._order.count_tokens and self._rendering is None:
            self._count(row)
        if notes.errors == errors:
            self._found.survey.add(number, row)
            if self._rendering is not None:
                self._found.tokens += self._rendering.check(row, notes)

    def _count(self, row: Mapping[str, Any]) -> None:
        lengths = sequence_lengths(row, self._order.model)
        self._found.tokens += sum(lengths)
        if self._limit is not None and max(lengths) > self._limit:
            self._notes.add("FT501", tokens=f"about {max(lengths):,}", model=self._order.model, limit=self._limit)
