"""Explain kinds of findings with their own examples: the reason in full, not as a pattern."""

from __future__ import annotations

import string
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.findings import Finding
from orchestrator.dataset.rules import Rule


@dataclass(frozen=True)
class Explanation:
    """A kind in words: the finding of its wrong example, or else the pattern with … in place of a file's facts."""

    kind: Rule
    reason: str
    fix: str
    place: str = ""
    """The JSON pointer into a line of the wrong example; "" for the whole line."""


def explain(kind: Rule) -> Explanation:
    """Check the kind's wrong example, and return its finding."""
    found = _finding(kind, kind.wrong) or _finding(kind, f"{kind.right}\n{kind.wrong}")
    if found is None:
        fix = _open(kind.fix) or "The finding names the fix for your file."
        return Explanation(kind, _open(kind.reason) or kind.title, fix)
    return Explanation(kind, found.reason, found.fix, found.pointer)


def _finding(kind: Rule, text: str) -> Finding | None:
    """The first finding of this kind in the text; None without one."""
    if not kind.wrong.strip():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.jsonl"
        path.write_text(text, encoding="utf-8")
        report = check_file(path, method=None, purpose="training")
    return next((finding for finding in report.findings if finding.code == kind.code), None)


def _open(pattern: str) -> str:
    """The pattern with … for its fields; "" if it is only a field."""
    parts = list(string.Formatter().parse(pattern))
    opened = "".join(f"{text}{'' if field is None else '…'}" for text, field, _, _ in parts)
    return opened if any(text for text, _, _, _ in parts) else ""
