"""Ask a base and a tuned model the same prompts, side by side; answers are shown, not scored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from orchestrator.chat.connection import no_answer
from orchestrator.chat.conversation import Answer, NotAnswered, answer_of, sendable
from orchestrator.chat.prompts import Prompts
from orchestrator.chat.targets import Target
from orchestrator.chat.terms import Terms
from orchestrator.endpoints import capabilities_of, open_endpoint
from orchestrator.errors import EndpointError
from orchestrator.evaluation.asking import Question, Reply, ask_all
from orchestrator.evaluation.pricing import Price, price_of
from orchestrator.evaluation.session import Listener
from orchestrator.jobfile import Evaluation as Settings
from orchestrator.jobfile.tables import BASE, TUNED
from orchestrator.tools.calls import Call, CallRefused, arguments_of, ready, written


@dataclass(frozen=True)
class Plan:
    """The prompts and models, fixed before anything is sent."""

    targets: tuple[Target, ...]
    """The base model first, then the tuned one; all on one endpoint."""
    terms: Terms
    prompts: Prompts
    home: Path
    """The state directory."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The models' names in a report: base and tuned, else their own names."""
        return tuple(BASE if each.is_base else TUNED if each.run else each.model for each in self.targets)

    @property
    def questions(self) -> list[Question]:
        """Questions by prompt, then by model."""
        system = [] if self.terms.system is None else [dict(self.terms.system)]
        return [
            Question(
                case=str(number),
                model=target.model,
                variant=self.terms.variant,
                sample=number,
                request={
                    **self.terms.fields,
                    "model": target.model,
                    "messages": [*system, {"role": "user", "content": sendable(prompt)}],
                },
            )
            for number, prompt in enumerate(self.prompts.texts)
            for target in self.targets
        ]

    @property
    def price(self) -> Price | None:
        """The estimated cost of the requests; None if the endpoint charges nothing."""
        config = self.targets[0].config
        if not capabilities_of(config).charges:
            return None
        price = Price()
        for question in self.questions:
            price = price.plus(price_of(question, config))
        return price


@dataclass(frozen=True)
class ShownCall:
    """A call that was checked against its definition and not executed."""

    name: str
    arguments: Mapping[str, Any] | str
    """The text that the model wrote, if it is not a JSON object."""
    problem: str
    """The way in which the call breaks its definition; "" if it is valid."""

    @property
    def written(self) -> str:
        """In function-call notation."""
        if isinstance(self.arguments, str):
            return f"{self.name}({self.arguments})"
        return written(self.name, self.arguments)


@dataclass(frozen=True)
class Shown:
    """One model's answer to one prompt."""

    label: str
    model: str
    answer: Answer | None
    """None without text."""
    calls: tuple[ShownCall, ...]
    error: str
    """The reason for a missing answer, else ""."""

    @property
    def kind(self) -> str:
        """`calls`, `refusal`, `text` or `error`."""
        if self.answer is None:
            return "error"
        return "calls" if self.calls else "refusal" if self.answer.refused else "text"


@dataclass(frozen=True)
class Row:
    """One prompt and the answers to it, in the order of the plan's models."""

    prompt: str
    answers: tuple[Shown, ...]

    @property
    def differs(self) -> bool:
        """Whether the models' calls differ, or only one makes a call. Texts are not compared."""
        first, *others = [(each.kind, sorted(call.written for call in each.calls)) for each in self.answers]
        return any(each != first for each in others)


async def ask_plan(plan: Plan, listener: Listener | None, stop: asyncio.Event) -> list[Row]:
    """Ask everything; rows are complete unless `stop` was set. Raises NoAnswer if every request would fail."""
    replies: dict[tuple[int, str], Reply] = {}
    called = {each.model: each.deployment or each.model for each in plan.targets}
    salt = token_hex(8)  # a repeated prompt is a new request

    def record(reply: Reply) -> None:
        replies[reply.question.sample, reply.question.model] = reply
        if listener is not None:
            listener.replied(reply)

    async with open_endpoint(plan.targets[0].config, plan.home) as endpoint:

        async def ask(question: Question) -> Mapping[str, Any]:
            try:
                request = {**question.request, "model": called[question.model]}
                return await endpoint.chat(request, f"{salt}:{question.once}")
            except EndpointError as error:
                error.facts["model"] = question.model
                raise

        try:
            await ask_all(plan.questions, ask, record, concurrency=Settings(file="-").max_concurrency, stop=stop)
        except EndpointError as error:
            asked = next((each for each in plan.targets if each.model == error.facts.get("model")), plan.targets[0])
            raise no_answer(asked, error) from error
    return list(_rows(plan, replies))


def _rows(plan: Plan, replies: Mapping[tuple[int, str], Reply]) -> Iterator[Row]:
    for number, prompt in enumerate(plan.prompts.texts):
        found = [
            _shown(plan, label, replies[number, target.model])
            for label, target in zip(plan.labels, plan.targets, strict=True)
            if (number, target.model) in replies
        ]
        if len(found) == len(plan.targets):
            yield Row(prompt, tuple(found))


def _shown(plan: Plan, label: str, reply: Reply) -> Shown:
    model = reply.question.model
    if reply.completion is None:
        return Shown(label, model, None, (), reply.api_error)
    try:
        answer = answer_of(reply.completion, 1)
    except NotAnswered as error:
        return Shown(label, model, None, (), str(error))
    return Shown(label, model, answer, _checked(plan.terms, answer.calls), "")


def _checked(terms: Terms, calls: Sequence[Call]) -> tuple[ShownCall, ...]:
    return tuple(shown_call(terms, call) for call in calls)


def shown_call(terms: Terms, call: Call) -> ShownCall:
    """The call, checked against its definition."""
    try:
        arguments: Mapping[str, Any] | str = arguments_of(call.arguments)
    except CallRefused:
        arguments = call.arguments
    found = ShownCall(call.name, arguments, "")
    try:
        ready(call, terms.tools)
    except CallRefused as error:
        return replace(found, problem=str(error))
    return found
