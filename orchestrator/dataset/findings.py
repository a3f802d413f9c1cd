"""What a check of a data file found, and how it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from orchestrator.dataset.kinds import KINDS, Severity

Pointer = tuple[str | int, ...]
"""The keys and indexes (from 0) that lead from an example to the place."""

STORED_PER_SEVERITY = 1000

_ENTRY_WORDS = {
    "messages": "message",
    "tools": "tool",
    "functions": "function",
    "tool_calls": "tool call",
    "content": "content part",
    "preferred_output": "preferred_output message",
    "non_preferred_output": "non_preferred_output message",
}


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
    place: str
    """The place for people, such as `Line 1, message 3, key "content"`; "" where the whole file is meant."""

    @property
    def message(self) -> str:
        """Place and reason in one sentence, without the fix."""
        return f"{self.place}: {self.reason}" if self.place else self.reason


@dataclass(frozen=True)
class CheckReport:
    """What a check of one file yields."""

    examples: int
    """Lines that are not blank, good or bad."""
    findings: tuple[Finding, ...]
    """In the order of the file; the first 1,000 errors and the first 1,000 warnings."""
    tokens: int | None
    """Tokens that one epoch trains on (an estimate, see `tokens.count_example`); None where there are errors."""
    left_out: int = 0
    """Findings beyond those stored."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def ok(self) -> bool:
        """True where an endpoint would take the file; warnings do not count."""
        return not self.errors


@dataclass
class Notes:
    """Collects findings during a check, in bounded memory. `line` is the line being checked."""

    line: int | None = None
    findings: list[Finding] = field(default_factory=list)
    counts: dict[Severity, int] = field(default_factory=lambda: {"error": 0, "warning": 0})
    _said: set[str] = field(default_factory=set)

    def add(self, code: str, pointer: Pointer = (), **facts: object) -> None:
        """Note a finding of the kind `code`; `facts` fill the fields of its reason and fix."""
        kind = KINDS[code]
        self.counts[kind.severity] += 1
        if self.counts[kind.severity] <= STORED_PER_SEVERITY:
            reason, fix = kind.reason.format(**facts), kind.fix.format(**facts)
            written, place = _written(pointer), _place(self.line, pointer)
            self.findings.append(Finding(code, kind.severity, self.line, written, reason, fix, place))

    def add_once(self, code: str, pointer: Pointer = (), **facts: object) -> None:
        """Like `add`, but only the first time in this file: for kinds that would fit every line."""
        if code not in self._said:
            self._said.add(code)
            self.add(code, pointer, **facts)

    def report(self, examples: int, tokens: int | None) -> CheckReport:
        left_out = sum(self.counts.values()) - len(self.findings)
        return CheckReport(examples, tuple(self.findings), None if self.counts["error"] else tokens, left_out)


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
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    return text if len(text) <= characters + 2 else f"{text[:characters]}…"


def named_type(value: Any) -> str:
    """The JSON type of a parsed value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names[type(value)]


def _written(pointer: Pointer) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in pointer)
    return "".join(f"/{part}" for part in parts).encode("utf-8", "backslashreplace").decode()


def _place(line: int | None, pointer: Pointer) -> str:
    if line is None:
        return ""
    words = [f"Line {line}"]
    keys: list[str] = []
    for part, following in pairwise((*pointer, "")):
        if isinstance(part, int):
            words.append(f"{_ENTRY_WORDS.get(keys[-1], keys[-1]) if keys else 'entry'} {part + 1}")
            keys = []
        elif isinstance(following, int) or part != "input":
            keys.append(part)
    if keys:
        words.append(f'key "{".".join(keys)}"'.encode("utf-8", "backslashreplace").decode())
    return ", ".join(words)
