"""Send a generation's open questions. Each is recorded before it is sent, and each answer when it arrives.

A killed process leaves requests that may or may not have been sent. They are sent again with the same
idempotency key, and count twice against the budget.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.dataset.pricing import calls_cost
from orchestrator.dataset.tokens import count_messages
from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.worker import LEASE_SECONDS
from orchestrator.errors import LostLease, NotAnAnswer, RequestRefused, TeacherRefuses
from orchestrator.evaluation.answers import problem_of, read_answer
from orchestrator.evaluation.asking import Question, Reply, ask_all
from orchestrator.evaluation.plan import asked_as
from orchestrator.generation.states import MACHINE, Context, Progress
from orchestrator.store import evaluations, generations as store
from orchestrator.store.evaluations import Asked, RecordedAnswer
from orchestrator.store.generations import GENERATIONS, Generation, Intent

FAILURES = 2
"""A request is given up after it was refused or failed this often."""
WORDS_TOKENS = 90
"""Tokens assumed for one written example: a request of 15 to 40, its evidence, and the JSON around them."""
CALL_TOKENS = 60
"""Tokens assumed for a call, as in evaluations."""
_FLUSH_SECONDS = 0.2
_FIRST = 4
_MOST_REFUSED = 8
_BATCH = 50


@dataclass
class Budget:
    """What the requests of a generation may cost, in US dollars; no limit if `most` is None."""

    most: float | None
    spent: float

    def allows(self, usd: float | None) -> bool:
        return self.most is None or self.spent + (usd or 0.0) <= self.most


@dataclass
class Asker:
    """Asks the open questions of one stage of one generation."""

    generation: Generation
    context: Context
    concurrency: int
    stage: str
    total: int
    examples: int
    reserve: float = 0.0
    """US dollars to keep for the round trip of each example that the teacher is asked to write."""
    reserved: float = 0.0
    """US dollars already set aside."""
    is_short: bool = False
    """The budget did not cover all questions."""
    done: int = 0
    _held: list[RecordedAnswer] = field(default_factory=list)
    _costs: dict[Asked, float | None] = field(default_factory=dict)
    _problems: dict[Asked, str] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None
    _intended_at: float = 0.0
    _sends: Counter[Asked] = field(default_factory=Counter)
    _refused: set[Asked] = field(default_factory=set)
    _refused_in_a_row: int = 0
    _unsent: set[Asked] = field(default_factory=set)
    """Requests recorded as intended and not sent."""

    async def ask(self, questions: Sequence[Question]) -> None:
        """Ask them as far as the budget allows. Raises LostLease, and any error that affects every question."""
        self._show()
        # With a budget, the first few answers set the estimate for the rest before many are sent.
        first = len(questions) if self.generation.max_cost_usd is None else _FIRST
        for some in (questions[:first], questions[first:]):
            if some and not self.is_short and not self.context.stop.is_set():
                await self._ask_some(some)

    async def _ask_some(self, questions: Sequence[Question]) -> None:
        with self._flushing():
            await ask_all(
                self._intended(questions),
                self._send,
                self._add,
                concurrency=self.concurrency,
                stop=self.context.stop,
            )

    def _intended(self, questions: Sequence[Question]) -> Iterator[Question]:
        """The questions, each after its intent was recorded, in batches as large as are sent at once."""
        size = max(1, min(self.concurrency, _BATCH))
        for start in range(0, len(questions), size):
            yield from self._intend(questions[start : start + size])
            if self.is_short:
                return

    def _intend(self, questions: Sequence[Question]) -> list[Question]:
        context, generation = self.context, self.generation
        self._flush()
        with context.database.write(durable=True) as connection:
            GENERATIONS.note(connection, generation, context.owner, context.now(), {})  # raises LostLease
            spent = store.spent(connection, generation.id)
            budget = Budget(generation.max_cost_usd, spent.expected + self.reserved)
            intents, allowed = list[Intent](), list[Question]()
            for question in questions:
                usd = estimate(question, context.config)
                aside = self.reserve * items_of(question.request)
                if not budget.allows((usd or 0.0) * spent.dearer + aside):
                    self.is_short = True
                    break
                budget.spent += (usd or 0.0) * spent.dearer + aside
                self.reserved += aside
                intents.append(Intent(generation.id, *asked_as(question), context.now(), usd))
                allowed.append(question)
                self._unsent.add(asked_as(question))
            if intents:
                store.add_intents(connection, intents)
            crash_point("before-commit-generation-intents")
        crash_point("after-commit-generation-intents")
        self._intended_at = context.now()
        return allowed

    async def _send(self, question: Question) -> Mapping[str, Any]:
        context = self.context
        if not 0 <= context.now() - self._intended_at < LEASE_SECONDS / 2 and not MACHINE.holds(
            context, self.generation
        ):  # this process may have slept
            raise LostLease(kind="generation", id=self.generation.id)
        crash_point("before-generation-request")
        self._unsent.discard(asked_as(question))
        self._sends[asked_as(question)] += 1
        try:
            completion = await context.endpoint.chat(question.request, question.once)
        except RequestRefused as error:
            self._note_refusal(asked_as(question), error)
            raise
        crash_point("after-generation-request")
        self._refused_in_a_row = 0
        if problem := problem_of(completion):
            raise NotAnAnswer(endpoint=context.endpoint.name, problem=problem, sent=True)
        return completion

    def _note_refusal(self, asked: Asked, error: RequestRefused) -> None:
        """A refusal costs nothing. If all requests are refused, they share a cause. Raises TeacherRefuses."""
        self._refused.add(asked)
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= max(_MOST_REFUSED, 2 * self.concurrency):
            self._problems.clear()
            raise TeacherRefuses(
                endpoint=self.context.endpoint.name, count=self._refused_in_a_row, problem=error.facts["problem"]
            ) from error

    def _add(self, reply: Reply) -> None:
        asked = asked_as(reply.question)
        self.done += 1
        if reply.completion is None:
            self._problems[asked] = reply.api_error
        else:
            self._costs[asked] = cost_of(reply.question.model, reply.completion, self.context.config)
            name = self.context.config.name
            self._held.append(RecordedAnswer(name, *asked, reply.completion, reply.seconds, self.context.now()))
        if len(self._held) + len(self._problems) >= _BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    @contextmanager
    def _flushing(self) -> Iterator[None]:
        """Record all answers at the end, even after an error."""
        try:
            yield
        finally:
            self._flush()
            with self.context.database.write() as connection:
                store.uncount(connection, self.generation.id, self._unsent)
            self._unsent.clear()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        settled = {*self._costs, *self._problems, *self._refused}
        if not settled:
            return
        sends = {asked: self._sends.pop(asked, 1) for asked in settled}
        generation_id = self.generation.id
        with self.context.database.write() as connection:
            evaluations.add_answers(connection, self._held)
            store.settle_intents(connection, generation_id, self._costs)
            store.fail_intents(connection, generation_id, self._problems)
            store.count_sends(connection, generation_id, sends, self._refused)
            crash_point("before-commit-generation-answers")
        crash_point("after-commit-generation-answers")
        self._held, self._costs, self._problems = [], {}, {}
        self._refused.clear()
        self._show()

    def _show(self) -> None:
        with self.context.database.read() as connection:
            spent = store.spent(connection, self.generation.id)
        self.context.listener.progressed(Progress(self.stage, self.done, self.total, self.examples, spent))


def estimate(question: Question, config: EndpointConfig, *, batch: bool = False) -> float | None:
    """What a question may cost in US dollars, from the price table; None without a price."""
    request = question.request
    tokens = count_messages(request["messages"], request.get("tools"), question.model)
    return calls_cost(
        config.type, question.model, tokens, answer_tokens(request), batch=batch, prices=config.prices
    )


def answer_tokens(request: Mapping[str, Any]) -> int:
    """The assumed tokens of an answer."""
    if "tools" in request:
        return CALL_TOKENS
    return WORDS_TOKENS * items_of(request)


def items_of(request: Mapping[str, Any]) -> int:
    """How many examples a request asks the teacher to write: none in a round trip."""
    return 0 if "tools" in request else str(request["messages"][-1]["content"]).count('"number":')


def cost_of(
    model: str, completion: Mapping[str, Any], config: EndpointConfig, *, batch: bool = False
) -> float | None:
    """What an answer cost, from its tokens; None without a price or a count."""
    answer = read_answer(completion)
    if answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return calls_cost(
        config.type, model, answer.prompt_tokens, answer.completion_tokens, batch=batch, prices=config.prices
    )
