"""The exchange between user, model and functions, independent of network and terminal."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeGuard

from orchestrator.chat.terms import Terms
from orchestrator.errors import NoAnswer, StillCalling
from orchestrator.evaluation.answers import read_answer
from orchestrator.tools.calls import Call, CallRefused, ReadyCall, Wait, error_text, execute, ready

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Sends the body of a chat request and returns the completion as JSON."""

_REJECTED = "The request was rejected."


class Fate(StrEnum):
    """The outcome of a call."""

    EXECUTED = "executed"
    """The function returned a result."""
    RAISED = "raised"
    """The function raised an exception; the model gets its message."""
    STOPPED = "stopped"
    """The user stopped the function while it ran."""
    DECLINED = "declined"
    """The user did not allow it, so nothing was executed."""
    REFUSED = "refused"
    """The call is invalid: an unknown tool, invalid JSON, or arguments that break the schema."""
    REJECTION = "rejection"
    """The call rejects the request; nothing is executed."""
    GIVEN = "given"
    """The tool has no function; the user gave the result."""
    SHOWN = "shown"
    """The tool has no function, and the user gave no result."""


@dataclass(frozen=True)
class Outcome:
    """A call and its outcome."""

    call: Call
    fate: Fate
    text: str
    """The text that the model gets."""
    arguments: Mapping[str, Any] | None = None
    """The checked arguments; None if they could not be checked."""
    problem: str = ""
    """One sentence, if there is no result."""
    seconds: float = 0.0
    traceback: str = ""
    """The traceback of a function that raised."""


@dataclass(frozen=True)
class Reply:
    """The end of a request."""

    text: str
    """The model's last text; "" if it rejected by a call."""
    outcomes: tuple[Outcome, ...]
    refused: bool = False
    cut: bool = False
    open_calls: int = 0
    """The number of calls in the last answer without a result, because their tools have no functions."""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def rejection(self) -> Call | None:
        """The call by which the model rejected the request."""
        return next((outcome.call for outcome in self.outcomes if outcome.fate is Fate.REJECTION), None)

    @property
    def calls(self) -> tuple[Outcome, ...]:
        """The calls at the end of the reply whose tools have no functions."""
        return self.outcomes[-self.open_calls :] if self.open_calls else ()


class Host(Protocol):
    """Decides which calls are executed, and is notified of events."""

    def said(self, text: str) -> None:
        """Called with the text that the model wrote along with its calls."""

    def allows(self, calls: list[ReadyCall]) -> Iterable[bool]:
        """Whether each of these calls of one answer may be executed. Each value is read just before its call; an
        error raised at once prevents them all."""

    def result_of(self, call: ReadyCall) -> str | None:
        """The result of a call whose tool has no function; None for no result."""

    def saw(self, outcome: Outcome) -> None:
        """Called after each call."""

    def stops_functions(self) -> bool:
        """Whether Ctrl-C ends only the running function, not the whole chat."""


@dataclass
class Conversation:
    """A chat so far. An endpoint always accepts `messages` as the beginning of a request."""

    terms: Terms
    ask: Ask
    host: Host
    wait: Wait
    messages: list[dict[str, Any]] = field(default_factory=list)
    _requests: int = 0

    def say(self, request: str) -> Reply:
        """Send a request to the model, execute its calls, and return its answer.

        After an error, `messages` are unchanged unless something was executed. Raises StillCalling after
        `terms.rounds` rounds of calls, and what `ask` and the host raise.
        """
        if not self.messages and self.terms.system is not None:
            self.messages.append(dict(self.terms.system))
        start = len(self.messages)
        self.messages.append({"role": "user", "content": sendable(request)})
        outcomes: list[Outcome] = []
        try:
            answers = list(self._rounds(outcomes))
        except BaseException:
            if not any(outcome.fate in _HAD_AN_EFFECT for outcome in outcomes):
                del self.messages[start:]
            raise
        last = answers[-1]
        return Reply(
            text="" if last.calls else last.text,
            outcomes=tuple(outcomes),
            refused=last.refused,
            cut=last.cut,
            open_calls=self._open_calls(outcomes[len(outcomes) - len(last.calls) :]),
            requests=len(answers),
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=sum(answer.completion_tokens for answer in answers),
        )

    def _rounds(self, outcomes: list[Outcome]) -> Iterable[Answer]:
        """The model's answers, up to the last one of this turn."""
        for number in range(self.terms.rounds + 1):
            answer = self._answer()
            yield answer
            if answer.calls and number == self.terms.rounds:
                raise StillCalling(rounds=self.terms.rounds)
            made = self._carried_out(answer, outcomes)
            results = [{"role": "tool", "tool_call_id": each.call.id, "content": each.text} for each in made]
            self.messages += [answer.message, *results]
            if (
                not answer.calls
                or any(outcome.fate is Fate.REJECTION for outcome in made)
                or self._open_calls(made)
            ):
                return

    def _open_calls(self, made: Sequence[Outcome]) -> int:
        """The number of calls that end the turn: all, if none was executed or got a result."""
        fates = {outcome.fate for outcome in made}
        ends = bool(fates) and fates <= {Fate.SHOWN, Fate.REFUSED}
        return len(made) if ends and (Fate.SHOWN in fates or not self.terms.executes) else 0

    def _answer(self) -> Answer:
        self._requests += 1
        completion = self.ask({**self.terms.fields, "messages": self.messages})
        try:
            return answer_of(completion, self._requests)
        except NotAnswered as error:
            raise NoAnswer(endpoint=self.terms.endpoint, problem=error, advice="") from None

    def _carried_out(self, answer: Answer, outcomes: list[Outcome]) -> list[Outcome]:
        if answer.calls and answer.text:
            self.host.said(answer.text)
        checked = [self._checked(call) for call in answer.calls]
        if any(isinstance(each, Outcome) and each.fate is Fate.REJECTION for each in checked):
            checked = [_passed_over(each) if isinstance(each, ReadyCall) else each for each in checked]
        allowed = iter(self.host.allows([each for each in checked if _is_executable(each)]))
        made = []
        for each in checked:
            if isinstance(each, Outcome):
                outcome = each
            else:
                outcome = self._outcome(each, next(allowed)) if _is_executable(each) else self._shown(each)
            outcomes.append(outcome)
            made.append(outcome)
            self.host.saw(outcome)
        return made

    def _checked(self, call: Call) -> ReadyCall | Outcome:
        if call.name in self.terms.rejection_tools:
            return Outcome(call, Fate.REJECTION, _REJECTED)
        try:
            return ready(call, self.terms.tools)
        except CallRefused as error:
            return Outcome(call, Fate.REFUSED, error_text(str(error)), problem=str(error))

    def _shown(self, call: ReadyCall) -> Outcome:
        result = self.host.result_of(call)
        if result is None:
            return Outcome(call.call, Fate.SHOWN, _NO_RESULT, call.arguments)
        return Outcome(call.call, Fate.GIVEN, sendable(result), call.arguments)

    def _outcome(self, call: ReadyCall, is_allowed: bool) -> Outcome:
        if not is_allowed:
            return _without_result(call, Fate.DECLINED, "the user did not allow this call")
        began = time.monotonic()
        try:
            text = execute(call, self.wait)
        except KeyboardInterrupt:
            if not self.host.stops_functions():
                raise
            return _without_result(call, Fate.STOPPED, "the user stopped this function")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # a function may do anything
            problem = sendable(f"{type(error).__name__}: {error}".removesuffix(": "))
            return _without_result(call, Fate.RAISED, problem, _traceback_of(error))
        return Outcome(call.call, Fate.EXECUTED, text, call.arguments, seconds=time.monotonic() - began)


