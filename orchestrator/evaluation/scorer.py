"""Scores one answer against its case.

docs/evaluation.md has the rules and their sources. Nothing that a model wrote is ever executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.dataset.findings import printable, shown
from orchestrator.endpoints.refusals import shortened
from orchestrator.evaluation.answers import Answer
from orchestrator.evaluation.cases import Case
from orchestrator.evaluation.scoring.calls import (
    Attempt,
    Pairing,
    all_met_leniently,
    attempt_of,
    describe,
    pair_calls,
)
from orchestrator.evaluation.scoring.expectations import Calls, Expected, Rejection, Rejections, Text
from orchestrator.evaluation.scoring.verdicts import (
    NO_ARGUMENTS,
    ArgumentCounts,
    CallCounts,
    Decision,
    Difference,
    Level,
    Mistake,
    Verdict,
)

_LONGEST_ERROR = 500
_NO_REJECTIONS = Rejections()


def score(case: Case, answer: Answer, rejections: Rejections = _NO_REJECTIONS) -> Verdict:
    """The verdict on an answer, compared with the nearest accepted answer.

    `rejections` says which calls reject a request; those that the case itself expects always do.
    """
    if answer.api_error:
        difference = Difference(Mistake.API_ERROR, found=printable(shortened(answer.api_error, _LONGEST_ERROR)))
        return Verdict(case.id, case.expects, None, None, difference)
    attempts = [attempt_of(call, case.tools) for call in answer.calls]
    outcome = _nearest([_outcome(expected, attempts, answer) for expected in case.accepted])
    rejects = _rejects(case, attempts, answer, rejections)
    return Verdict(
        case=case.id,
        expects=case.expects,
        decision=_decision(case, attempts, rejects),
        level=outcome.level,
        difference=outcome.difference,
        rejected=rejects,
        expected_tools=outcome.expected_tools,
        called_tools=tuple([attempt.name for attempt in attempts]),
        calls=_call_counts(attempts),
        arguments=outcome.arguments,
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The comparison of an answer with one accepted answer."""

    level: Level | None
    difference: Difference | None = None
    expected_tools: tuple[str, ...] = ()
    arguments: ArgumentCounts = NO_ARGUMENTS


def _nearest(outcomes: Sequence[_Outcome]) -> _Outcome:
    """The strictest level reached, then the most right arguments; the first of equals."""
    if len(outcomes) == 1:
        return outcomes[0]
    levels = [*Level, None]
    return min(outcomes, key=lambda outcome: (levels.index(outcome.level), -outcome.arguments.right))


def _outcome(expected: Expected, attempts: Sequence[Attempt], answer: Answer) -> _Outcome:
    if isinstance(expected, Calls):
        return _calls_outcome(expected, attempts, answer)
    if isinstance(expected, Rejection):
        names = (expected.tool,) if expected.tool else ()
        return _unless(_rejection_difference(expected, attempts, answer), names)
    return _unless(_text_difference(expected, attempts, answer), ())


def _unless(difference: Difference | None, names: tuple[str, ...]) -> _Outcome:
    return _Outcome(Level.EXACT if difference is None else None, difference, names)


# --- Calls -------------------------------------------------------------------------------------------------------


def _calls_outcome(expected: Calls, attempts: Sequence[Attempt], answer: Answer) -> _Outcome:
    wanted = ArgumentCounts(expected=expected.argument_count)
    if not attempts:
        mistake = Mistake.REFUSAL if answer.refused else Mistake.DID_NOT_CALL
        return _Outcome(None, Difference(mistake, expected=_listed(expected.names)), expected.names, wanted)
    if _is_exact(expected, attempts):
        number = wanted.expected
        return _Outcome(Level.EXACT, None, expected.names, ArgumentCounts(number, number, number))
    typed = pair_calls(expected, attempts)
    difference = _count_difference(expected, attempts) or _first_difference(expected, typed)
    level: Level | None = Level.TYPED
    if difference is not None:
        level = Level.LENIENT if all_met_leniently(expected, attempts) else None
    return _Outcome(level, difference, expected.names, typed.arguments)


