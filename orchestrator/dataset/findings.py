"""What a check of a data file found, and how it says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any

from orchestrator.dataset.rules import RULES, Severity
from orchestrator.dataset.rules.rule import CONVERT_COMMAND

Pointer = tuple[str | int, ...]
"""The keys and indexes (from 0) that lead from an example to the place."""

STORED_PER_CODE = 1000

_MOST_DROPPED = 20
_STRONGER = {"FT218": "FT217"}
"""Tallies of a code are left out where there is one of the stronger code about the same subject."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful. `line` counts from 1 and is None where the whole file is meant."""

    code: str
    severity: Severity
    line: int | None
    pointer: str
    """JSON pointer (RFC 6901) into the line's object; "" is the object itself."""
    reason: str
    fix: str
    excerpt: str = ""
    """The text around the place, at most 80 printable characters; "" where there is none."""

    @property
    def message(self) -> str:
        """Place and reason in one sentence, without the fix: `Line 2 at /messages/1: the content is missing`."""
        line = "" if self.line is None else f"Line {self.line}"
        place = " at ".join(filter(None, (line, self.pointer)))
        return f"{place}: {self.reason}" if place else self.reason

    def said_of(self, path: Path) -> str:
        """All of it, as a compiler would: `train.jsonl:2: FT205 at /messages/1: the content is missing. Add it.`"""
        line = "" if self.line is None else f":{self.line}"
        place = f" at {self.pointer}" if self.pointer else ""
        return f"{path}{line}: {self.code}{place}: {self.reason}. {with_command_for(self.fix, path)}"


def with_command_for(fix: str, path: Path) -> str:
    """The fix with the file's own name in the command that converts it, quoted for a shell."""
    if CONVERT_COMMAND not in fix:
        return fix
    command = f"ftorch data convert {quote(str(path))} -o {quote(str(converted_name(path)))}"
    return fix.replace(CONVERT_COMMAND, command)


def converted_name(path: Path) -> Path:
    """The file that the command writes."""
    return path.with_name(f"{path.stem}.converted.jsonl")


@dataclass
class Tally:
    """What is said once for a whole file: the first place, and how often."""

    code: str
    subject: str
    line: int | None
    pointer: Pointer
    excerpt: str
    facts: dict[str, object]
    count: int = 1


@dataclass
class Notes:
    """Collects findings during a check, in bounded memory unless `keep_all`."""

    keep_all: bool = False
    line: int | None = None
    """The line being checked, from 1; None for what the whole file shows."""
    row: Any = None
    """The value on that line, for excerpts; None where there is none."""
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    """By code and subject, what `note_tallies` turns into findings when the file has been read."""
    _said: set[str] = field(default_factory=set)

    def at(self, line: int | None, row: Any = None) -> None:
        """Say where the findings that follow are."""
        self.line = line
        self.row = row

    def add(self, code: str, pointer: Pointer = (), *, excerpt: str | None = None, **facts: object) -> None:
        """Note a finding of the kind `code`; `facts` fill the fields of its reason and fix.

        The excerpt is cut from the row at `pointer` unless one is given.
        """
        kind = RULES[code]
        count = self.counts[code] = self.counts.get(code, 0) + 1
        self.errors += kind.severity == "error"
        if count > STORED_PER_CODE and not self.keep_all:
            return
        if excerpt is None:
            excerpt = excerpt_at(self.row, pointer)
        self.findings.append(
            Finding(
                code=code,
                severity=kind.severity,
                line=self.line,
                pointer=_written(pointer),
                reason=kind.reason.format(**facts),
                fix=kind.fix.format(**facts),
                excerpt=excerpt,
            )
        )

    def add_once(self, code: str, pointer: Pointer = (), **facts: object) -> None:
        """Like `add`, but only the first time in this file: for kinds that would fit every line."""
        if code not in self._said:
            self._said.add(code)
            self.add(code, pointer, excerpt=None, **facts)

    def tally(self, code: str, subject: str, pointer: Pointer = (), **facts: object) -> None:
        """Count what makes one finding for the whole file, however many lines show it.

        `subject` tells such findings of one code apart. The reason may use `{count}` beside `facts`, which are
        those of the first place. Subjects beyond STORED_PER_CODE are left out.
        """
        if found := self.tallies.get((code, subject)):
            found.count += 1
        elif len(self.tallies) < STORED_PER_CODE:
            excerpt = excerpt_at(self.row, pointer)
            self.tallies[code, subject] = Tally(code, subject, self.line, pointer, excerpt, facts)

    def note_tallies(self) -> None:
        """Add a finding for each tally.

        A fact `drop` is a key that `convert` can leave out. The fix names all such keys of its code in `{dropped}`,
        so that one command is enough.
        """
        weaker = [key for key in self.tallies if (_STRONGER.get(key[0], ""), key[1]) in self.tallies]
        for key in weaker:
            del self.tallies[key]  # the same key, with a value that changes nothing
        for tally in self.tallies.values():
            dropped = self._drop_options(tally.code) if "drop" in tally.facts else ""
            self.at(tally.line)
            facts = {**tally.facts, "count": f"{tally.count:,}", "dropped": dropped}
            self.add(tally.code, tally.pointer, excerpt=tally.excerpt, **facts)
        self.tallies.clear()
        self.at(None)

    def _drop_options(self, code: str) -> str:
        tallies = (tally for tally in self.tallies.values() if tally.code == code and "drop" in tally.facts)
        keys = dict.fromkeys(str(tally.facts["drop"]) for tally in tallies)
        return "".join(f" --drop-column {quote(key)}" for key in islice(keys, _MOST_DROPPED))

    def withdraw(self, code: str) -> None:
        """Take back all findings of a kind, for one about the whole file that takes their place."""
        count = self.counts.pop(code, 0)
        self.errors -= count * (RULES[code].severity == "error")
        self.findings = [finding for finding in self.findings if finding.code != code]

    def merge(self, later: Notes, line_offset: int) -> None:
        """Add the notes on the later part of the same file, which begins behind line `line_offset`."""
        repeated = self._said & later._said
        stored = Counter(finding.code for finding in self.findings)
        for finding in later.findings:
            if finding.code in repeated or (stored[finding.code] >= STORED_PER_CODE and not self.keep_all):
                continue
            stored[finding.code] += 1
            line = None if finding.line is None else finding.line + line_offset
            self.findings.append(replace(finding, line=line))
        for code, count in later.counts.items():
            if code not in repeated:
                self.counts[code] = self.counts.get(code, 0) + count
                self.errors += count * (RULES[code].severity == "error")
        self._said |= later._said
        self._merge_tallies(later, line_offset)

    def _merge_tallies(self, later: Notes, line_offset: int) -> None:
        for key, tally in later.tallies.items():
            if found := self.tallies.get(key):
                found.count += tally.count
            elif len(self.tallies) < STORED_PER_CODE:
                line = None if tally.line is None else tally.line + line_offset
                self.tallies[key] = replace(tally, line=line)


