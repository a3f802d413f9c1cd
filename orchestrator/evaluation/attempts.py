"""A call as it was answered, read once, and what is wrong with it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.checking.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.evaluation.answers import AnsweredCall
from orchestrator.evaluation.arguments import Mismatch
from orchestrator.evaluation.expectations import ExpectedCall
from orchestrator.evaluation.toolset import Tool, Toolset
from orchestrator.evaluation.values import ABSENT, canonical
from orchestrator.evaluation.verdicts import ArgumentCounts, Difference, Mistake

LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answered call. `arguments` is None, and `problem` says why, where its text is no JSON object."""

    name: str
    tool: Tool | None
    """None where the request declares no such tool."""
    arguments: dict[str, Any] | None
    canonical: bytes
    problem: str
    is_hallucinated: bool
    keeps_to_schema: bool
    """The tool is declared, and its schema allows the arguments."""
    hallucinated_arguments: int


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected call and the attempt that it was paired with; None where none was left."""

    attempt: Attempt | None
    mismatch: Mismatch | None
    """Where the arguments differ; None where they don't, or there are none to compare."""
    mistake: Mistake | None
    """None where the attempt is right."""
    counts: ArgumentCounts


def attempt_of(call: AnsweredCall, tools: Toolset) -> Attempt:
    """Read an answered call. Whatever the model wrote, this raises nothing."""
    tool = tools.get(call.name)
    hallucinated = tool is None and bool(tools.tools)
    arguments, text, problem = _read(call.arguments)
    if arguments is None or tool is None:
        return Attempt(call.name, tool, arguments, text, problem, hallucinated, False, 0)
    undeclared = len(tool.hallucinated(arguments))
    return Attempt(call.name, tool, arguments, text, problem, hallucinated, tool.allows(arguments), undeclared)


def _read(written: str) -> tuple[dict[str, Any] | None, bytes, str]:
    try:
        value = parse_json(written)
        if isinstance(value, dict):
            return value, canonical(value), ""
        return None, b"", f"{named_type(value)} instead of an object"
    except NotJson as error:
        return None, b"", f"{shown(written)}: {error.problem}"
    except TypeError:
        return None, b"", "arguments nested too deeply"


def describe(expected: ExpectedCall, pair: Pair, where: str) -> Difference | None:
    """The difference between an expected call and its pair, in words; None where there is none."""
    if pair.mistake is None:
        return None
    attempt = pair.attempt
    if pair.mistake is Mistake.WRONG_TOOL or attempt is None:
        found = shown(attempt.name)[1:-1] if attempt else ""
        return Difference(Mistake.WRONG_TOOL, where, expected.name, found)
    if pair.mismatch is None:
        return Difference(pair.mistake, where, "", attempt.problem)
    return _mismatch_difference(pair.mismatch, where)


def _mismatch_difference(mismatch: Mismatch, where: str) -> Difference:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in mismatch.path)
    argument = f"argument {shown(path[1:])[1:-1]}" if path else ""
    place = ", ".join(part for part in (where, argument) if part)
    expected = "" if mismatch.expected is ABSENT else _shown(mismatch.expected)
    found = "" if mismatch.found is ABSENT else _shown(mismatch.found)
    if mismatch.rule and not expected:
        expected, found = "", shown(mismatch.rule, 160)[1:-1]
    return Difference(mismatch.mistake, place, expected, found)


def _shown(value: Any) -> str:
    """A value in JSON, short enough for a table."""
    text = canonical(value).decode()
    return text if len(text) <= LONGEST_SHOWN and text.isprintable() else shown(text)[1:-1]
