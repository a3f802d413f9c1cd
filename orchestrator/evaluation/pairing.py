"""Which answered call stands for which expected one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.evaluation.arguments import accepts_leniently, compare_arguments
from orchestrator.evaluation.attempts import Attempt, Pair
from orchestrator.evaluation.expectations import Calls, ExpectedCall
from orchestrator.evaluation.verdicts import NO_ARGUMENTS, ArgumentCounts, Mistake

MOST_CALLS = 128
"""Answered calls that are looked at. A request may declare as many tools, and no answer needs more calls."""


@dataclass(frozen=True)
class Pairing:
    """One pair for each expected call, in their order."""

    pairs: tuple[Pair, ...]
    unpaired: ArgumentCounts
    """The arguments of attempts that no expected call was paired with."""

    @property
    def arguments(self) -> ArgumentCounts:
        counts = self.unpaired
        for pair in self.pairs:
            counts += pair.counts
        return counts


def pair_calls(expected: Calls, attempts: Sequence[Attempt]) -> Pairing:
    """Pair expected calls with attempts at the typed level: by place where order counts, else as many right ones as
    possible, then calls of the same tool, then any."""
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
    """True where the attempts are the expected calls at the lenient level, one for each and none over."""
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
    """For each call the index of an attempt that fits, so that as many as possible have one; None for the others.

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
    """Give each call without an attempt the first one left, where `alike` only one of the same tool."""
    for number, call in enumerate(calls):
        if chosen[number] is None:
            left = (index for index in range(len(attempts)) if index not in chosen)
            fitting = (index for index in left if not alike or attempts[index].name == call.name)
            chosen[number] = next(fitting, None)
