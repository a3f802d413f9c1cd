"""Runs an evaluation: asks the unanswered questions, records each answer, then scores them all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from orchestrator.deployments.context import Listener as DeploymentListener
from orchestrator.deployments.serving import serving
from orchestrator.endpoints import capabilities_of, open_endpoint
from orchestrator.endpoints.interface import Endpoint
from orchestrator.endpoints.management import manages
from orchestrator.endpoints.openweights import keep, require_there, weights_of
from orchestrator.errors import (
    AskingEnded,
    EndpointBusy,
    EndpointUnreachable,
    KeyRefused,
    ModelNotThere,
    NoSuchModel,
    NotAnAnswer,
    QuestionsUnderWay,
    QuotaExhausted,
    RequestRefused,
)
from orchestrator.evaluation.answers import problem_of
from orchestrator.evaluation.asking import Question, Reply, ask_all
from orchestrator.evaluation.locks import Turn
from orchestrator.evaluation.plan import Plan, asked_as, batches, open_questions
from orchestrator.evaluation.scores import SCORING, score_answers
from orchestrator.ids import short_id
from orchestrator.jobfile.tables import BASE, CHECKPOINTS, TUNED
from orchestrator.ledger import Ledger
from orchestrator.spelling import did_you_mean
from orchestrator.store import evaluations as store, submissions
from orchestrator.store.evaluations import Asked, Evaluation, RecordedAnswer
from orchestrator.store.submissions import Provenance

BATCH = 50
FLUSH_SECONDS = 0.2
"""An answer is on disk after this time at most, or sooner when BATCH answers have arrived."""
NEW_MODEL_SECONDS = 600.0
"""A fine-tuned model may be unknown to its endpoint for some minutes; Azure's deployments take the longest."""
_PROBE_SECONDS = 5.0
_LASTING = (EndpointUnreachable, EndpointBusy, KeyRefused, QuotaExhausted)


class Listener(Protocol):
    """Receives the progress of the asking."""

    def replied(self, reply: Reply) -> None: ...

    def waiting(self, model: str, problem: str, until: float) -> None:
        """A new model does not answer yet; it is retried until `until`, in seconds since the epoch."""


class NullListener:
    """A Listener that shows nothing."""

    def replied(self, reply: Reply) -> None:
        pass

    def waiting(self, model: str, problem: str, until: float) -> None:
        pass


@dataclass(frozen=True)
class Asking:
    """How the asking ended."""

    answered: int
    errors: Mapping[Asked, str]
    """Why each unanswered question has no answer."""
    is_complete: bool
    """False if the user stopped it."""


async def ask_missing(
    ledger: Ledger,
    plan: Plan,
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    called: Mapping[str, str] | None = None,
    turn: Turn | None = None,
) -> Asking:
    """Ask every question of the plan without a recorded answer; each answer is recorded as it arrives.

    `called` gives the name under which a model is asked if that differs from its own; answers are recorded under
    the model's own name.

    Setting `stop` ends it early: requests under way are still answered and recorded. `turn` is checked before each
    question, as this process may have slept. Raises NoSuchModel or RequestRefused for a model that does not exist,
    ModelNotThere for a new one that does not appear, TurnLost, AskingEnded for any other error that concerns every
    question, EndpointNotUsable, and QuestionsUnderWay.
    """
    require_nothing_under_way(plan)
    if not plan.missing:
        return Asking(0, {}, True)
    stop, listener = stop or asyncio.Event(), listener or NullListener()
    recorder = _Recorder(ledger, plan.config.name, listener)
    found = open_questions(ledger, plan.config.name, plan.cases.path, plan.settings, plan.grid)
    left = (question for question, batch_id in found if batch_id is None or plan.twice)
    async with open_endpoint(plan.config, ledger.workspace.home) as endpoint:

        async def ask(question: Question) -> Mapping[str, Any]:
            if turn is not None:
                turn.require()
            name = (called or {}).get(question.model, question.model)
            completion = await endpoint.chat({**question.request, "model": name}, question.once)
            if problem := problem_of(completion):  # must not be recorded as an answer
                raise NotAnAnswer(endpoint=endpoint.name, problem=problem, sent=True)
            return completion

        with recorder.flushing():
            if called is None:
                await require_models(endpoint, plan)
                await wait_for_new_models(endpoint, plan, listener, stop)
            await ask_all(left, ask, recorder.add, concurrency=plan.settings.max_concurrency, stop=stop)
    return Asking(recorder.answered, recorder.errors, not stop.is_set())


