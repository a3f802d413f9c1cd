"""Writes the tables of data.md, convert.md and hosts.md that the program knows: `make docs`. A test fails if one is
old."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from orchestrator.config import EndpointConfig, EndpointType
from orchestrator.dataset.checking.examples import explain
from orchestrator.dataset.checking.limits import limits_of
from orchestrator.dataset.formats import FORMATS
from orchestrator.dataset.rules import RULES, Rule
from orchestrator.endpoints.capabilities import capabilities_of
from orchestrator.endpoints.interface import Capabilities

DOCS = Path(__file__).parent
MARKS = ("<!-- written by make docs -->\n", "<!-- end -->\n")

_THEMES = {
    "FT1": "The file and its lines",
    "FT2": "Messages",
    "FT3": "Tools and calls",
    "FT4": "Preference and reinforcement data",
    "FT5": "Size",
    "FT6": "The file as a whole",
    "FT7": "Limits of an endpoint",
    "FT8": "Between files",
    "FT9": "Rendering for an open-weights model",
}
_TEXT = 18
"""How many characters of a text are shown in an outline."""
_DEPTH = 3


def findings() -> str:
    """All findings, a table for each theme, in Markdown."""
    return "\n".join(part for prefix, theme in _THEMES.items() for part in _theme(prefix, theme))


def formats() -> str:
    """All formats that `data convert` reads, in Markdown."""
    head = ["| format | `--from` | one example, shortened |", "|---|---|---|"]
    cells = [
        (_escaped(each.title), _code(f"{each.shape} {each.options}".strip()), _code(_outline(each.examples[0])))
        for each in FORMATS
    ]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in cells), ""])


def offered() -> str:
    """What each type of endpoint takes from a job file and offers while it trains, in Markdown."""
    names = (
        *("type", "methods", "images", "learning rate", "`[lora]`", "`seed`", "validation file"),
        *("checkpoints", "pause", "batches", "its jobs are recognised by"),
    )
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return "\n".join([*head, *map(_host, get_args(EndpointType)), ""])


TABLES: dict[str, Callable[[], str]] = {"data.md": findings, "convert.md": formats, "hosts.md": offered}
"""Which table goes between the marks of which page."""


def page(name: str) -> str:
    """The page with its table as the program now knows it."""
    text = (DOCS / name).read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{TABLES[name]()}\n{MARKS[1]}{after}"


def _host(kind: EndpointType) -> str:
    found, limits = capabilities_of(EndpointConfig(kind, kind)), limits_of(kind)
    validated = sorted(found.validation_file & limits.methods, reverse=True)
    cells = (
        f"`{kind}`",
        ", ".join(sorted(limits.methods, reverse=True)),
        _yes(limits.images),
        _rates(found),
        ", ".join(sorted(found.lora)) or "–",
        _yes(found.seed),
        "yes" if len(validated) == len(limits.methods) else f"{', '.join(validated)} only",
        *map(_yes, (found.checkpoints, found.pause, found.batch)),
        _mark(found),
    )
    return f"| {' | '.join(cells)} |"


def _yes(is_offered: bool) -> str:
    return "yes" if is_offered else "–"


def _rates(found: Capabilities) -> str:
    ways = (("multiplier", found.learning_rate_multiplier), ("absolute", found.learning_rate))
    return " or ".join(way for way, is_taken in ways if is_taken)


def _mark(found: Capabilities) -> str:
    if found.chosen_ids:
        return "an id that ftorch chooses"
    if found.metadata:
        return "metadata"
    return f"suffix ({found.longest_suffix} characters) and seed"


def _theme(prefix: str, theme: str) -> Iterator[str]:
    yield f"### {theme}\n"
    yield "| code | severity | finding | fix |\n|---|---|---|---|"
    yield from (_row(RULES[code]) for code in sorted(RULES) if code.startswith(prefix))
    yield ""


def _row(rule: Rule) -> str:
    """A finding in the words that the check uses of the rule's own wrong example."""
    explained = explain(rule)
    finding = f"**{_escaped(rule.title)}**"
    if explained.reason != rule.title:
        finding += f": {_escaped(explained.reason)}"
    return f"| {rule.code} | {rule.severity} | {finding} | {_escaped(explained.fix)} |"


def _outline(line: str) -> str:
    return json.dumps(_shortened(json.loads(line), _DEPTH), ensure_ascii=False).replace('"…"', "…")


def _shortened(value: Any, depth: int) -> Any:
    """The value with "…" for long texts, further items of lists, and what is nested more deeply."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    if not isinstance(value, dict | list) or not value:
        return value
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {key: _shortened(each, depth - 1) for key, each in value.items()}
    first = _shortened(value[0], depth - 1)
    return [first, "…"] if len(value) > 1 and first != "…" else [first]


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


if __name__ == "__main__":
    for each in TABLES:
        (DOCS / each).write_text(page(each), encoding="utf-8")
