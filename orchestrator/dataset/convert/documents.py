"""JSON files as the values they hold: JSONL line by line, and JSON over many lines value by value."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from orchestrator.dataset.convert.changes import Changes, NotConvertible
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import NotJson, RepeatedKey, parse_json, require_single_keys
from orchestrator.dataset.lines import LONGEST_LINE_BYTES

_BLOCK_BYTES = 1 << 20
_BETWEEN_VALUES = re.compile(r"[\s,\[\]]*")
_ONE_OBJECT = "Write one JSON object for each example."
_DECODER = json.JSONDecoder(
    parse_int=str
)  # where a value ends is all that is asked; a long number is no error here


@dataclass(frozen=True)
class Row:
    """An example's value, or the problem that kept it from being read, and the line it begins on."""

    line: int
    value: Any
    raw: bytes | None = None
    """The original line without its end; None where the value was not on a separate line."""
    problem: NotConvertible | None = None


def jsonl_rows(stream: BinaryIO, changes: Changes) -> Iterator[Row]:
    """Each line that is not blank; a line that can't be read has a problem, and the next ones are still read."""
    number = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        if len(line) > LONGEST_LINE_BYTES:
            _skip_rest(stream, line)
            problem = f"it is longer than {LONGEST_LINE_BYTES >> 20} MiB"
            yield Row(number, None, problem=NotConvertible(problem, "Split it."))
            continue
        changes.line = number
        if not line.strip():
            changes.note("blank lines left out")
            changes.settle()
            continue
        if line.endswith(b"\r\n"):
            changes.note("line ends CRLF written as LF")
        elif not line.endswith(b"\n"):
            changes.note("missing end of the last line added")
        yield _row_of_line(number, line.strip(), changes)


def _row_of_line(number: int, line: bytes, changes: Changes) -> Row:
    try:
        return Row(number, _parsed(line), line)
    except NotConvertible as problem:
        if not line.endswith(b","):
            return Row(number, None, problem=problem)
    try:
        row = Row(number, _parsed(line[:-1].rstrip()), line[:-1].rstrip())
    except NotConvertible as problem:
        return Row(number, None, problem=problem)
    changes.note("comma at the end of lines taken off")
    return row


def _parsed(text: bytes) -> Any:
    """The value of one JSON text, as strict as a check reads it. Raises NotConvertible."""
    try:
        value = parse_json(text)
        require_single_keys(text, value)
    except NotJson as error:
        problem = (
            error.problem if error.cause in ("depth", "surrogate") else f"it is not valid JSON: {error.problem}"
        )
        raise NotConvertible(problem, _ONE_OBJECT) from None
    except RepeatedKey as error:
        raise NotConvertible(f"an object has the key {shown(error.key)} twice", "Take one of them out.") from None
    return value


def json_rows(stream: BinaryIO) -> Iterator[Row]:
    """The values of a JSON array, or of JSON texts one after the other, however many lines each takes.

    Only one value and one block are in memory at a time. Where a value has no end the file ends too: nothing says
    where the next one begins.
    """
    window = _Window(stream)
    try:
        while window.skip_to_value():
            line = window.line
            yield _row_of_text(line, window.take_value())
    except NotConvertible as problem:
        yield Row(window.line, None, problem=problem)


def _row_of_text(line: int, text: str) -> Row:
    try:
        return Row(line, _parsed(text.encode()))
    except NotConvertible as problem:
        return Row(line, None, problem=problem)


class _Window:
    """The part of a text that is being read, and the number of the line that the reading has come to."""

    def __init__(self, stream: BinaryIO) -> None:
        self.line = 1
        self._stream = stream
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._open_arrays = 0
        self._ended = False

    def skip_to_value(self) -> bool:
        """Go over blanks, commas and the brackets of the array around the values; False at the end of the file."""
        while True:
            between = _BETWEEN_VALUES.match(self._text, self._at)
            passed = between.group() if between else ""
            self._open_arrays += passed.count("[") - passed.count("]")
            self._pass(len(passed))
            if self._at < len(self._text):
                return True
            if self._ended:
                break
            self._grow(_BLOCK_BYTES)
        if self._open_arrays > 0:
            raise NotConvertible("the array is not closed, so the file seems cut off", "Get the whole file.")
        return False

    def take_value(self) -> str:
        """The text of the value that begins here. Raises NotConvertible where it has no end."""
        while True:
            try:
                _, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # A value that is not all here yet looks like a wrong one, until there is nothing more to read.
                held = len(self._text) - self._at
                if self._ended or held > LONGEST_LINE_BYTES:
                    raise self._not_json(error, held) from None
                self._grow(max(held, _BLOCK_BYTES))
            except RecursionError:
                raise NotConvertible("it is nested too deeply", "Flatten it.") from None
            else:
                text = self._text[self._at : end]
                self._pass(len(text))
                return text

    def _not_json(self, error: json.JSONDecodeError, held: int) -> NotConvertible:
        if held > LONGEST_LINE_BYTES:
            problem = f"it is not valid JSON, or longer than {LONGEST_LINE_BYTES >> 20} MiB"
        elif error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated string"):
            problem = "it is cut off: the file ends inside it"
        else:
            place = self.line + self._text.count("\n", self._at, error.pos)
            problem = f"it is not valid JSON at line {place}: {error.msg[0].lower()}{error.msg[1:]}"
        return NotConvertible(f"{problem}; the rest was not read", "Correct it there.")

    def _pass(self, characters: int) -> None:
        self.line += self._text.count("\n", self._at, self._at + characters)
        self._at += characters

    def _grow(self, size: int) -> None:
        block = self._stream.read(size)
        self._ended = not block
        try:
            more = self._utf8.decode(block, self._ended)
        except UnicodeDecodeError:
            raise NotConvertible("it is not valid UTF-8", "Save the file as UTF-8 text.") from None
        self._text = self._text[self._at :] + more
        self._at = 0


def _skip_rest(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(_BLOCK_BYTES)
