"""What beginners write for TOML, and how to write it: colons, bare words, backslashes, curly quotes."""

from __future__ import annotations

import re
import tomllib

_CURLY = re.compile("[\u201c\u201d\u201e\u201f\u2033]")
_CURLY_SINGLE = re.compile("[\u2018\u2019\u201a\u201b]")
_KEY = r"[A-Za-z0-9_.-]+"
_COLON = re.compile(rf"""^\s*({_KEY}|"{_KEY}")\s*:\s*(.*)$""")
_NO_SIGN = re.compile(rf"""^\s*({_KEY})\s+([^=\s].*)$""")
_ASSIGNMENT = re.compile(rf"^\s*({_KEY})\s*=\s*(.*)$")
_TWICE = re.compile(r"Cannot declare \((.*)\) twice")
_WORDS = {"True": "true", "False": "false", "yes": "true", "no": "false"}
_LONGEST_SHOWN = 120
_SECRET = re.compile(r"sig=|secret|token|passw|key|sk-|@", re.IGNORECASE)
_NOTHING = ("None", "null", "nil", "")


def mistake_in(text: str, number: int, problem: str, *, quoting: bool) -> str | None:
    """What is probably wrong in line `number` of a file with this text, and how to write it; None for anything
    else.

    `problem` is tomllib's. Only with `quoting` is the line shown: a configuration may hold a key that was pasted in
    the wrong place.
    """
    lines = text.splitlines() or [""]
    line = lines[min(number, len(lines)) - 1]
    found = _twice(lines, number, problem) or _in_line(line)
    if found is None:
        above = lines[max(0, number - 2)]
        is_open = any(each.count("{") > each.count("}") for each in (above, line))
        return "an inline table { … } must stand on one line; use a [table] instead" if is_open else None
    said, corrected = found
    is_shown = quoting and corrected and len(corrected) <= _LONGEST_SHOWN and not _SECRET.search(corrected)
    return f"{said}; write: {corrected}" if is_shown else said


def _twice(lines: list[str], number: int, problem: str) -> tuple[str, None] | None:
    if not (declared := _TWICE.fullmatch(problem)):
        return None
    name = ".".join(re.findall(r"'([^']*)'", declared[1]))
    header = re.compile(rf"^\s*\[\s*{re.escape(name)}\s*\]")
    first = next((n for n, line in enumerate(lines, 1) if header.match(line) and n < number), 0)
    where = f", first on line {first}" if first else ""
    return f"[{name}] is there twice{where}; keep one", None


def _in_line(line: str) -> tuple[str, str | None] | None:
    """What is wrong, and the line as it should be."""
    if _CURLY.search(line) or _CURLY_SINGLE.search(line):
        straight = _CURLY_SINGLE.sub("'", _CURLY.sub('"', line)).strip()
        return "it has curly quotes, and TOML takes straight ones", straight if _is_toml(straight) else None
    if (colon := _COLON.match(line)) and "=" not in line.partition(":")[0]:
        key, value = colon[1].strip('"'), colon[2].rstrip(" ,")
        return (
            "TOML puts = between a key and its value, not a colon",
            f"{key} = {_written(value)}" if value else None,
        )
    if assignment := _ASSIGNMENT.match(line):
        return _in_value(assignment[1], assignment[2])
    if words := _NO_SIGN.match(line):
        return "there is no = between the key and its value", f"{words[1]} = {_written(words[2])}"
    return None


def _in_value(key: str, value: str) -> tuple[str, str | None] | None:
    bare = value.partition(" #")[0].strip()
    if _is_toml(f"x = {bare}"):
        return None
    if bare in _NOTHING:
        return f"{key} has no value; give it one, or take the line out", None
    if bare in _WORDS:
        return "true and false are in small letters", f"{key} = {_WORDS[bare]}"
    if re.fullmatch(r'"[^"]*\\[^"]*"', bare):
        return (
            "\\ in double quotes begins an escape; put a path into single quotes, or write it with /",
            f"{key} = '{bare[1:-1]}'",
        )
    if bare[0] not in "\"'[{":
        return "text needs quotes", f"{key} = {_written(bare)}"
    return None


def _written(value: str) -> str:
    """The value as TOML, with quotes where it needs them."""
    bare = value.partition(" #")[0].strip()
    if _is_toml(f"x = {bare}"):
        return bare
    text = bare.strip("\"'")
    return f"'{text}'" if "\\" in text or '"' in text else f'"{text}"'


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
