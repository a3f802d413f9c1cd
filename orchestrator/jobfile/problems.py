"""What is wrong with a job file, as sentences that name file, line, key, finding, and what is allowed."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from orchestrator.jobfile.evaluation import Evaluation, Gate
from orchestrator.jobfile.job import JobFile
from orchestrator.jobfile.method import METHODS
from orchestrator.jobfile.space import Point, Space
from orchestrator.jobfile.sweep import STOPS, Sweep
from orchestrator.jobfile.tables import Azure, Data, Deployment, Limits, Poll, Table
from orchestrator.tomlsource import KeyPath, TomlSource


@dataclass(frozen=True)
class Problem:
    """One sentence, and the line it is about."""

    line: int
    sentence: str


def problem(source: TomlSource, key: KeyPath, finding: str) -> Problem:
    """A problem at a key: `finding` goes on after the place."""
    return Problem(source.line(*key), f"{source.place(*key)}: {finding}")


def in_file_order(problems: Iterable[Problem]) -> list[str]:
    return [problem.sentence for problem in sorted(problems, key=lambda problem: problem.line)]


def absence(path: Path) -> str:
    """That there is no such file, with the nearest name there is."""
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"there is no file {path}" + (f"; did you mean {near[0]}?" if near else "")


def explain(source: TomlSource, details: ErrorDetails) -> Problem:
    """The problem behind one of pydantic's errors."""
    key = _key(details)
    if details["type"] == "extra_forbidden":
        sentence = source.unknown_key(key, _known_keys(source.data, key))
        return Problem(source.line(*key), sentence)
    name = _name(details["loc"], key)
    if details["type"] in ("missing", "union_tag_not_found"):
        missing = name if details["type"] == "missing" else f"{name}.rule"
        return problem(source, key, f"{missing} is missing; it must be set")
    if details["type"] == "union_tag_invalid":
        return _unknown_tag(source, key, details["input"])
    if details["type"] == "metadata":
        return problem(source, key, f"{name}: {details['msg']}")
    return problem(source, key, f"{name} {_expectation(details)}, not {_shown(details['input'])}")


_UNIONS: Mapping[KeyPath, tuple[str, Mapping[str, type[Table]]]] = {
    ("method",): ("type", METHODS),
    ("sweep", "stop"): ("rule", STOPS),
}
"""Tables of several kinds: the key that tells them apart, and the kinds."""
_TABLES: Mapping[KeyPath, type[Table]] = {
    ("data",): Data,
    ("limits",): Limits,
    ("poll",): Poll,
    ("azure",): Azure,
    ("azure", "deployment"): Deployment,
    ("evaluation",): Evaluation,
    ("evaluation", "gate"): Gate,
    ("sweep",): Sweep,
    ("sweep", "space"): Space,
    ("sweep", "points"): Point,
}


def _key(details: ErrorDetails) -> KeyPath:
    """The key in the file: pydantic marks a key itself, and the arm of a union, with a part of its own."""
    key = tuple(str(part) for part in details["loc"] if isinstance(part, str))
    if key[:1] == ("metadata",):
        return key[:2]
    for table, (_, kinds) in _UNIONS.items():
        depth = len(table)
        if key[:depth] == table and len(key) > depth and key[depth] in kinds:
            return (*table, *key[depth + 1 :])
    return key


def _name(location: tuple[int | str, ...], key: KeyPath) -> str:
    """How a user writes it: `sweep.space.n_epochs`, and for one of a list `sweep.points #2: n_epochs`."""
    number = next((part for part in location if isinstance(part, int)), None)
    if number is None or key[:1] == ("metadata",):
        return ".".join(key)
    inner = f": {'.'.join(key[2:])}" if key[2:] else ""
    return f"{'.'.join(key[:2])} #{number + 1}{inner}"


def _unknown_tag(source: TomlSource, table: KeyPath, found: Mapping[str, Any]) -> Problem:
    tag, kinds = _UNIONS[table]
    key = (*table, tag)
    return problem(source, key, f"{'.'.join(key)} must be one of {', '.join(kinds)}, not {_shown(found[tag])}")


def _known_keys(data: Mapping[str, Any], unknown: KeyPath) -> list[str]:
    """What could have been meant in the place of an unknown key; in the place of an unknown table, tables only."""
    table = unknown[:-1]
    if table in _UNIONS:
        tag, kinds = _UNIONS[table]
        found: Any = data
        for part in table:
            found = found[part]
        return list(kinds[found.get(tag, "supervised")].model_fields)
    if table:
        return list(_TABLES[table].model_fields)
    tables = ["azure", "data", "evaluation", "limits", "metadata", "method", "poll", "sweep"]
    return tables if isinstance(data[unknown[0]], dict) else [k for k in JobFile.model_fields if k not in tables]


_EXPECTATIONS: Mapping[str, str] = {
    "string_type": "must be a text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
}
_PATTERNS: Mapping[str, str] = {
    "name": "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "suffix": "must be letters, digits, dots, dashes or underscores, and begin with a letter or digit",
    "model": "must be a model name without spaces",
}


def _expectation(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "string_pattern_mismatch":
        return _PATTERNS[str(details["loc"][-1])]
    if expectation := _EXPECTATIONS.get(details["type"]):
        return expectation.format(**{name: _plain(value) for name, value in context.items()})
    return details["msg"]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: Any, width: int = 60) -> str:
    text = _toml(value)
    return text if len(text) <= width else f"{text[:width]}…"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict) and value:
        return f"{{ {', '.join(f'{key} = {_toml(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(inner) for inner in value)}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)
