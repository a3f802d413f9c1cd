"""The exchange between user, model and functions. It knows neither the network nor the terminal."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from orchestrator.chat.terms import Target, Terms
from orchestrator.endpoints import capabilities_of, open_endpoint
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import (
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    KeyRefused,
    NoAnswer,
    RequestRefused,
    SignInFailed,
    StillCalling,
)
from orchestrator.evaluation.answers import read_answer
from orchestrator.tools.calls import Call, CallRefused, ReadyCall, Wait, error_text, execute, ready

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Sends the body of a chat request and returns the completion as JSON."""

_REJECTED = "The request was rejected."


class Fate(StrEnum):
    """What became of a call."""

    EXECUTED = "executed"
    """The function gave a result."""
    RAISED = "raised"
    """The function raised an exception; the model is told its message."""
    STOPPED = "stopped"
    """The user stopped the function while it ran."""
    DECLINED = "declined"
    """The user did not allow it, so nothing was executed."""
    REFUSED = "refused"
    """It can't be executed: an unknown tool, no valid JSON, or arguments that break the schema."""
    REJECTION = "rejection"
    """It is the model's way to reject the request, and nothing is to be executed."""


@dataclass(frozen=True)
class Outcome:
    """A call, and what became of it."""

    call: Call
    fate: Fate
    text: str
    """What the model is told."""
    arguments: Mapping[str, Any] | None = None
    """The checked arguments; None where they could not be checked."""
    problem: str = ""
    """In a sentence, where there is no result."""
    seconds: float = 0.0
    traceback: str = ""
    """Of a function that raised."""


@dataclass(frozen=True)
class Reply:
    """How a request ended."""

    text: str
    """The model's last words; "" where it rejected by a call."""
    outcomes: tuple[Outcome, ...]
    refused: bool = False
    cut: bool = False
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def rejection(self) -> Call | None:
        """The call by which the model rejected the request."""
        return next((outcome.call for outcome in self.outcomes if outcome.fate is Fate.REJECTION), None)


class Host(Protocol):
    """Who stands between the model and the functions."""

    def said(self, text: str) -> None:
        """The model wrote this beside its calls."""

    def allows(self, calls: list[ReadyCall]) -> Iterable[bool]:
        """Whether each of these calls, made in one answer, may be executed. What is yielded is drawn one by one,
        each just before its call; what is raised at once prevents them all."""

    def saw(self, outcome: Outcome) -> None:
        """Something became of a call."""

    def stops_functions(self) -> bool:
        """Whether Ctrl-C ends the function that runs, and not the whole chat."""


@dataclass
class Conversation:
    """A chat as it stands. `messages` is always what an endpoint accepts as the beginning of a request."""

    terms: Terms
    ask: Ask
    host: Host
    wait: Wait
    messages: list[dict[str, Any]] = field(default_factory=list)
    _requests: int = 0

    def say(self, request: str) -> Reply:
        """Put a request to the model, carry out what it calls, and return what it says in the end.

        Where nothing was executed before an error, the request leaves no trace in `messages`. Raises StillCalling
        after `terms.rounds` rounds of calls, and what `ask` and the host raise.
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
            requests=len(answers),
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=sum(answer.completion_tokens for answer in answers),
        )

    def _rounds(self, outcomes: list[Outcome]) -> Iterable[Answer]:
        """The model's answers, up to the one that needs no further one."""
        for number in range(self.terms.rounds + 1):
            answer = self._answer()
            yield answer
            if answer.calls and number == self.terms.rounds:
                raise StillCalling(rounds=self.terms.rounds)
            made = self._carried_out(answer, outcomes)
            results = [{"role": "tool", "tool_call_id": each.call.id, "content": each.text} for each in made]
            self.messages += [answer.message, *results]
            if not answer.calls or any(outcome.fate is Fate.REJECTION for outcome in made):
                return

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
        allowed = iter(self.host.allows([each for each in checked if isinstance(each, ReadyCall)]))
        made = []
        for each in checked:
            outcome = each if isinstance(each, Outcome) else self._outcome(each, next(allowed))
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

    def _outcome(self, call: ReadyCall, is_allowed: bool) -> Outcome:
        if not is_allowed:
            return _without_result(call, Fate.DECLINED, "the user did not allow this call")
        began = time.monotonic()
        try:
            text = execute(call, self.wait)
        except KeyboardInterrupt:
            if not self.host.stops_functions():
                raise
            return _without_result(call, Fate.STOPPED, "the user stopped this function before it ended")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # a function may do anything
            problem = sendable(f"{type(error).__name__}: {error}".removesuffix(": "))
            return _without_result(call, Fate.RAISED, problem, _traceback_of(error))
        return Outcome(call.call, Fate.EXECUTED, text, call.arguments, seconds=time.monotonic() - began)


