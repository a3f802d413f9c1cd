"""Checks a whole evaluation file before any model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.files import inspect_file, open_as_sent
from orchestrator.dataset.findings import shown
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines
from orchestrator.dataset.profile.prompts import Prompts
from orchestrator.errors import InvalidCases
from orchestrator.evaluation.cases import Case, read_case
from orchestrator.evaluation.scoring.arguments import compare_arguments
from orchestrator.evaluation.scoring.expectations import Calls, ExpectedCall, Rejection, Rejections
from orchestrator.evaluation.scoring.rules import ABSENT, InvalidCase
from orchestrator.evaluation.scoring.tools import Toolsets, is_required

MOST_PROBLEMS = 50
"""Problems that are listed; the others are only counted."""


@dataclass(frozen=True)
class CaseFile:
    """A valid evaluation file, with what its cases have in common."""

    path: Path
    sha256: str
    """The hash of the bytes without a byte-order mark, in hex."""
    cases: int
    slices: Mapping[str, int]
    """The number of cases in each slice, in file order."""
    rejections: Rejections
    tools: frozenset[str]
    """The names of tools that its cases declare or expect to be called."""
    prompts: Prompts = field(repr=False)
    """Its requests, to search training files for."""


def check_cases(path: Path, rejection_tools: frozenset[str] = frozenset()) -> CaseFile:
    """Check every line of an evaluation file, in bounded memory.

    Raises InvalidCases (with lines and keys), DataFileNotFound, DataFileUnreadable or DataFileEmpty.
    """
    file = inspect_file(path)
    prompts = _sound_prompts(path)
    found = _Found()
    toolsets = Toolsets()
    with open_as_sent(path) as stream:
        for number, line in numbered_lines(stream):
            if line is None:
                continue
            try:
                found.add(read_case(number, parse_json(line), toolsets, rejection_tools))
            except InvalidCase as error:
                found.note(path, number, error.problem)
    found.raise_problems(path)
    rejections = Rejections(frozenset(found.rejection_tools) | rejection_tools, found.rejects_in_text)
    return CaseFile(path, file.sha256, len(found.lines), found.slices, rejections, frozenset(found.tools), prompts)


def _sound_prompts(path: Path) -> Prompts:
    """The file's requests. Raises InvalidCases if a line breaks the training format."""
    report = check_file(path, method="supervised", purpose="evaluation", count_tokens=False)
    if report.errors:
        named = [finding.said_of(path) for finding in report.errors[:MOST_PROBLEMS]]
        raise InvalidCases(path, named, report.total("error") - len(named))
    return report.survey.prompts


@dataclass
class _Found:
    lines: dict[str, int] = field(default_factory=dict)
    """The line of each id."""
    slices: dict[str, int] = field(default_factory=dict)
    tools: set[str] = field(default_factory=set)
    rejection_tools: set[str] = field(default_factory=set)
    rejects_in_text: bool = False
    problems: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, case: Case) -> None:
        if (first := self.lines.setdefault(case.id, case.line)) != case.line:
            raise InvalidCase(f'key "id": {shown(case.id)} is already the id of line {first}')
        if (problem := next(case_problems(case), None)) is not None:
            raise InvalidCase(problem)
        for name in case.slices:
            self.slices[name] = self.slices.get(name, 0) + 1
        self.tools.update(case.tools.tools)
        for expected in case.accepted:
            if isinstance(expected, Calls):
                self.tools.update(call.name for call in expected.calls)
            if isinstance(expected, Rejection) and expected.tool is not None:
                self.tools.add(expected.tool)
                self.rejection_tools.add(expected.tool)
            self.rejects_in_text |= isinstance(expected, Rejection) and expected.tool is None

    def note(self, path: Path, line: int, problem: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{path}:{line}: {problem}.")
        else:
            self.left_out += 1

    def raise_problems(self, path: Path) -> None:
        if self.problems:
            raise InvalidCases(path, self.problems, self.left_out)


def case_problems(case: Case) -> Iterator[str]:
    """What makes the case impossible to answer correctly, or misleading."""
    calls = [call for expected in case.accepted if isinstance(expected, Calls) for call in expected.calls]
    named = [expected.tool for expected in case.accepted if isinstance(expected, Rejection) and expected.tool]
    for name in (*(call.name for call in calls), *named):
        if case.tools.tools and name not in case.tools:
            yield f"the expected answer calls {shown(name)}, which the case does not declare"
    for call in calls:
        yield from _call_problems(call, case)
    yield from _rules_without_argument(calls)


def _call_problems(call: ExpectedCall, case: Case) -> Iterator[str]:
    tool, arguments = case.tools.get(call.name), call.arguments
    if tool is not None and not tool.allows(arguments):
        problem = next(tool.problems(arguments)).message
        yield f"the expected call of {shown(call.name)} breaks the tool's own schema: {problem}"
        return
    for name in tool.hallucinated(arguments) if tool else ():
        yield f"the expected call of {shown(call.name)} gives {shown(name)}, which the tool does not declare"
    mismatch = compare_arguments(arguments, arguments, tool, call.rules, valid=True).mismatch
    if mismatch is not None:
        key = ".".join("*" if isinstance(part, int) else part for part in mismatch.path)
        yield f"{_match_key(key)}: the expected value itself breaks this rule"
    for name, node in call.rules.inner.items() if call.rules else ():
        if tool is not None and node.optional and is_required(tool.schema, name):
            yield f"{_match_key(name)}: it can't be optional, since {shown(call.name)} requires it"


def _rules_without_argument(calls: list[ExpectedCall]) -> Iterator[str]:
    for rules in {id(call.rules): call.rules for call in calls if call.rules}.values():
        sharing = [call for call in calls if call.rules is rules]
        for key, rule in rules.rules():
            if rule.needs_expected and not any(_given(call.arguments, key.split(".")) for call in sharing):
                yield f"{_match_key(key)}: no expected call gives this argument"


def _match_key(key: str) -> str:
    return f'key "match.{shown(key)[1:-1]}"'


def _given(value: Any, path: list[str]) -> bool:
    """True if `path`, with * for any item of a list, leads to a value."""
    if not path:
        return value is not ABSENT
    if isinstance(value, list):
        return path[0] == "*" and any(_given(item, path[1:]) for item in value)
    return isinstance(value, dict) and path[0] in value and _given(value[path[0]], path[1:])
