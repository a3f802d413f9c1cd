"""A TOML file with the line of every key, so that an error can point at its place."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import TomlSyntaxError, TomlUnreadable

KeyPath = tuple[str, ...]

_PART = r"""[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'"""
_KEY = rf"(?:{_PART})(?:\s*\.\s*(?:{_PART}))*"
_TABLE = re.compile(rf"^\s*\[\[?\s*({_KEY})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"^\s*({_KEY})\s*=")


@dataclass(frozen=True)
class TomlSource:
    """The parsed file: `data` as tomllib gives it, `lines` the 1-based line of each table and key."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def place(self, *key: str) -> str:
        """`path:line` of the key, or of the nearest enclosing table that has a line, or just the path."""
        line = self.line(*key)
        return f"{self.path}:{line}" if line else str(self.path)

    def line(self, *key: str) -> int:
        """The 1-based line of the key, or of the nearest enclosing table that has one, or 0."""
        prefixes = (key[:length] for length in range(len(key), 0, -1))
        return next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), 0)

    def unknown_key(self, key: KeyPath, known: Iterable[str]) -> str:
        """The sentence for a key nobody knows, with the nearest known one."""
        kind = "table" if isinstance(self._value(key), dict) else "key"
        where = f" in [{'.'.join(key[:-1])}]" if len(key) > 1 else ""
        choices = sorted(known)
        near = difflib.get_close_matches(key[-1], choices, n=1, cutoff=0.5)
        advice = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(choices)}"
        return f'{self.place(*key)}: unknown {kind} "{key[-1]}"{where}; {advice}'

    def _value(self, key: KeyPath) -> Any:
        value: Any = self.data
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        return value


def read_toml(path: Path) -> TomlSource:
    """Read and parse `path`.

    Raises FileNotFoundError where there is no such file, TomlUnreadable where it can't be read as UTF-8 text, and
    TomlSyntaxError with its line where it is not TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise TomlUnreadable(path=path, problem=f"it is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise TomlUnreadable(path=path, problem=error.strerror or str(error)) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlSyntaxError(place=_error_place(path, str(error)), problem=_error_text(str(error))) from error
    return TomlSource(path, data, _key_lines(text))


def _error_place(path: Path, message: str) -> str:
    found = re.search(r"at line (\d+)", message)
    return f"{path}:{found.group(1)}" if found else str(path)


def _error_text(message: str) -> str:
    return re.sub(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", "", message)


def _key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each table and key, found by text: tomllib keeps none. The inside of long strings is skipped."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is None:
            if header := _TABLE.match(line):
                table = _parts(header.group(1))
                lines.setdefault(table, number)
            elif assignment := _ASSIGNMENT.match(line):
                lines.setdefault(table + _parts(assignment.group(1)), number)
        for quotes in re.findall(r'"""|\'\'\'', line):
            inside = quotes if inside is None else None if inside == quotes else inside
    return lines


def _parts(key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
