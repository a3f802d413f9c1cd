"""Two texts side by side, with the words marked in which they differ."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from orchestrator.reports.table import Marked, marked

_LONGEST = 2_000
"""Characters that are compared; longer texts are not marked."""


def marked_apart(expected: str, found: str) -> tuple[Marked, Marked]:
    """Both as cells; nothing is marked if one of them is empty."""
    if not expected or not found or max(len(expected), len(found)) > _LONGEST:
        return marked([(expected, False)]), marked([(found, False)])
    first, second = _words(expected), _words(found)
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        differs = kind != "equal"
        left += [("".join(first[a:b]), differs)] if a < b else []
        right += [("".join(second[c:d]), differs)] if c < d else []
    return marked(left), marked(right)


def _words(text: str) -> list[str]:
    """Words, numbers with their decimals, and each other character."""
    return re.findall(r"[^\W\d]+|\d+(?:\.\d+)?|.", text, re.DOTALL)
