"""Writes the pages that list what the program knows: `make docs`. A test tells when one is stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.dataset.checking.examples import explain
from orchestrator.dataset.formats import FORMATS
from orchestrator.dataset.rules import RULES, Rule

DOCS = Path(__file__).parent

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


_FORMATS_HEAD = """# Formats that convert reads

Each with a command and two examples, as `ftorch data formats` prints them. What is changed on the
way: [convert-and-shorten.md](convert-and-shorten.md). This page is written by `make docs`.
"""


def formats_page() -> str:
    """The page, in Markdown."""
    parts = [_FORMATS_HEAD]
    for each in FORMATS:
        command = f"ftorch data convert IN -o OUT --from {each.shape} {each.options}".rstrip()
        parts.append(f"## {each.title}\n")
        parts.append("```\n" + "\n".join((command, *each.examples)) + "\n```\n")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


if __name__ == "__main__":
    (DOCS / "data-checks.md").write_text(data_checks_page(), encoding="utf-8")
    (DOCS / "formats.md").write_text(formats_page(), encoding="utf-8")