def require_nothing_under_way(plan: Plan) -> None:
    """Raises QuestionsUnderWay if questions wait in a batch: asking them now would pay twice, and leaving them out
    would give metrics of only a part."""
    if plan.under_way:
        count = f"{sum(plan.under_way.values()):,}"
        raise QuestionsUnderWay(count=count, of=f"{plan.questions:,}", batches=", ".join(sorted(plan.under_way)))


def require_weights(ledger: Ledger, plan: Plan) -> None:
    """Check that the open-weights models to be asked are on this machine, and record what a job's model means.

    Raises what `weights_of` raises, BaseModelGone and BaseNameNotKept.
    """
    home, job = ledger.workspace.home, plan.subject.job
    if job is not None and job.model in plan.unanswered:
        keep(weights_of(job, plan.config, home), home)
    require_there(plan.unanswered, plan.config, home)


def begin(
    ledger: Ledger, plan: Plan, wanted: Evaluation | None = None, provenance: Provenance | None = None
) -> Evaluation:
    """Record the evaluation with its `provenance`, or find an unfinished one that asks for the same.

    A `wanted` one keeps that state until it is done, so that a crash does not lose it.
    """
    subject = plan.subject
    evaluation = Evaluation(
        id=wanted.id if wanted else new_id(),
        name=subject.name,
        job_file=str(subject.job.source.absolute()) if subject.job else None,
        run_id=subject.run_id,
        endpoint=plan.config.name,
        endpoint_type=plan.config.type,
        file_path=str(plan.cases.path.absolute()),
        file_sha256=plan.cases.sha256,
        settings=plan.recorded_settings,
        state=store.WANTED if wanted else store.ASKING,
        scored_with=SCORING,
        created_at=wanted.created_at if wanted else time.time(),
        sweep_id=wanted.sweep_id if wanted else subject.sweep_id,
    )
    with ledger.database.write() as connection:
        if wanted:
            store.settle(connection, evaluation)
            return evaluation
        known = store.unfinished(connection, evaluation)
        if known is None:
            store.add(connection, evaluation)
            if provenance is not None:
                submissions.record(
                    connection, submissions.EVALUATION, evaluation.id, provenance, evaluation.created_at
                )
    return known or evaluation


def new_id() -> str:
    """A random id, unique in practice."""
    return short_id(random.SystemRandom())


def finish(ledger: Ledger, plan: Plan, evaluation: Evaluation, errors: Mapping[Asked, str]) -> Evaluation:
    """Score every recorded answer and mark the evaluation done. Raises AnswersMissing if there is none."""
    score_answers(ledger, plan, evaluation.id, errors)
    done = replace(evaluation, state=store.DONE, finished_at=time.time())
    with ledger.database.write() as connection:
        store.settle(connection, done)
    return done


async def wait_for_new_models(endpoint: Endpoint, plan: Plan, listener: Listener, stop: asyncio.Event) -> None:
    """Wait until models whose runs have just ended answer; an endpoint may first report them as unknown.

    Raises ModelNotThere for one that still does not answer after NEW_MODEL_SECONDS.
    """
    for candidate in plan.candidates:
        if not endpoint.capabilities.charges or candidate.finished_at is None:
            continue
        until = candidate.finished_at + NEW_MODEL_SECONDS
        while time.time() < until and not stop.is_set():
            problem = await _no_answer(endpoint, candidate.model)
            if problem is None:
                break
            if (left := until - time.time()) <= _PROBE_SECONDS:
                said = f"{datetime.fromtimestamp(until).astimezone():%H:%M}"
                raise ModelNotThere(
                    endpoint=endpoint.name, model=candidate.model, until=said, problem=problem.rstrip(".")
                )
            listener.waiting(candidate.model, problem, until)
            await asyncio.sleep(min(_PROBE_SECONDS, left))


_NOT_THERE_YET = (404, 424)


