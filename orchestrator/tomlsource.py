"""A TOML file with the line of every key, so that an error can name its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import TomlSyntaxError, TomlUnreadable
from orchestrator.spelling import did_you_mean
from orchestrator.tomlmistakes import mistake_in

KeyPath = tuple[str, ...]

_TEXT = r""""(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
_LONG_TEXT = r'''"""(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}'''
_TOKEN = re.compile(rf"{_LONG_TEXT}|{_TEXT}|#[^\n]*|[\[\]{{}}\n]", re.DOTALL)
_PART = rf"[A-Za-z0-9_-]+|{_TEXT}"
_KEY = rf"(?:{_PART})(?:\s*\.\s*(?:{_PART}))*"
_TABLE = re.compile(rf"^\s*\[\[?\s*({_KEY})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"^\s*({_KEY})\s*=")


MOST_BYTES = 256 << 10
"""Of a file; far more than a person writes. A crafted file could keep this process busy for hours."""
_MOST_PARTS = 16
"""Of a dotted key: the time to read one grows with the square of its parts."""
_DEEP = re.compile(rf"""(?<![A-Za-z0-9_"-])(?:(?:[A-Za-z0-9_-]+|"")[ \t]*\.[ \t]*){{{_MOST_PARTS}}}""")


@dataclass(frozen=True)
class TomlSource:
    """The parsed file: `data` as tomllib gives it, `lines` the 1-based line of each table and key."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    options: Mapping[KeyPath, str] = field(default_factory=dict)
    """Keys whose values come from the command line, with the option that says so."""
    text: str = ""
    """The file's text as read."""

    def place(self, *key: str) -> str:
        """`path:line` of the key, or of the nearest enclosing table that has a line, or just the path; of a key
        from the command line, its option."""
        if option := self._option(key):
            return option
        line = self.line(*key)
        return f"{self.path}:{line}" if line else str(self.path)

    def _option(self, key: KeyPath) -> str | None:
        prefixes = (key[:length] for length in range(len(key), 0, -1))
        return next((self.options[prefix] for prefix in prefixes if prefix in self.options), None)

    def line(self, *key: str) -> int:
        """The 1-based line of the key, or of the nearest enclosing table that has one, or 0."""
        prefixes = (key[:length] for length in range(len(key), 0, -1))
        return next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), 0)

    def unknown_key(self, key: KeyPath, known: Iterable[str]) -> str:
        """The sentence for an unknown key, with the nearest known one."""
        kind = "table" if isinstance(self._value(key), dict) else "key"
        where = f" in [{'.'.join(key[:-1])}]" if len(key) > 1 else ""
        choices = sorted(known)
        otherwise = f"known here: {', '.join(choices)}"
        advice = did_you_mean(key[-1], choices, 'did you mean "{}"?', otherwise=otherwise, cutoff=0.5)
        return f'{self.place(*key)}: unknown {kind} "{key[-1]}"{where}; {advice}'

    def _value(self, key: KeyPath) -> Any:
        value: Any = self.data
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        return value


def read_toml(path: Path, *, quoting: bool = False) -> TomlSource:
    """Read and parse `path`; with `quoting` an error may show what the file says.

    Raises FileNotFoundError if there is no such file, TomlUnreadable if it is not UTF-8 text or exceeds the limits,
    and TomlSyntaxError with the line if it is not TOML.
    """
    try:
        text = _bytes(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise TomlUnreadable(path=path, problem=f"it is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise TomlUnreadable(path=path, problem=error.strerror or str(error)) from error
    if _DEEP.search(_TOKEN.sub(_without_text, text)):
        raise TomlUnreadable(path=path, problem=f"it has a key with more than {_MOST_PARTS} parts")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, problem = _error_line(text, error), _error_text(error)
        problem = mistake_in(text, line, problem, quoting=quoting) or problem
        raise TomlSyntaxError(place=f"{path}:{line}", problem=problem) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise TomlUnreadable(path=path, problem=str(error)) from error
    return TomlSource(path, data, _key_lines(text), text=text)


def _bytes(path: Path) -> bytes:
    """Raises OSError, and TomlUnreadable if there are too many."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TomlUnreadable(path=path, problem=f"it has more than {MOST_BYTES >> 10} KiB")
    return content


def _without_text(token: re.Match[str]) -> str:
    return {'"': '""', "'": '""', "#": ""}.get(token[0][0], token[0])


def _error_line(text: str, error: tomllib.TOMLDecodeError) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found.group(1)) if found else text.rstrip().count("\n") + 1  # otherwise: the end of the document


def _error_text(error: tomllib.TOMLDecodeError) -> str:
    problem = re.sub(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", "", str(error))
    return _CLEARER.get(problem, problem)


_CLEARER = {"Cannot overwrite a value": "this key was already set", "Illegal character '\\n'": "an unclosed string"}


def _key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each table and key, found in the text: tomllib keeps none."""
    stated: dict[KeyPath, int] = {}
    implied: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement in _statements(text):
        if header := _TABLE.match(statement):
            key = table = _parts(header.group(1))
        elif assignment := _ASSIGNMENT.match(statement):
            key = table + _parts(assignment.group(1))
        else:
            continue
        stated.setdefault(key, number)
        for length in range(1, len(key)):
            implied.setdefault(key[:length], number)
    return implied | stated


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each table header, assignment or blank line, with the number of its first line. `text` is valid TOML."""
    start, number, depth = 0, 1, 0
    for token in _TOKEN.finditer(text + "\n"):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if token.group() == "\n" and depth == 0:
            statement = text[start : token.start()]
            yield number, statement
            start, number = token.end(), number + statement.count("\n") + 1


def split_key(text: str) -> KeyPath | None:
    """The parts of a dotted key, such as `method.n_epochs`; None where it is none."""
    is_key = re.fullmatch(_KEY, text) and not _DEEP.search(text)
    return _parts(text) if is_key else None


def _parts(key: str) -> KeyPath:
    if '"' not in key and "'" not in key:
        return tuple(part.strip() for part in key.split("."))
    value: Any = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        [(part, value)] = value.items()
        parts.append(part)
    return tuple(parts)
