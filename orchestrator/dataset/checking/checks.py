"""The check of a data file before it costs anything: one pass, line by line, in bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from orchestrator.dataset.checking.findings import CheckReport, Finding, Notes
from orchestrator.dataset.checking.formats import HEAD_BYTES, note_foreign_file, shape_of
from orchestrator.dataset.checking.parallel import pass_in_parts
from orchestrator.dataset.checking.passes import Order, Pass, Shapes
from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.dataset.lines import NumberedLines
from orchestrator.dataset.methods import Method, Purpose
from orchestrator.dataset.survey import Survey

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
    count_tokens: bool = True,
    processes: int | None = None,
    keep_all: bool = False,
    any_size: bool = False,
) -> CheckReport:
    """Check all lines of `source` against what `method` asks of an example; None: the one most rows look like.

    `model` (a base or fine-tuned name) chooses the token encoding and the longest example allowed. Without
    `count_tokens` the report's `tokens` is None and no length is checked. `keep_all` stores findings without limit,
    and `any_size` accepts files above 512 MiB, which the large services refuse.
    A large file is checked in parts, by as many `processes` at the same time; None chooses one or two. The report
    is the same for any number.
    Whatever the file holds becomes a finding; DataFileNotFound and DataFileUnreadable are raised where it can't be
    read at all.
    """
    notes = Notes(keep_all)
    with open_as_sent(source) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        foreign = note_foreign_file(stream.read(HEAD_BYTES), notes)
        found_method = method or _likely_method(stream, purpose)
    if foreign:
        return CheckReport(found_method, 0, tuple(notes.findings), notes.counts, None, Survey(purpose=purpose))
    found = pass_in_parts(Order(source, found_method, purpose, model, count_tokens, keep_all), size, processes)
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
    if found.examples == 0:
        notes.add("FT101")
    elif purpose == "training" and found.examples < LEAST_TRAINING_EXAMPLES:
        notes.add("FT106", count=found.examples, least=LEAST_TRAINING_EXAMPLES)
    if purpose != "evaluation" and _is_mixed(found):
        notes.add("FT113", found=_mixture(found.shapes))
    found.survey.note(notes)


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
        findings=tuple(found.notes.findings),
        counts=found.notes.counts,
        tokens=found.tokens if countable else None,
        survey=found.survey,
    )
