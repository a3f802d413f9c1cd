"""Evaluation cases: a JSONL file in the training format, whose last message is the expected answer.

Further keys of a line, all optional:

    id            the case's name; "line-N" if it has none
    slice/slices  one name, or a list of names, of groups with separate metrics
    cluster       cases with the same value are paraphrases of one request and count as one
    expect        "call", "text" or "rejection", if the last message alone is ambiguous
    ordered       true if several calls must come in this order
    must_contain  texts that an answer without a call must contain
    accept        further right answers: messages, or calls {"name": …, "arguments": {…}}
    match         rules by argument, see `rules`; for several calls also a list with one entry for each
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.evaluation.scoring.expectations import (
    Calls,
    ExpectationOptions,
    Expected,
    Rejection,
    Rejections,
    Text,
    accepted_of,
    expected_of,
)
from orchestrator.evaluation.scoring.rules import InvalidCase, parse_rules
from orchestrator.evaluation.scoring.tools import Toolset, Toolsets
from orchestrator.evaluation.scoring.verdicts import Expectation
from orchestrator.spelling import nearest


@dataclass(frozen=True)
class Case:
    """One line of an evaluation file."""

    line: int
    id: str
    slices: tuple[str, ...]
    cluster: str | None
    """The name it shares with its paraphrases; None for a single case."""
    request: Mapping[str, Any]
    """`messages` without the expected answer, `tools` and other request fields, named as in the API."""
    tools: Toolset
    accepted: tuple[Expected, ...]
    """The right answers; the first is the line's last message."""

    @cached_property
    def expects(self) -> Expectation:
        """The kind of the expected answer; further right answers may be of another kind."""
        first = self.accepted[0]
        if isinstance(first, Rejection):
            return "rejection"
        return "text" if isinstance(first, Text) else "call"

    @cached_property
    def rejections(self) -> Rejections:
        """The ways in which this case may be rejected."""
        ways = [expected.tool for expected in self.accepted if isinstance(expected, Rejection)]
        return Rejections(frozenset(tool for tool in ways if tool is not None), None in ways)

    @cached_property
    def tool_choices(self) -> list[list[str]]:
        """The sorted tool names of each accepted answer that calls tools."""
        return [sorted(expected.names) for expected in self.accepted if isinstance(expected, Calls)]

    @cached_property
    def may_stay(self) -> bool:
        """True if an answer without an action is accepted: a text or a rejection."""
        return len(self.tool_choices) < len(self.accepted)


def read_cases(path: Path, rejection_tools: frozenset[str] = frozenset()) -> Iterator[Case]:
    """Yield the cases of a file, line by line; a single call of one of `rejection_tools` is a rejection.

    The file must have passed `check_cases`: an invalid line raises InvalidCase, NotJson or another error.
    Raises DataFileNotFound or DataFileUnreadable.
    """
    toolsets = Toolsets()
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            if line is not None:
                yield read_case(number, parse_json(line), toolsets, rejection_tools)


def read_case(
    number: int, row: Mapping[str, Any], toolsets: Toolsets, rejection_tools: frozenset[str] = frozenset()
) -> Case:
    """The case in the row on line `number` (from 1). Raises InvalidCase."""
    keys = read_keys(row)
    rules = tuple(map(parse_rules, keys.match)) if isinstance(keys.match, list) else parse_rules(keys.match)
    options = ExpectationOptions(keys.expect, keys.ordered, keys.must_contain, rejection_tools, rules)
    messages: Sequence[Any] = row["messages"]
    accepted = (expected_of(messages[-1], options), *_further(keys.accept, options))
    if keys.match and not any(isinstance(expected, Calls) for expected in accepted):
        raise InvalidCase('key "match": it is for arguments, but no call is expected')
    if keys.must_contain and not any(isinstance(expected, Text) for expected in accepted):
        raise InvalidCase('key "must_contain": it is for a text, but none is expected')
    return Case(
        line=number,
        id=keys.id if keys.id is not None else f"line-{number}",
        slices=keys.slices,
        cluster=keys.cluster,
        request={"messages": messages[:-1], **{key: row[key] for key in MESSAGE_KEYS if key in row}},
        tools=toolsets.of(row),
        accepted=accepted,
    )


def _further(entries: Sequence[Any], options: ExpectationOptions) -> Iterator[Expected]:
    for index, entry in enumerate(entries, start=1):
        try:
            yield accepted_of(entry, options)
        except InvalidCase as error:
            raise InvalidCase(f'key "accept", answer {index}: {error.problem}') from None


# --- Keys of an evaluation line ----------------------------------------------------------------------------------


MESSAGE_KEYS = ("tools", "functions", "parallel_tool_calls", "tool_choice", "function_call", "response_format")
"""Keys of a line that go into the request unchanged."""

CASE_KEYS = ("id", "slice", "slices", "cluster", "expect", "ordered", "must_contain", "accept", "match")
EXPECT = ("call", "text", "rejection")

_KNOWN = ("messages", *MESSAGE_KEYS, *CASE_KEYS)


@dataclass(frozen=True)
class CaseKeys:
    """The values of those keys, with checked types."""

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

    Other unknown keys are ignored: people keep notes in such files.
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
        if key not in _KNOWN and (near := nearest(key, CASE_KEYS, cutoff=0.8)):
            raise InvalidCase(f"key {shown(key)}: there is no such key; did you mean {shown(near)}?")


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
        problem = f"expected an object of rules by argument, or a list of them; found {_found(value)}"
        raise InvalidCase(f'key "match": {problem}')
    found: Mapping[str, Any] | list[Mapping[str, Any]] = value
    return found


def _found(value: Any) -> str:
    return shown(value) if isinstance(value, str | int | float | bool) else named_type(value)
