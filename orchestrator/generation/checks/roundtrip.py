"""The round trip: a model sees only the request and the tools, and must return the calls of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.dataset.profile.fingerprints import canonical, json_text
from orchestrator.evaluation.answers import Answer, read_answer
from orchestrator.evaluation.scoring.calls import attempt_of, pair_calls
from orchestrator.evaluation.scoring.expectations import Calls, ExpectedCall
from orchestrator.evaluation.scoring.tools import Tool, Toolset
from orchestrator.generation.calls import Call, Drop, Function, Kind, Written
from orchestrator.generation.examples import Writer
from orchestrator.jobfile.generate import Generate


@dataclass(frozen=True)
class Check:
    """One question to the verifier: the body of a chat completion request, and the expected calls."""

    request: Mapping[str, Any]
    expected: tuple[Call, ...]


class RoundTrip:
    """Checks that a request leads to its answer."""

    def __init__(self, functions: Sequence[Function], settings: Generate) -> None:
        self._writer = Writer(functions, settings)
        self._settings = settings
        self._tools = [function.definition for function in functions]
        self._toolset = Toolset({each.name: Tool(each.name, each.schema) for each in functions})

    def checks(self, written: Written) -> list[Check]:
        """One question; two for a conversation of two requests."""
        found = [Check(self._body(self._writer.request(written)), written.target.calls)]
        if written.target.kind == Kind.TURNS:
            found.append(Check(self._body(self._writer.second_request(written)), written.target.then))
        return found

    def fault(self, written: Written, check: Check, completion: Mapping[str, Any]) -> Drop | None:
        """The drop of a request that fails the round trip with this answer; None if it passes."""
        answer = read_answer(completion)
        agrees = _meets(check.expected, answer, self._toolset)
        kind = written.target.kind
        if kind in (Kind.REJECT, Kind.MISSING):
            called = [call for call in answer.calls if call.name != self._settings.rejection_tool]
            if kind == Kind.MISSING and not agrees:
                return None  # a model that invents a value does not prove that the request gives it
            if not called:
                return None
            detail = f"A function fits: the verifier called {_said(answer)}."
            return Drop(
                written.target.id, "possible" if kind == Kind.REJECT else "value-given", detail, written.text
            )
        if agrees:
            return None
        detail = f"The verifier answered {_said(answer)}, not {_shown(check.expected)}."
        return Drop(written.target.id, "round-trip", detail, written.text)

    def _body(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "model": self._settings.verifier or self._settings.model,
            "messages": messages,
            "tools": self._tools,
            "parallel_tool_calls": True,
        }


def _meets(expected: Sequence[Call], answer: Answer, tools: Toolset) -> bool:
    """Whether the answer has exactly these calls, in any order, with arguments of equal values and types."""
    if len(answer.calls) != len(expected):
        return False
    calls = tuple(ExpectedCall(call.name, call.arguments, None, canonical(call.arguments)) for call in expected)
    attempts = [attempt_of(call, tools) for call in answer.calls]
    return all(pair.mistake is None for pair in pair_calls(Calls(calls), attempts).pairs)


def _said(answer: Answer) -> str:
    if not answer.calls:
        return "no call"
    return ", ".join(f"{call.name}({call.arguments})" for call in answer.calls)[:300]


def _shown(calls: Sequence[Call]) -> str:
    return ", ".join(f"{call.name}({json_text(call.arguments).decode()})" for call in calls)[:300]
