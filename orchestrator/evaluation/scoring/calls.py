"""Pairs answered calls with expected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.findings import named_type, shown
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.evaluation.answers import AnsweredCall
from orchestrator.evaluation.scoring.arguments import Mismatch, accepts_leniently, compare_arguments
from orchestrator.evaluation.scoring.expectations import Calls, ExpectedCall
from orchestrator.evaluation.scoring.rules import ABSENT, canonical
from orchestrator.evaluation.scoring.tools import Tool, Toolset
from orchestrator.evaluation.scoring.verdicts import NO_ARGUMENTS, ArgumentCounts, Difference, Mistake

MOST_CALLS = 128
"""Answered calls that are scored. A request may declare this many tools; no answer needs more calls."""


@dataclass(frozen=True)
class Pairing:
    """One pair for each expected call, in order."""

    pairs: tuple[Pair, ...]
    unpaired: ArgumentCounts
    """The arguments of attempts without an expected call."""

    @property
    def arguments(self) -> ArgumentCounts:
        counts = self.unpaired
        for pair in self.pairs:
            counts += pair.counts
        return counts


def pair_calls(expected: Calls, attempts: Sequence[Attempt]) -> Pairing:
    """Pair expected calls with attempts at the typed level: by position if order matters, else as many right pairs
    as possible, then calls of the same tool, then any."""
    calls = expected.calls
    if len(calls) == len(attempts) == 1:
        return Pairing((_pair(calls[0], attempts[0]),), NO_ARGUMENTS)
    attempts = attempts[:MOST_CALLS]
    if expected.ordered:
        chosen = [index if index < len(attempts) else None for index in range(len(calls))]
    else:
        chosen = _matching(calls, attempts, lambda call, attempt: _pair(call, attempt).mistake is None)
        _fill(chosen, calls, attempts, alike=True)
        _fill(chosen, calls, attempts, alike=False)
    pairs = [_pair(call, None if i is None else attempts[i]) for call, i in zip(calls, chosen, strict=True)]
    left = sum(len(attempt.arguments or ()) for index, attempt in enumerate(attempts) if index not in chosen)
    return Pairing(tuple(pairs), ArgumentCounts(answered=left))


def all_met_leniently(expected: Calls, attempts: Sequence[Attempt]) -> bool:
    """True if the attempts match the expected calls one to one at the lenient level."""
    if len(expected.calls) != len(attempts):
        return False

    def fits(call: ExpectedCall, attempt: Attempt) -> bool:
        if call.name != attempt.name or attempt.arguments is None:
            return False
        return accepts_leniently(
            call.arguments, attempt.arguments, attempt.tool, call.rules, valid=attempt.keeps_to_schema
        )

    if expected.ordered or len(attempts) == 1:
        return all(map(fits, expected.calls, attempts))
    return None not in _matching(expected.calls, attempts, fits)


def _pair(call: ExpectedCall, attempt: Attempt | None) -> Pair:
    if attempt is None:
        return Pair(None, None, Mistake.WRONG_TOOL, ArgumentCounts(expected=len(call.arguments)))
    if call.name != attempt.name or attempt.arguments is None:
        mistake = Mistake.WRONG_TOOL if call.name != attempt.name else Mistake.INVALID_JSON
        counts = ArgumentCounts(expected=len(call.arguments), answered=len(attempt.arguments or ()))
        return Pair(attempt, None, mistake, counts)
    match = compare_arguments(
        call.arguments, attempt.arguments, attempt.tool, call.rules, valid=attempt.keeps_to_schema
    )
    return Pair(attempt, match.mismatch, match.mismatch.mistake if match.mismatch else None, match.counts)


def _matching(
    calls: Sequence[ExpectedCall], attempts: Sequence[Attempt], fits: Callable[[ExpectedCall, Attempt], bool]
) -> list[int | None]:
    """For each call the index of a fitting attempt, for as many calls as possible; None for the others.

    A maximum bipartite matching by augmenting paths (H. W. Kuhn, "The Hungarian method for the assignment problem",
    Naval Research Logistics Quarterly 2 (1955), 83-97).
    """
    fitting = [[i for i, attempt in enumerate(attempts) if fits(call, attempt)] for call in calls]
    owner: dict[int, int] = {}
    for number in range(len(calls)):
        _augment(number, fitting, owner, set())
    index_of = {number: index for index, number in owner.items()}
    return [index_of.get(number) for number in range(len(calls))]


def _augment(number: int, fitting: Sequence[Sequence[int]], owner: dict[int, int], tried: set[int]) -> bool:
    for index in fitting[number]:
        if index in tried:
            continue
        tried.add(index)
        if index not in owner or _augment(owner[index], fitting, owner, tried):
            owner[index] = number
            return True
    return False


def _fill(
    chosen: list[int | None], calls: Sequence[ExpectedCall], attempts: Sequence[Attempt], *, alike: bool
) -> None:
    """Give each call without an attempt the first one left; with `alike`, only one of the same tool."""
    for number, call in enumerate(calls):
        if chosen[number] is None:
            left = (index for index in range(len(attempts)) if index not in chosen)
            fitting = (index for index in left if not alike or attempts[index].name == call.name)
            chosen[number] = next(fitting, None)


# --- One answered call -------------------------------------------------------------------------------------------


LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answered call. If its text is not a JSON object, `arguments` is None and `problem` says why."""

    name: str
    tool: Tool | None
    """None if the request declares no such tool."""
    arguments: dict[str, Any] | None
    canonical: bytes
    problem: str
    is_hallucinated: bool
    keeps_to_schema: bool
    """The tool is declared, and its schema allows the arguments."""
    hallucinated_arguments: int


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected call and its attempt; None if no attempt was left."""

    attempt: Attempt | None
    mismatch: Mismatch | None
    """Where the arguments differ; None if they don't, or if there are none to compare."""
    mistake: Mistake | None
    """None if the attempt is right."""
    counts: ArgumentCounts


def attempt_of(call: AnsweredCall, tools: Toolset) -> Attempt:
    """Read an answered call. Raises nothing, whatever the model wrote."""
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
    """The difference between an expected call and its pair, in words; None if there is none."""
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
