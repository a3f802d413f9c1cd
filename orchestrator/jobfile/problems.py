"""Problems of a job file, as sentences that name file, line, key, finding and allowed values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from orchestrator.jobfile.generate import Generate
from orchestrator.jobfile.sweep import (
    STOPS,
    Point,
    Space,
    Sweep,
)
from orchestrator.jobfile.tables import (
    LORA_NAMES,
    METHODS,
    Azure,
    Data,
    Deployment,
    Evaluation,
    Gate,
    Limits,
    Lora,
    Poll,
    Table,
)
from orchestrator.spelling import did_you_mean
from orchestrator.tomlsource import KeyPath, TomlSource


@dataclass(frozen=True)
class Problem:
    """One sentence, and its line."""

    line: int
    sentence: str


def problem(source: TomlSource, key: KeyPath, finding: str) -> Problem:
    """A problem at a key; `finding` follows the place."""
    return Problem(source.line(*key), f"{source.place(*key)}: {finding}")


def in_file_order(problems: Iterable[Problem]) -> list[str]:
    return [problem.sentence for problem in sorted(problems, key=lambda problem: problem.line)]


def absence(path: Path) -> str:
    """The text for a missing file, with the nearest name, or the way to write backslashes."""
    if _ESCAPED.search(str(path)):
        return _with_escapes(path)
    try:
        names = os.listdir(path.parent)
    except (OSError, ValueError):
        names = []
    return f"there is no file {path}" + did_you_mean(path.name, names, "; did you mean {}?")


_ESCAPES = {
    "\b": ("\\b", "a backspace"),
    "\t": ("\\t", "a tab"),
    "\n": ("\\n", "a line break"),
    "\f": ("\\f", "a form feed"),
    "\r": ("\\r", "a carriage return"),
}
_ESCAPED = re.compile("[\b\t\n\f\r]")


def _with_escapes(path: Path) -> str:
    """A Windows path in double quotes, whose backslashes TOML turned into other characters."""
    typed = _ESCAPED.sub(lambda found: _ESCAPES[found[0]][0], str(path))
    found = [_ESCAPES[each] for each in dict.fromkeys(_ESCAPED.findall(str(path)))]
    means = " and ".join(f"{escape} means {character}" for escape, character in found)
    return f"there is no file {typed}: in double quotes {means}; write the path in single quotes or with /"


def explain(source: TomlSource, details: ErrorDetails) -> Problem:
    """The problem of one of pydantic's errors."""
    key = _key(details)
    if details["type"] == "extra_forbidden":
        if home := _home_of(key):
            return problem(source, key, f'unknown key "{key[-1]}"{_in_table(key[:-1])}; {home}')
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
    finding = f"{name} {_expectation(details)}, not {shown(details['input'])}"
    if details["type"] == "string_type" and key in source.options:
        finding += f"""; write --set '{name}="{details["input"]}"'"""
    return problem(source, key, finding)


_UNIONS: Mapping[KeyPath, tuple[str, Mapping[str, type[Table]]]] = {
    ("method",): ("type", METHODS),
    ("sweep", "stop"): ("rule", STOPS),
}
"""Tables of several kinds: the key that selects the kind, and the kinds."""
_TABLES: Mapping[KeyPath, type[Table]] = {
    ("data",): Data,
    ("limits",): Limits,
    ("lora",): Lora,
    ("poll",): Poll,
    ("azure",): Azure,
    ("azure", "deployment"): Deployment,
    ("evaluation",): Evaluation,
    ("evaluation", "gate"): Gate,
    ("generate",): Generate,
    ("sweep",): Sweep,
    ("sweep", "space"): Space,
    ("sweep", "points"): Point,
}


_TOP = ("name", "endpoint", "model", "suffix", "seed")
_ONE_HOME = ("data", "limits", "evaluation", "lora", "poll", "sweep")


def _home_of(key: KeyPath) -> str | None:
    """The right place of a key in the wrong table; None without one."""
    name, table = key[-1], key[:-1]
    kinds = [kind for kind, method in METHODS.items() if name in method.model_fields]
    if table == ("method",) and kinds:
        return f"it is for method.type {', '.join(kinds)}"
    if name in _TOP and table:
        return "put it at the top, above the first [table]"
    if kinds and name != "type":
        return f"put it under [method] (method.{name})"
    if home := _home_in_lora(name, table):
        return home
    homes = [home for home in _ONE_HOME if name in _TABLES[(home,)].model_fields and table[:1] != (home,)]
    return f"put it under [{homes[0]}] ({homes[0]}.{name})" if len(homes) == 1 else None


def _home_in_lora(name: str, table: KeyPath) -> str | None:
    """The API and `[sweep.space]` call the same thing lora_rank that `[lora]` calls rank."""
    if table[:1] == ("sweep",):
        return f'did you mean "{LORA_NAMES[name]}"?' if LORA_NAMES.get(name, name) != name else None
    short = next((each for each, api_name in LORA_NAMES.items() if name == api_name != each), None)
    if short is None:
        return None
    return f'did you mean "{short}"?' if table == ("lora",) else f"put it under [lora] (lora.{short})"


def _in_table(table: KeyPath) -> str:
    return f" in [{'.'.join(table)}]" if table else ""


def _key(details: ErrorDetails) -> KeyPath:
    """The key in the file: pydantic adds a part for a key itself and for the arm of a union."""
    key = tuple(str(part) for part in details["loc"] if isinstance(part, str))
    if key[:1] == ("metadata",):
        return key[:2]
    for table, (_, kinds) in _UNIONS.items():
        depth = len(table)
        if key[:depth] == table and len(key) > depth and key[depth] in kinds:
            return (*table, *key[depth + 1 :])
    return key


def _name(location: tuple[int | str, ...], key: KeyPath) -> str:
    """The key as users write it: `sweep.space.n_epochs`, or in a list `sweep.points #2: n_epochs`."""
    number = next((part for part in location if isinstance(part, int)), None)
    if number is None or key[:1] == ("metadata",):
        return ".".join(key)
    inner = f": {'.'.join(key[2:])}" if key[2:] else ""
    return f"{'.'.join(key[:2])} #{number + 1}{inner}"


def _unknown_tag(source: TomlSource, table: KeyPath, found: Mapping[str, Any]) -> Problem:
    tag, kinds = _UNIONS[table]
    key = (*table, tag)
    return problem(source, key, f"{'.'.join(key)} must be one of {', '.join(kinds)}, not {shown(found[tag])}")


def _known_keys(data: Mapping[str, Any], unknown: KeyPath) -> list[str]:
    """Candidates for an unknown key; for an unknown table, only tables."""
    table = unknown[:-1]
    if table in _UNIONS:
        tag, kinds = _UNIONS[table]
        found: Any = data
        for part in table:
            found = found[part]
        return list(kinds[found.get(tag, "supervised")].model_fields)
    if table:
        return list(_TABLES[table].model_fields)
    tables = ["azure", "data", "evaluation", "generate", "limits", "lora", "metadata", "method", "poll", "sweep"]
    return tables if isinstance(data[unknown[0]], dict) else list(_TOP)


_EXPECTATIONS: Mapping[str, str] = {
    "string_type": "must be text in quotes",
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
    "model": "must be a model name without spaces, or a folder such as ./NAME",
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


def shown(value: Any, width: int = 60) -> str:
    """A value as TOML has it, cut to its first characters."""
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
