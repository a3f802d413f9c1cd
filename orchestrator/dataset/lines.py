"""A data file line by line: bounded reading, and one parsed example from each line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestrator.dataset.findings import Notes, excerpt_around, named_type, shortened, shown
from orchestrator.dataset.jsontext import NotJson, RepeatedKey
from orchestrator.dataset.rules.rule import OR_CONVERT
from orchestrator.dataset.texts import check_all_texts
from orchestrator.dataset.toollists import Reader

LONGEST_LINE_BYTES = 32 << 20
"""Longer lines are not read, so that no file can fill the memory. Far more than any model's context holds."""

MOST_VALUES = 1_000_000
"""A line with more commas is not parsed: it may be a huge array, and is beyond any model's context anyway."""

_BLOCK_BYTES = 1 << 20
_WHITESPACE = b" \t\r\n"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019"


def numbered_lines(stream: BinaryIO, longest: int = LONGEST_LINE_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line that is not blank with its number (from 1); None stands for one of over `longest` bytes."""
    yield from NumberedLines(stream, longest)


class NumberedLines:
    """The lines of a stream as `numbered_lines` yields them, and how many there were.

    With `size`, reading ends after the line that reaches that many bytes from the stream's position.
    """

    def __init__(self, stream: BinaryIO, longest: int = LONGEST_LINE_BYTES, size: int | None = None) -> None:
        self.count = 0
        """Lines read so far, blank ones too."""
        self._stream = stream
        self._longest = longest
        self._size = sys.maxsize if size is None else size

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        position = 0
        while position < self._size and (line := self._stream.readline(self._longest + 1)):
            self.count += 1
            position += len(line)
            if len(line) > self._longest:
                yield self.count, None
                position += 0 if line.endswith(b"\n") else skip_line(self._stream)
            elif stripped := line.strip(_WHITESPACE):
                yield self.count, stripped


def skip_line(stream: BinaryIO) -> int:
    """Read on to the start of the next line, or the end, in little memory; returns the bytes that were skipped."""
    skipped = 0
    while block := stream.read(_BLOCK_BYTES):
        length = block.find(b"\n") + 1
        if length:
            stream.seek(length - len(block), os.SEEK_CUR)
            return skipped + length
        skipped += len(block)
    return skipped


def parse_line(line: bytes, reader: Reader, notes: Notes) -> tuple[dict[str, Any], bytes] | None:
    """The object on a line, and the part of the text that is new; None after noting why there is none."""
    if len(line) > MOST_VALUES and line.count(b",") > MOST_VALUES:
        notes.add("FT108", problem=f"holds more than {MOST_VALUES:,} values")
        return None
    try:
        value, text = reader.parse(line)
        if isinstance(value, dict):
            return value, text
        notes.add("FT105", excerpt=_start(line), found=named_type(value))
    except NotJson as error:
        _note_not_json(error, line, notes)
    except RepeatedKey as error:
        note_repeated_key(error, notes)
    return None


def note_repeated_key(error: RepeatedKey, notes: Notes, pointer: tuple[str | int, ...] = ()) -> None:
    """Note a key that an object gives twice; `pointer` leads to the text that holds the object."""
    key = shown(error.key)
    values = ", ".join(f"{key}: {shown(value)}" for value in error.values)
    notes.add("FT112", pointer, excerpt=shortened(values), key=key)


def _note_not_json(error: NotJson, line: bytes, notes: Notes) -> None:
    if error.cause == "encoding":
        notes.add("FT102", excerpt=_around_byte(line, error.position or 0), problem=error.problem)
    elif error.cause == "depth":
        notes.add("FT107", excerpt=_start(line))
    elif error.cause == "surrogate":
        _note_surrogates(error, line, notes)
    else:
        text = line.decode()
        excerpt = _start(line) if error.position is None else excerpt_around(text, error.position)
        notes.add("FT103", excerpt=excerpt, problem=error.problem, advice=_advice(text, error.position))


def _note_surrogates(error: NotJson, line: bytes, notes: Notes) -> None:
    errors = notes.errors
    check_all_texts(error.value, notes)
    if notes.errors == errors:
        notes.add("FT107", excerpt=_start(line))  # whole pairs only, so the depth was the reason


def _advice(line: str, position: int | None) -> str:
    """What to do about the most likely mistake, told from the outside of strings only."""
    if line.endswith(","):
        return f"Take out the comma at the end of the line{OR_CONVERT}"
    if line.startswith("{'"):
        return "Use double quotes: this is Python's notation, and json.dumps writes JSON."
    bare = _STRING.sub('""', line)
    if any(quote in bare for quote in _CURLY):
        return 'Use straight double quotes ("): these are curly ones, as word processors write them.'
    if "//" in bare or "/*" in bare or bare.startswith("#"):
        return "Take out the comment: JSON has none."
    if "..." in bare or "…" in bare:
        return "Write out what the dots leave out: this line was abridged."
    if position is not None and line[position : position + 1] == "'":
        return "Use double quotes around keys and texts; json.dumps writes JSON."
    if re.search(r",\s*[}\]]", bare):
        return "Take out the comma before the closing bracket."
    if re.search(r"\b(?:True|False|None)\b", bare):
        return "Write true, false and null: this is Python's notation, and json.dumps writes JSON."
    return _brackets(bare) or "Correct the line; it must be one whole JSON object."


def _brackets(bare: str) -> str | None:
    missing = [
        _lacking(bare.count(opening) - bare.count(closing), opening, closing) for opening, closing in ("{}", "[]")
    ]
    lacking = " and ".join(filter(None, missing))
    if not lacking:
        return None
    return f"Balance the brackets: the line lacks {lacking}, or was cut off or broken over several lines."


def _lacking(difference: int, opening: str, closing: str) -> str:
    return f"{abs(difference)} {closing if difference > 0 else opening}" if difference else ""


def _start(line: bytes) -> str:
    return excerpt_around(line[:400].decode("utf-8", "replace"), 0)


def _around_byte(line: bytes, position: int) -> str:
    start = max(0, position - 40)
    return excerpt_around(line[start : position + 40].decode("utf-8", "backslashreplace"), 0)
