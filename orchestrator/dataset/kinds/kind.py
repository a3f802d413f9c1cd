"""What a kind of finding is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Kind:
    """One kind of finding. The `{fields}` of `reason` and `fix` are filled with the facts of the place."""

    code: str
    severity: Severity
    title: str
    reason: str
    fix: str
    wrong: str = ""
    """JSONL text, one or several lines, in which this kind is found; "" where no small text can show it."""
    right: str = ""
    """Nearly the same text, in which it is not."""


def error(code: str, title: str, reason: str, fix: str, *, wrong: str = "", right: str = "") -> Kind:
    """A kind for which an endpoint refuses the file."""
    return Kind(code, "error", title, reason, fix, wrong, right)


def warning(code: str, title: str, reason: str, fix: str, *, wrong: str = "", right: str = "") -> Kind:
    """A kind that an endpoint takes, but that makes a worse model, or a surprise."""
    return Kind(code, "warning", title, reason, fix, wrong, right)