_HAD_AN_EFFECT = (Fate.EXECUTED, Fate.RAISED, Fate.STOPPED)


def _traceback_of(error: BaseException) -> str:
    """From the function on: the two frames that lead to it are ours."""
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
    """The answer ends where the endpoint's limit of tokens was reached."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def message(self) -> dict[str, Any]:
        """As it stands in the next request: only what every host accepts there."""
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
    """The text without halves of surrogate pairs: one of them would make every further request invalid."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _ids(entries: Any, count: int, number: int) -> Sequence[str]:
    """The ids of the calls, by which results are matched; new ones where they are missing or not told apart."""
    listed = entries if isinstance(entries, list) else []
    found = [entry.get("id") for entry in listed if isinstance(entry, Mapping)]
    if len(found) == count == len(set(found)) and all(isinstance(each, str) and each for each in found):
        return [str(each) for each in found]
    return [f"call_{number}_{index}" for index in range(count)]


# --- The connection: one event loop for all requests of a chat ---------------------------------------------------


_NO_SUCH_MODEL = 404


@dataclass(frozen=True)
class Connection:
    """Requests to the partner's endpoint, one after another."""

    target: Target
    home: Path
    """The state directory."""
    runner: asyncio.Runner

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a chat request, again on passing trouble, and return the completion as JSON.

        Raises NoAnswer, EndpointNotUsable, and KeyboardInterrupt where the user did not wait for it.
        """
        try:
            return self.runner.run(self._asked(request))
        except EndpointError as error:
            problem = error.facts.get("problem", str(error))
            facts = {"endpoint": self.target.config.name, "problem": problem, "advice": self._advice(error)}
            raise NoAnswer(**facts) from error

    def wait(self, found: Awaitable[Any]) -> Any:
        """Bring what an asynchronous function returned to its end."""

        async def finish() -> Any:
            return await found

        return self.runner.run(finish())

    async def _asked(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Opened for each request: nothing that a person thinks about for an hour is still connected afterwards.
        once = token_hex(16)
        request = {**request, "model": self.target.deployment or request["model"]}
        async with open_endpoint(self.target.config, self.home) as endpoint:
            return await Retries()("chat", lambda: endpoint.chat(request, once))

    def _advice(self, error: EndpointError) -> str:
        if isinstance(error, SignInFailed):
            return f" To sign in, {error.facts['remedy']}."
        if type(error) is KeyRefused:  # other kinds of it say themselves what to do
            return f" Set a valid key in {error.facts['api_key_env']}."
        if isinstance(error, EndpointUnreachable | EndpointBusy):
            return " Try again later."
        is_unknown = isinstance(error, RequestRefused) and error.facts.get("status") == _NO_SUCH_MODEL
        if is_unknown and capabilities_of(self.target.config).needs_deployment:
            return f" There a model answers while it is deployed: ftorch deploy {self.target.model}"
        if is_unknown and self.target.is_new:
            return " A new model may be unknown to its endpoint for some minutes: try again later."
        return ""


@contextmanager
def open_connection(target: Target, home: Path) -> Iterator[Connection]:
    """A line to the partner. Not for code inside a running event loop."""
    with asyncio.Runner() as runner:
        yield Connection(target, home, runner)
