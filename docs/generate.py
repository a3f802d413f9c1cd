"""Writes docs/data-checks.md from the table of kinds: `make docs`. A test tells when it is stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.dataset.checking.examples import explain
from orchestrator.dataset.rules import RULES, Rule

PAGE = Path(__file__).with_name("data-checks.md")

_HEAD = """# What the data check finds

Every code of `ftorch data check`; [data.md](data.md) tells how to use it, and `ftorch data explain CODE` shows the
same in a terminal. An **error** is refused by an endpoint, or trains on something else than what was meant:
`submit` stops there. A **warning** is taken, and makes a worse model or a surprise. A code is never reused.

This page is written by `make docs`; a reason is what the check says of the wrong example, where there is one.
"""

_THEMES = {
    "FT1": "The file and its lines",
    "FT2": "Messages",
    "FT3": "Tools and calls",
    "FT4": "Preference and reinforcement data",
    "FT5": "Size",
    "FT6": "What only the whole file shows",
    "FT7": "What one endpoint refuses",
    "FT8": "Between files",
}


def data_checks_page() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for prefix, theme in _THEMES.items():
        kinds = [RULES[code] for code in sorted(RULES) if code.startswith(prefix)]
        if kinds:
            parts += [f"## {theme}\n", *(part for kind in kinds for part in _section(kind))]
    return "\n".join(parts)


def _section(kind: Rule) -> Iterator[str]:
    explained = explain(kind)
    yield f"### {kind.code} {kind.title}\n"
    yield f"**{kind.severity}**: {_escaped(explained.reason)}\n"
    yield f"**fix**: {_escaped(explained.fix)}\n"
    if kind.wrong.strip():
        yield f"wrong:\n\n```\n{kind.wrong.strip()}\n```\n"
        yield f"right:\n\n```\n{kind.right.strip()}\n```\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(data_checks_page(), encoding="utf-8")