def _is_executable(call: ReadyCall | Outcome) -> TypeGuard[ReadyCall]:
    return isinstance(call, ReadyCall) and call.tool.function is not None


_NO_RESULT = "The call was not executed."
_HAD_AN_EFFECT = (Fate.EXECUTED, Fate.RAISED, Fate.STOPPED)


def _traceback_of(error: BaseException) -> str:
    """From the function on, without our two frames above it."""
    found = error.__traceback__
    for _ in range(2):
        found = found.tb_next if found and found.tb_next else found
    return "".join(traceback.format_exception(type(error), error, found))


def _passed_over(call: ReadyCall) -> Outcome:
    return _without_result(call, Fate.DECLINED, "the same answer rejects the request")


def _without_result(call: ReadyCall, fate: Fate, problem: str, trace: str = "") -> Outcome:
    return Outcome(call.call, fate, error_text(problem), call.arguments, problem, traceback=trace)


# --- One answer --------------------------------------------------------------------------------------------------


class NotAnswered(Exception):
    """The endpoint's answer holds no message."""


@dataclass(frozen=True)
class Answer:
    """What a model said: a text, calls, or both."""

    text: str
    """Its own words for a refusal, where it refused."""
    calls: tuple[Call, ...]
    refused: bool
    cut: bool
    """The answer reached the token limit."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def message(self) -> dict[str, Any]:
        """As part of the next request: only what every host accepts there."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or (None if self.calls else "")}
        if self.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.calls
            ]
        return message


def answer_of(completion: Mapping[str, Any], number: int) -> Answer:
    """The first choice of a chat completion; `number` makes ids for calls of hosts that give none.

    Raises NotAnswered.
    """
    read = read_answer(completion)
    if read.api_error:
        raise NotAnswered(read.api_error)
    choice = completion["choices"][0]
    message = choice["message"]
    ids = _ids(message.get("tool_calls"), len(read.calls), number)
    refusal = message.get("refusal")
    return Answer(
        text=sendable(read.text or (refusal if isinstance(refusal, str) else "")),
        calls=tuple(
            Call(id_, sendable(call.name), sendable(call.arguments))
            for id_, call in zip(ids, read.calls, strict=True)
        ),
        refused=read.refused,
        cut=choice.get("finish_reason") == "length",
        prompt_tokens=read.prompt_tokens or 0,
        completion_tokens=read.completion_tokens or 0,
    )


def sendable(text: str) -> str:
    """The text without lone surrogates: one of them would make every further request invalid."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _ids(entries: Any, count: int, number: int) -> Sequence[str]:
    """The ids by which results are matched to calls; new ones where they are missing or equal."""
    listed = entries if isinstance(entries, list) else []
    found = [entry.get("id") for entry in listed if isinstance(entry, Mapping)]
    if len(found) == count == len(set(found)) and all(isinstance(each, str) and each for each in found):
        return [str(each) for each in found]
    return [f"call_{number}_{index}" for index in range(count)]
