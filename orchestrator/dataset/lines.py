"""A data file line by line: bounded reading, and one parsed example from each line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestrator.dataset.findings import Notes, named_type
from orchestrator.dataset.jsontext import NotJson, parse_json

LONGEST_LINE_BYTES = 32 << 20
"""Longer lines are not read, so that no file can fill the memory. Far more than any model's context holds."""


def numbered_lines(stream: BinaryIO, longest: int = LONGEST_LINE_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line that is not blank with its number (from 1); None stands for one of over `longest` bytes."""
    number = 0
    while line := stream.readline(longest + 1):
        number += 1
        if len(line) > longest:
            _skip_rest(stream, line)
            yield number, None
        elif stripped := line.strip():
            yield number, stripped


def parse_line(line: bytes, notes: Notes) -> dict[str, Any] | None:
    """The object on a line; None after noting why there is none."""
    try:
        value = parse_json(line.decode())
    except UnicodeDecodeError as error:
        notes.add("FT102", problem=f"byte {error.start + 1} of the line is not valid UTF-8")
    except NotJson as error:
        _note_not_json(error, line, notes)
    else:
        if isinstance(value, dict):
            return value
        notes.add("FT105", found=named_type(value))
    return None


def _note_not_json(error: NotJson, line: bytes, notes: Notes) -> None:
    if error.too_deep:
        notes.add("FT107")
        return
    advice = "Correct the line; it must be one whole JSON object."
    if line.endswith(b","):
        advice = "Take out the comma at the end of the line."
    elif line.startswith(b"{'"):
        advice = "Use double quotes: this is Python's notation, and json.dumps writes JSON."
    notes.add("FT103", problem=error.problem, advice=advice)


def _skip_rest(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(1 << 20)
