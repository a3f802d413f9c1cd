"""Wrong answers in full: the request, the expected answer, the answer, and the first error.

They are read from recorded scores, recorded answers and the evaluation file; no model is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from orchestrator.dataset.findings import printable
from orchestrator.dataset.jsontext import NotJson, parse_json
from orchestrator.endpoints.refusals import shortened
from orchestrator.evaluation.answers import Answer, read_answer
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.cases import Case
from orchestrator.evaluation.plan import Plan, all_questions, asked_as
from orchestrator.evaluation.results import Results, Series
from orchestrator.evaluation.scores import ScoredAnswer, read_scored
from orchestrator.evaluation.scoring.expectations import Calls, Expected, Rejection
from orchestrator.ledger import Ledger
from orchestrator.store import evaluations as store

_LONGEST = 400
"""In characters, of a request or an answer."""
_LONGEST_VALUE = 120
_MOST_ALTERNATIVES = 3
_Key = tuple[str, str, str, int]
"""Model, variant, case and sample."""


@dataclass(frozen=True)
class WrongAnswer:
    """One wrong answer; `sample` counts from 0."""

    case: str
    line: int
    sample: int
    request: str
    expected: str
    got: str
    reason: str
    base_was_right: bool
    """The base answered the same question correctly."""


@dataclass(frozen=True)
class WrongAnswers:
    """The wrong answers of one model in one variant: first those the base had right, then in file order."""

    series: Series
    total: int
    answers: Sequence[WrongAnswer]
    """At most the requested number."""


def wrong_answers(ledger: Ledger, plan: Plan, results: Results, most: int) -> list[WrongAnswers]:
    """Up to `most` wrong answers of each tuned model, or of every model if only bases were asked."""
    judged = [series for series in results.series if not series.is_base] or list(results.series)
    found = {series.key: _wrong(ledger, results, series) for series in judged}
    wanted = {_key(each) for wrong in found.values() for each, _ in wrong[:most]}
    contents = _contents(ledger, plan, wanted)
    return [
        WrongAnswers(
            series,
            len(found[series.key]),
            [_shown(each, is_broken, *contents[_key(each)]) for each, is_broken in found[series.key][:most]],
        )
        for series in judged
    ]


def _key(scored: ScoredAnswer) -> _Key:
    return scored.model, scored.variant, scored.id, scored.sample


def _wrong(ledger: Ledger, results: Results, series: Series) -> list[tuple[ScoredAnswer, bool]]:
    """The wrong answers, each with whether the base was right."""
    bases = (each for each in results.series if each.is_base and each.variant == series.variant)
    base = next((each for each in bases if each.key != series.key), None)
    right = set(_right(ledger, results, base)) if base else set()
    scored = read_scored(ledger, results.evaluation.id, series.key)
    wrong = [each for each in scored if not each.verdict.is_api_error and not each.verdict.right()]
    paired = [(each, (each.id, each.sample) in right) for each in wrong]
    return sorted(paired, key=lambda pair: not pair[1])


def _right(ledger: Ledger, results: Results, series: Series) -> Iterator[tuple[str, int]]:
    for each in read_scored(ledger, results.evaluation.id, series.key):
        if not each.verdict.is_api_error and each.verdict.right():
            yield each.id, each.sample


def _contents(ledger: Ledger, plan: Plan, wanted: set[_Key]) -> Mapping[_Key, tuple[Case, Answer]]:
    """The case and the recorded answer of each requested key."""
    asked: dict[_Key, tuple[Case, Question]] = {}
    for case, question in all_questions(plan.cases.path, plan.settings, plan.grid) if wanted else ():
        key = (question.model, question.variant, case.id, question.sample)
        if key in wanted:
            asked[key] = (case, question)
    with ledger.database.read() as connection:
        recorded = store.answers_to(connection, plan.config.name, [asked_as(each) for _, each in asked.values()])
    return {
        key: (case, read_answer(recorded[asked_as(question)].completion)) for key, (case, question) in asked.items()
    }


def _shown(scored: ScoredAnswer, is_broken: bool, case: Case, answer: Answer) -> WrongAnswer:
    return WrongAnswer(
        case=scored.id,
        line=scored.line,
        sample=scored.sample,
        request=_request(case),
        expected=_expected(case.accepted),
        got=_got(answer),
        reason=str(scored.verdict.difference),
        base_was_right=is_broken,
    )


def _request(case: Case) -> str:
    """The user's last message."""
    said = (message.get("content") for message in reversed(case.request["messages"]) if message["role"] == "user")
    content = next(said, "")
    return _short(content) if isinstance(content, str) else "(text and images)"


def _expected(accepted: Sequence[Expected]) -> str:
    named = [_one_expected(each) for each in accepted[:_MOST_ALTERNATIVES]]
    return _short(" or ".join([*named, "…"] if len(accepted) > _MOST_ALTERNATIVES else named))


def _one_expected(expected: Expected) -> str:
    if isinstance(expected, Calls):
        return _joined([_call(call.name, call.arguments) for call in expected.calls])
    if isinstance(expected, Rejection):
        return f"{expected.tool}(…)" if expected.tool else "no call: the request should be rejected"
    parts = " and ".join(f'"{part}"' for part in expected.must_contain)
    return f"no call, a text with {parts}" if parts else "no call, a text"


def _got(answer: Answer) -> str:
    if answer.calls:
        return _short(_joined([_call(call.name, _parsed(call.arguments)) for call in answer.calls]))
    if answer.refused:
        return _short(f'a refusal: "{answer.text}"') if answer.text else "a refusal"
    return _short(f'no call, the text "{answer.text}"') if answer.text else "no call and no text"


def _parsed(arguments: str) -> Any:
    """The parsed arguments, or the text itself if it is not JSON."""
    try:
        return parse_json(arguments)
    except NotJson:
        return arguments


def _call(name: str, arguments: Any) -> str:
    if not isinstance(arguments, Mapping):
        return f"{name}({arguments})"
    return f"{name}({', '.join(f'{key}={_value(value)}' for key, value in arguments.items())})"


def _value(value: Any) -> str:
    try:
        return shortened(orjson.dumps(value).decode(), _LONGEST_VALUE)
    except TypeError:  # numbers that orjson does not write
        return shortened(str(value), _LONGEST_VALUE)


def _joined(calls: Sequence[str]) -> str:
    return " and ".join(calls)


def _short(text: str) -> str:
    return printable(shortened(text, _LONGEST))
