"""Compares the arguments of one call with the expected ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.evaluation.scoring.rules import ABSENT, RuleNode, SchemaValid, same
from orchestrator.evaluation.scoring.tools import (
    EMPTY_SCHEMA,
    SchemaProblem,
    Tool,
    is_required,
    means_absent,
    property_schema,
)
from orchestrator.evaluation.scoring.verdicts import ArgumentCounts, Mistake

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first place where arguments differ from the expected ones. A side without a value is ABSENT."""

    mistake: Mistake
    path: Path
    expected: Any
    found: Any
    rule: str = ""
    """The schema rule that the value breaks, for SCHEMA_VIOLATION."""


@dataclass(frozen=True, slots=True)
class Match:
    """The comparison of arguments with the expected ones at one level; right if `mismatch` is None."""

    mismatch: Mismatch | None
    counts: ArgumentCounts


def compare_arguments(
    expected: Mapping[str, Any], found: Mapping[str, Any], tool: Tool | None, rules: RuleNode | None, valid: bool
) -> Match:
    """Compare all arguments at the typed level, so that each is counted, and find the first wrong one.

    Missing arguments come first, then extra ones, then wrong values in the order expected, then other schema
    violations. Without a `tool` there is no schema; `valid` says whether the schema allows `found`.
    """
    right = wanted = given = 0
    first: Mismatch | None = None
    for name, mismatch in _judged(expected, found, tool.schema if tool else EMPTY_SCHEMA, rules, False):
        wanted += name in expected
        given += name in found
        right += mismatch is None
        if mismatch is not None and (first is None or _rank(mismatch) < _rank(first)):
            first = mismatch
    if tool is not None:
        first = _with_schema(first, found, tool, rules, valid)
    return Match(first, ArgumentCounts(right, wanted, given))


def accepts_leniently(
    expected: Mapping[str, Any], found: Mapping[str, Any], tool: Tool | None, rules: RuleNode | None, valid: bool
) -> bool:
    """True if the arguments are right at the lenient level. Only a SchemaValid rule checks the schema."""
    judged = _judged(expected, found, tool.schema if tool else EMPTY_SCHEMA, rules, True)
    if any(mismatch is not None for _, mismatch in judged):
        return False
    if valid or tool is None or rules is None:
        return True
    return not any(isinstance(rules.rule_at(problem.path), SchemaValid) for problem in tool.problems(found))


def _judged(
    expected: Mapping[str, Any],
    found: Mapping[str, Any],
    schema: Mapping[str, Any],
    rules: RuleNode | None,
    lenient: bool,
) -> Iterator[tuple[str, Mismatch | None]]:
    """Each relevant name of two objects, with what is wrong with it; names that may be absent are skipped."""
    for name, value in expected.items():
        inner, node = property_schema(schema, name), rules.below(name) if rules else None
        if name in found:
            yield name, _below(name, _difference(value, found[name], inner, node, lenient))
        elif not _may_be_left_out(name, value, schema, inner, node):
            yield name, Mismatch(Mistake.MISSING_ARGUMENT, (name,), value, ABSENT)
    for name, value in found.items():
        if name in expected:
            continue
        node = rules.below(name) if rules else None
        if not _may_be_given(value, property_schema(schema, name), node, lenient):
            yield name, Mismatch(Mistake.EXTRA_ARGUMENT, (name,), ABSENT, value)


def _may_be_left_out(
    name: str, value: Any, schema: Mapping[str, Any], inner: Mapping[str, Any], node: RuleNode | None
) -> bool:
    if is_required(schema, name):
        return False
    return (node is not None and node.optional) or means_absent(inner, value)


def _may_be_given(value: Any, inner: Mapping[str, Any], node: RuleNode | None, lenient: bool) -> bool:
    if node is not None and node.rule is not None and node.rule.accepts(ABSENT, value, lenient):
        return True
    return means_absent(inner, value)


def _difference(
    expected: Any, found: Any, schema: Mapping[str, Any], node: RuleNode | None, lenient: bool
) -> Mismatch | None:
    if node is not None and node.rule is not None:
        return None if node.rule.accepts(expected, found, lenient) else _wrong_value(expected, found)
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = _judged(expected, found, schema, node, lenient)
        return min((mismatch for _, mismatch in pairs if mismatch), key=_rank, default=None)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return _first_item(expected, found, schema, node, lenient)
    return None if same(expected, found, lenient) else _wrong_value(expected, found)


def _first_item(
    expected: list[Any], found: list[Any], schema: Mapping[str, Any], node: RuleNode | None, lenient: bool
) -> Mismatch | None:
    items = schema.get("items")
    inner = items if isinstance(items, Mapping) else EMPTY_SCHEMA
    for index, (value, other) in enumerate(zip(expected, found, strict=True)):
        mismatch = _difference(value, other, inner, node.below(index) if node else None, lenient)
        if mismatch is not None:
            return _below(index, mismatch)
    return None


def _wrong_value(expected: Any, found: Any) -> Mismatch:
    mistake = Mistake.WRONG_VALUE if _json_type(expected) == _json_type(found) else Mistake.WRONG_TYPE
    return Mismatch(mistake, (), expected, found)


def _json_type(value: Any) -> str:
    return _JSON_TYPES.get(type(value), "null")


_JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def _below(part: str | int, mismatch: Mismatch | None) -> Mismatch | None:
    if mismatch is None:
        return None
    return Mismatch(mismatch.mistake, (part, *mismatch.path), mismatch.expected, mismatch.found, mismatch.rule)


_ORDER = {Mistake.MISSING_ARGUMENT: 0, Mistake.EXTRA_ARGUMENT: 1}


def _rank(mismatch: Mismatch) -> int:
    return _ORDER.get(mismatch.mistake, 2) if len(mismatch.path) == 1 else 2


def _with_schema(
    first: Mismatch | None, found: Mapping[str, Any], tool: Tool, rules: RuleNode | None, valid: bool
) -> Mismatch | None:
    """The mismatch in the schema's terms; without a mismatch, the first schema violation."""
    if first is None:
        return None if valid else _first_violation(found, tool, rules)
    if first.mistake is Mistake.EXTRA_ARGUMENT and first.path[0] in tool.hallucinated(found):
        return Mismatch(Mistake.HALLUCINATED_ARGUMENT, first.path, first.expected, first.found)
    if valid or first.mistake is not Mistake.WRONG_VALUE:
        return first
    about = (problem for problem in tool.problems(found) if problem.path[: len(first.path)] == first.path)
    problem = next(about, None)
    if problem is None:
        return first
    return Mismatch(_mistake(problem), first.path, first.expected, first.found, problem.message)


def _first_violation(found: Mapping[str, Any], tool: Tool, rules: RuleNode | None) -> Mismatch | None:
    for problem in tool.problems(found):
        rule = rules.rule_at(problem.path) if rules else None
        if rule is None or not rule.excuses_schema:
            return _violation(problem, found)
    return None


def _violation(problem: SchemaProblem, found: Mapping[str, Any]) -> Mismatch:
    value: Any = found
    for part in problem.path:
        value = value[part]
    return Mismatch(_mistake(problem), problem.path, ABSENT, value, problem.message)


def _mistake(problem: SchemaProblem) -> Mistake:
    return Mistake.WRONG_TYPE if problem.is_type else Mistake.SCHEMA_VIOLATION
