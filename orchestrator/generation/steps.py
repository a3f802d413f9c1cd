"""One function for each state of a generation. Each may be called any number of times."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from orchestrator.config import EndpointConfig
from orchestrator.dataset.pricing import calls_cost
from orchestrator.dataset.tokens import count_messages
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.evaluation.asking import Question
from orchestrator.evaluation.batching.driving import as_driven, drive
from orchestrator.evaluation.batching.submission import record_questions
from orchestrator.evaluation.plan import asked_as, batches
from orchestrator.generation.asking import (
    CALL_TOKENS,
    FAILURES,
    WORDS_TOKENS,
    Asker,
    Budget,
    cost_of,
    estimate,
    items_of,
)
from orchestrator.generation.checks.screening import Screen
from orchestrator.generation.output import Made, write_outputs
from orchestrator.generation.spec import Spec, spec_of
from orchestrator.generation.stages import Making, Standing
from orchestrator.generation.states import CANCEL, STOPPED, Context, State
from orchestrator.store import evaluations, generations as store
from orchestrator.store.database import Database
from orchestrator.store.evaluations import Asked, RecordedAnswer
from orchestrator.store.generations import GENERATIONS, Generation, Intent

_BLOCKED_SECONDS = 3600.0


async def asking(generation: Generation, context: Context) -> Outcome:
    """Ask the open questions of the next stage."""
    if generation.requested_action == CANCEL:
        return Move(State.CANCELLED, "cancelled by the user; the answers are kept")
    spec = spec_of(generation.spec)
    standing = await asyncio.to_thread(standing_of, generation, spec, context.database)
    examples = {"examples": len(standing.examples)}
    if not standing.open and not standing.examples:
        return Move(State.FAILED, _why_nothing(standing))
    if not standing.open:
        return Move(State.WRITING, "every request is answered", examples)
    is_short = await (_in_batches if spec.batch else _at_once)(generation, spec, standing, context)
    if context.stop.is_set():
        return Wait(context.now(), f"{STOPPED} during {standing.stage}", examples)
    if is_short:
        return await _out_of_budget(generation, spec, context)
    return Wait(context.now(), f"{standing.stage}: answered", examples)


def _why_nothing(standing: Standing) -> str:
    if not standing.drops:
        return "no request was made"
    reason, count = Counter(drop.reason for drop in standing.drops).most_common(1)[0]
    first = next(drop.detail for drop in standing.drops if drop.reason == reason)
    return f"no request passed its checks; {reason}, {count:,} times: {first.rstrip('.')}"


async def writing(generation: Generation, context: Context) -> Outcome:
    """Write the files."""
    spec = spec_of(generation.spec)
    standing = await asyncio.to_thread(standing_of, generation, spec, context.database)
    sha256 = await asyncio.to_thread(_write, generation, spec, standing, context)
    changes = {"examples": len(standing.examples), "written_sha256": sha256}
    return Move(State.DONE, f"{len(standing.examples):,} of {generation.targets:,} examples written", changes)


def standing_of(generation: Generation, spec: Spec, database: Database, *, words_ended: bool = False) -> Standing:
    """How far the generation is, from its records; see `Making` for `words_ended`."""
    endpoint = generation.endpoint

    def answers(asked: Sequence[Asked]) -> Mapping[Asked, RecordedAnswer]:
        with database.read() as connection:
            return evaluations.answers_to(connection, endpoint, asked)

    with database.read() as connection:
        failed = store.failed(connection, generation.id, failures=FAILURES)
    targets = list(spec.targets)
    making = Making(
        targets,
        spec.by_name,
        spec.settings,
        answers,
        failed,
        lambda: Screen(spec.screened_against),
        words_ended=words_ended,
    )
    return making.standing()


async def _at_once(generation: Generation, spec: Spec, standing: Standing, context: Context) -> bool:
    """Ask the open questions; returns whether the budget did not cover all of them."""
    asker = Asker(
        generation,
        context,
        spec.settings.max_concurrency,
        standing.stage,
        len(standing.open),
        len(standing.examples),
        reserve=reserve_of(spec, context.config),
        reserved=_reserved(standing, spec, context.config),
    )
    await asker.ask(standing.open)
    return asker.is_short


async def _in_batches(generation: Generation, spec: Spec, standing: Standing, context: Context) -> bool:
    """Ask the open questions through the Batch API; returns the same. Raises BatchRefused, BatchUnsettled and
    BatchOnHold."""
    allowed = _intended(generation, spec, standing, context)
    ids = record_questions(context.ledger, context.config.name, allowed)
    errors = await drive(context.ledger, context.config, ids, listener=context.batches, stop=context.stop)
    _settle(generation, allowed, errors, context)
    as_driven(context.ledger, ids)
    return len(allowed) < len(standing.open)


def _intended(generation: Generation, spec: Spec, standing: Standing, context: Context) -> list[Question]:
    """The questions that the budget allows, each recorded as intended; earlier ones count once."""
    with context.database.write(durable=True) as connection:
        GENERATIONS.note(connection, generation, context.owner, context.now(), {})  # raises LostLease
        spent = store.spent(connection, generation.id)
        budget = Budget(generation.max_cost_usd, spent.expected + _reserved(standing, spec, context.config))
        known = store.intended(connection, generation.id)
        allowed = []
        reserve = reserve_of(spec, context.config)
        for question in standing.open:
            usd = estimate(question, context.config, batch=True)
            if asked_as(question) not in known:
                aside = reserve * items_of(question.request)
                if not budget.allows((usd or 0.0) * spent.dearer + aside):
                    break
                budget.spent += (usd or 0.0) * spent.dearer + aside
                intent = Intent(generation.id, *asked_as(question), context.now(), usd)
                store.add_intents(connection, [intent])
            allowed.append(question)
    return allowed


def _settle(
    generation: Generation, asked: Sequence[Question], errors: Mapping[Asked, str], context: Context
) -> None:
    """Record the cost of batch answers, and the reason of each missing one."""
    ours = {asked_as(question) for question in asked}
    for some in batches(iter(asked), 50):
        keys = [asked_as(question) for question in some]
        with context.database.write() as connection:
            found = evaluations.answers_to(connection, context.config.name, keys)
            costs = {
                key: cost_of(key[0], answer.completion, context.config, batch=True) for key, answer in found.items()
            }
            store.settle_intents(connection, generation.id, costs)
    with context.database.write() as connection:
        store.fail_intents(connection, generation.id, {key: said for key, said in errors.items() if key in ours})


async def _out_of_budget(generation: Generation, spec: Spec, context: Context) -> Outcome:
    """Check and write the finished examples, and wait for the user."""
    standing = await asyncio.to_thread(standing_of, generation, spec, context.database, words_ended=True)
    if standing.open:  # their cost was set aside when the requests were asked for
        await (_in_batches if spec.batch else _at_once)(generation, spec, standing, context)
        standing = await asyncio.to_thread(standing_of, generation, spec, context.database, words_ended=True)
    changes: dict[str, object] = {"examples": len(standing.examples)}
    if standing.examples:
        changes["written_sha256"] = await asyncio.to_thread(_write, generation, spec, standing, context)
    reason = (
        f"the budget of ${generation.max_cost_usd:,.2f} is reached: {len(standing.examples):,} of "
        f"{generation.targets:,} examples are written"
    )
    return Wait(context.now() + _BLOCKED_SECONDS, reason, changes, blocked=True)


def _write(generation: Generation, spec: Spec, standing: Standing, context: Context) -> str:
    """Write the files; returns the training file's SHA-256."""
    made = [
        Made(each.written, str(spec.settings.model), each.attempt, each.request_sha256)
        for each in standing.examples
    ]
    with context.database.read() as connection:
        spent = store.spent(connection, generation.id)
    sha256 = generation.written_sha256
    return write_outputs(spec, made, standing.drops, standing.unmade, spent, written_sha256=sha256).sha256


def _reserved(standing: Standing, spec: Spec, config: EndpointConfig) -> float:
    """US dollars for the round trips of the written requests."""
    is_words = standing.stage.startswith("requests")
    return standing.unchecked * reserve_of(spec, config) if is_words else 0.0


def reserve_of(spec: Spec, config: EndpointConfig) -> float:
    """US dollars to set aside for the round trip of one example when its request is asked for."""
    if not spec.settings.verify:
        return 0.0
    verifier = str(spec.settings.verifier or spec.settings.model)
    tokens = count_messages(
        [{"role": "user", "content": ""}], [each.definition for each in spec.functions], verifier
    )
    usd = calls_cost(
        config.type, verifier, tokens + WORDS_TOKENS, CALL_TOKENS, batch=spec.batch, prices=config.prices
    )
    return usd or 0.0


Step = Callable[[Generation, Context], Awaitable[Outcome]]

STEPS: Mapping[State, Step] = {State.ASKING: asking, State.WRITING: writing}