async def _no_answer(endpoint: Endpoint, model: str) -> str | None:
    """Why a new model does not answer a short question yet; None if it does, or if the evaluation will show it."""
    greeting = [{"role": "user", "content": "Hello"}]
    try:
        await endpoint.chat({"model": model, "messages": greeting}, f"probe-{time.time_ns()}")
    except RequestRefused as error:
        is_new = error.facts.get("status") in _NOT_THERE_YET or error.facts.get("code") == "DeploymentNotReady"
        return str(error.facts["message"]) if is_new else None
    except (EndpointBusy, EndpointUnreachable):
        return None  # it exists; asking has its own retries
    return None


@dataclass
class _Recorder:
    """Records answers in batches, since a commit for each would take as long as a quick answer."""

    ledger: Ledger
    endpoint: str
    listener: Listener
    answered: int = 0
    errors: dict[Asked, str] = field(default_factory=dict)
    _held: list[RecordedAnswer] = field(default_factory=list)
    _timer: asyncio.TimerHandle | None = None

    def add(self, reply: Reply) -> None:
        question = reply.question
        if reply.completion is None:
            self.errors[asked_as(question)] = reply.api_error
        else:
            self.answered += 1
            asked = (question.model, question.sha256, question.sample)
            answer = RecordedAnswer(self.endpoint, *asked, reply.completion, reply.seconds, time.time())
            self._hold(answer)
        self.listener.replied(reply)

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """At the end, in any case, record the answers; if the endpoint failed, the error says how many."""
        try:
            yield
        except _LASTING as error:
            problem = error.facts["problem"]
            raise AskingEnded(endpoint=self.endpoint, problem=problem, answered=self.answered) from error
        finally:
            self._flush()

    def _hold(self, answer: RecordedAnswer) -> None:
        self._held.append(answer)
        if len(self._held) >= BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            with self.ledger.database.write() as connection:
                store.add_answers(connection, self._held)
            self._held.clear()


# --- Models that need a deployment -------------------------------------------------------------------------------


_AT_ONCE = 3
"""Models deployed at the same time: an account has room for few."""


async def ask_plan(
    ledger: Ledger,
    plan: Plan,
    *,
    listener: Listener | None = None,
    deployments: DeploymentListener | None = None,
    stop: asyncio.Event | None = None,
    turn: Turn | None = None,
) -> Asking:
    """Ask the unanswered questions, as `ask_missing` does, with deployments if the endpoint needs them.

    Raises the errors of `ask_missing` and `serving`.
    """
    if not capabilities_of(plan.config).needs_deployment or not manages(plan.config):
        return await ask_missing(ledger, plan, listener=listener, stop=stop, turn=turn)
    require_nothing_under_way(plan)
    answered, errors = 0, dict[Asked, str]()
    for models in batches(iter(plan.unanswered), _AT_ONCE):
        part = replace(plan, grid=replace(plan.grid, models=models))
        async with serving(ledger, plan.config, models, keep=plan.keep, listener=deployments, stop=stop) as called:
            asked = await ask_missing(ledger, part, listener=listener, stop=stop, called=called, turn=turn)
        answered, errors = answered + asked.answered, {**errors, **asked.errors}
        if not asked.is_complete:
            return Asking(answered, errors, False)
    return Asking(answered, errors, True)


# --- Models given by name ----------------------------------------------------------------------------------------


_WORDS = (BASE, TUNED, CHECKPOINTS)


async def require_models(endpoint: Endpoint, plan: Plan, known: Collection[str] = ()) -> None:
    """Look up the names in `models` that still have questions, except those `known` to exist.

    Raises NoSuchModel for one that the endpoint says it lacks; if it does not say, the first answer will show it.
    """
    for name in plan.settings.models:
        if name in _WORDS or name in known or name not in plan.unanswered:
            continue
        if await endpoint.has_model(name) is False:
            known = [*_WORDS, *await endpoint.models()]
            otherwise = "Leave it out, or use a name that the endpoint lists."
            advice = did_you_mean(name, known, 'Did you mean "{}"?', otherwise=otherwise, cutoff=0.5)
            raise NoSuchModel(endpoint=endpoint.name, model=name, advice=advice)
