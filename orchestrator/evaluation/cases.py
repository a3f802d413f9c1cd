"""Evaluation cases: a JSONL file in the training format, whose last message is the expected answer.

Further keys of a line, all optional:

    id            the case's name; "line-N" where it has none
    slice/slices  one name, or a list of names, of groups that get figures of their own
    cluster       cases with the same value are paraphrases of one request and count as one
    expect        "call", "text" or "rejection", where the last message alone does not tell
    ordered       true where several calls must come in this order
    must_contain  texts that an answer without a call must contain
    accept        further right answers: messages, or calls {"name": …, "arguments": {…}}
    match         rules by argument, see `rules`; for several calls also a list, one entry for each
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.evaluation.casekeys import MESSAGE_KEYS, read_keys
from orchestrator.evaluation.expectations import (
    Calls,
    Expected,
    Rejection,
    Rejections,
    Text,
    Wishes,
    accepted_of,
    expected_of,
)
from orchestrator.evaluation.problems import InvalidCase
from orchestrator.evaluation.rules import parse_rules
from orchestrator.evaluation.toolset import Toolset, Toolsets
from orchestrator.evaluation.verdicts import Expectation


@dataclass(frozen=True)
class Case:
    """One line of an evaluation file."""

    line: int
    id: str
    slices: tuple[str, ...]
    cluster: str | None
    """What it shares with its paraphrases; None where it stands alone."""
    request: Mapping[str, Any]
    """What to ask: `messages` without the expected answer, `tools` and the like, in the words of the API."""
    tools: Toolset
    accepted: tuple[Expected, ...]
    """The right answers; the first is the line's last message."""

    @cached_property
    def expects(self) -> Expectation:
        """What the expected answer is; further right answers may be of another kind."""
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
        """For each accepted answer that calls tools their names, sorted."""
        return [sorted(expected.names) for expected in self.accepted if isinstance(expected, Calls)]

    @cached_property
    def may_stay(self) -> bool:
        """True where an answer is accepted that does not act: a text or a rejection."""
        return len(self.tool_choices) < len(self.accepted)


def read_cases(path: Path, rejection_tools: frozenset[str] = frozenset()) -> Iterator[Case]:
    """Yield the cases of a file, line by line; a call of one of `rejection_tools` alone is a rejection.

    The file must have passed `check_cases`: lines that are no cases raise InvalidCase, NotJson or worse.
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
    """The case that the row on line `number` (from 1) describes. Raises InvalidCase."""
    keys = read_keys(row)
    rules = tuple(map(parse_rules, keys.match)) if isinstance(keys.match, list) else parse_rules(keys.match)
    wishes = Wishes(keys.expect, keys.ordered, keys.must_contain, rejection_tools, rules)
    messages: Sequence[Any] = row["messages"]
    accepted = (expected_of(messages[-1], wishes), *_further(keys.accept, wishes))
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


def _further(entries: Sequence[Any], wishes: Wishes) -> Iterator[Expected]:
    for index, entry in enumerate(entries, start=1):
        try:
            yield accepted_of(entry, wishes)
        except InvalidCase as error:
            raise InvalidCase(f'key "accept", answer {index}: {error.problem}') from None