def _is_exact(expected: Calls, attempts: Sequence[Attempt]) -> bool:
    if len(expected.calls) != len(attempts):
        return False
    if expected.ordered or len(attempts) == 1:
        pairs = zip(expected.calls, attempts, strict=True)
        return all(call.name == attempt.name and call.canonical == attempt.canonical for call, attempt in pairs)
    wanted = Counter((call.name, call.canonical) for call in expected.calls)
    return wanted == Counter((attempt.name, attempt.canonical) for attempt in attempts)


def _count_difference(expected: Calls, attempts: Sequence[Attempt]) -> Difference | None:
    if len(expected.calls) == len(attempts):
        return None
    found = f"{len(attempts)} ({_listed([attempt.name for attempt in attempts])})"
    return Difference(Mistake.WRONG_NUMBER_OF_CALLS, expected=str(len(expected.calls)), found=found)


def _first_difference(expected: Calls, pairing: Pairing) -> Difference | None:
    """What is wrong with the first expected call that is not met."""
    for index, pair in enumerate(pairing.pairs):
        if pair.mistake is not None:
            where = f"call {index + 1}" if len(expected.calls) > 1 else ""
            return describe(expected.calls[index], pair, where)
    return None


def _call_counts(attempts: Sequence[Attempt]) -> CallCounts:
    declared = valid = hallucinated = arguments = 0
    for attempt in attempts:
        declared += attempt.tool is not None
        valid += attempt.keeps_to_schema
        hallucinated += attempt.is_hallucinated
        arguments += attempt.hallucinated_arguments
    return CallCounts(len(attempts), declared, valid, hallucinated, arguments)


# --- Text and rejection ------------------------------------------------------------------------------------------


def _text_difference(expected: Text, attempts: Sequence[Attempt], answer: Answer) -> Difference | None:
    if attempts:
        return _needless(attempts)
    if answer.refused:
        return Difference(Mistake.REFUSAL)
    text = answer.text.casefold()
    lacking = next((part for part in expected.must_contain if part.casefold() not in text), None)
    if lacking is not None:
        return Difference(Mistake.WRONG_TEXT, expected=shown(lacking), found=shown(answer.text))
    return None


def _rejection_difference(expected: Rejection, attempts: Sequence[Attempt], answer: Answer) -> Difference | None:
    if expected.tool is None:
        return _needless(attempts) if attempts else None
    if not attempts:
        return Difference(Mistake.REFUSAL if answer.refused else Mistake.DID_NOT_CALL, expected=expected.tool)
    if any(attempt.name != expected.tool for attempt in attempts):
        return _needless([attempt for attempt in attempts if attempt.name != expected.tool], expected.tool)
    if len(attempts) > 1:
        return Difference(Mistake.WRONG_NUMBER_OF_CALLS, expected="1", found=str(len(attempts)))
    bad = next((attempt for attempt in attempts if attempt.arguments is None), None)
    if bad is not None:
        return Difference(Mistake.INVALID_JSON, found=bad.problem)
    if not all(attempt.keeps_to_schema for attempt in attempts):
        return Difference(Mistake.SCHEMA_VIOLATION, expected.tool)
    return None


def _needless(attempts: Sequence[Attempt], expected: str = "") -> Difference:
    names = _listed([attempt.name for attempt in attempts])
    return Difference(Mistake.CALLED_NEEDLESSLY, expected=expected, found=names)


# --- Decisions ---------------------------------------------------------------------------------------------------


def _rejects(case: Case, attempts: Sequence[Attempt], answer: Answer, rejections: Rejections) -> bool:
    own = case.rejections
    if not attempts:
        return answer.refused or rejections.in_text or own.in_text
    return all(attempt.name in rejections.tools or attempt.name in own.tools for attempt in attempts)


def _decision(case: Case, attempts: Sequence[Attempt], rejects: bool) -> Decision:
    if rejects or not attempts:
        return Decision.RIGHTLY_DID_NOT_ACT if case.may_stay else Decision.DID_NOT_ACT
    if sorted(attempt.name for attempt in attempts) in case.tool_choices:
        return Decision.RIGHT_TOOL
    return Decision.WRONG_TOOL if case.expects == "call" else Decision.ACTED_NEEDLESSLY


def _listed(names: Sequence[str]) -> str:
    return ", ".join(shown(name)[1:-1] or "a call without a name" for name in names[:5]) + (
        ", …" if len(names) > 5 else ""
    )
