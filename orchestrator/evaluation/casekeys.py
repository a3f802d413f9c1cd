"""The keys that a line of an evaluation file has beside those of the training format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from orchestrator.dataset.checking.findings import named_type, shown
from orchestrator.evaluation.problems import InvalidCase

MESSAGE_KEYS = ("tools", "functions", "parallel_tool_calls", "tool_choice", "function_call", "response_format")
"""What a request takes over from a line as it is."""

CASE_KEYS = ("id", "slice", "slices", "cluster", "expect", "ordered", "must_contain", "accept", "match")
EXPECT = ("call", "text", "rejection")

_KNOWN = ("messages", *MESSAGE_KEYS, *CASE_KEYS)


@dataclass(frozen=True)
class CaseKeys:
    """What those keys hold, each of its right type."""

    id: str | None = None
    slices: tuple[str, ...] = ()
    cluster: str | None = None
    expect: str | None = None
    ordered: bool = False
    must_contain: tuple[str, ...] = ()
    accept: tuple[Any, ...] = ()
    match: Mapping[str, Any] | list[Mapping[str, Any]] = field(default_factory=dict)


def read_keys(row: Mapping[str, Any]) -> CaseKeys:
    """The case's keys of a row. Raises InvalidCase for a wrong type, and for a key that looks misspelt.

    Other unknown keys are let be: people keep notes in such files.
    """
    _refuse_misspelt(row)
    return CaseKeys(
        id=_name(row, "id"),
        slices=tuple(dict.fromkeys((*_names(row, "slice"), *_names(row, "slices")))),
        cluster=_name(row, "cluster"),
        expect=_expect(row),
        ordered=_flag(row, "ordered"),
        must_contain=_names(row, "must_contain"),
        accept=_accept(row),
        match=_match(row),
    )


def _refuse_misspelt(row: Mapping[str, Any]) -> None:
    for key in row:
        if key not in _KNOWN and (near := get_close_matches(key, CASE_KEYS, n=1, cutoff=0.8)):
            raise InvalidCase(f"key {shown(key)}: there is no such key; did you mean {shown(near[0])}?")


def _name(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise InvalidCase(f'key "{key}": expected a name; found {_found(value)}')
    return value


def _names(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = row.get(key)
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in values):
        raise InvalidCase(f'key "{key}": expected a text or a list of texts; found {_found(value)}')
    return tuple(dict.fromkeys(values))


def _expect(row: Mapping[str, Any]) -> str | None:
    value = row.get("expect")
    if value is None or value in EXPECT:
        return value
    choices = ", ".join(f'"{word}"' for word in EXPECT)
    raise InvalidCase(f'key "expect": choose one of {choices}; found {_found(value)}')


def _flag(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise InvalidCase(f'key "{key}": expected true or false; found {_found(value)}')
    return value


def _accept(row: Mapping[str, Any]) -> tuple[Any, ...]:
    value = row.get("accept")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidCase(f'key "accept": expected a list of answers; found {_found(value)}')
    return tuple(value)


def _match(row: Mapping[str, Any]) -> Mapping[str, Any] | list[Mapping[str, Any]]:
    value = row.get("match")
    if value is None:
        return {}
    if not all(isinstance(rules, dict) for rules in (value if isinstance(value, list) else [value])):
        problem = f"expected an object of rules by argument, or a list of such; found {_found(value)}"
        raise InvalidCase(f'key "match": {problem}')
    found: Mapping[str, Any] | list[Mapping[str, Any]] = value
    return found


def _found(value: Any) -> str:
    return shown(value) if isinstance(value, str | int | float | bool) else named_type(value)