# --- Files that hold no training data: a key, a list of users, somebody's configuration --------------------------


_PLAIN_REASONS = frozenset(
    (
        "FT101",
        "FT102",
        "FT103",
        "FT104",
        "FT105",
        "FT106",
        "FT107",
        "FT108",
        "FT109",
        "FT110",
        "FT111",
        "FT201",
        "FT214",
    )
)
"""Kinds whose reasons never quote a file."""


def without_content(finding: Finding) -> Finding:
    """The finding without anything that the file holds: for files that nobody meant to show."""
    reason = finding.reason
    if finding.code not in _PLAIN_REASONS:
        reason = f"{RULES[finding.code].title}; its content is not shown, since the file has no training data"
    return replace(finding, reason=reason, pointer="", excerpt="")


def shown(value: Any, characters: int = 60) -> str:
    """A value from a file, short and printable on any terminal, for a finding's text."""
    if isinstance(value, str):
        text = f'"{value[: characters + 1]}"'
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    elif isinstance(value, int | float):
        text = str(value)
    else:
        return named_type(value)
    text = printable(text)
    return text if len(text) <= characters + 2 else f"{text[:characters]}…"


def named_type(value: Any) -> str:
    """The JSON type of a parsed value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def _written(pointer: Pointer) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in pointer)
    return printable("".join(f"/{part}" for part in parts))


# --- Excerpts, safe to print on any terminal ---------------------------------------------------------------------


EXCERPT_CHARACTERS = 80


def printable(text: str) -> str:
    """The text with every character that a terminal could act on, or can't show, written as an escape."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def excerpt_at(row: Any, pointer: Sequence[str | int]) -> str:
    """The start of the JSON text of the value at `pointer`; where there is none, of the value that lacks it."""
    value = row
    for part in pointer:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    return "" if value is None and row is None else shortened(_json_start(value))


def excerpt_around(text: str, position: int) -> str:
    """The characters of `text` around `position`, with … where more was cut off."""
    start = max(0, position - EXCERPT_CHARACTERS // 2)
    piece = text[start : start + EXCERPT_CHARACTERS]
    return shortened(("…" if start else "") + piece + ("…" if start + len(piece) < len(text) else ""))


def shortened(text: str) -> str:
    """At most EXCERPT_CHARACTERS printable characters of the text."""
    text = printable(text[: EXCERPT_CHARACTERS + 1])
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[: EXCERPT_CHARACTERS - 1]}…"


def _json_start(value: Any) -> str:
    """Enough of the value's JSON text for an excerpt, however large or deep the value is."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(_cut(value)):
        text += piece
        if len(text) > EXCERPT_CHARACTERS:
            break
    return text


def _cut(value: Any) -> Any:
    return value[:EXCERPT_CHARACTERS] if isinstance(value, str) else value
