"""The loop over batches of one endpoint: the process that holds a batch's lease steps it when it is due."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.accounts import OF_BATCHES, ON_HOLD, items_of_other_accounts
from orchestrator.engine.loop import Loop
from orchestrator.engine.machine import Move, Wait
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.errors import BatchOnHold, BatchRefused, BatchUnsettled, RequestRefused
from orchestrator.evaluation import session
from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.evaluation.batching.reconcile import way_out
from orchestrator.evaluation.batching.states import MACHINE, Context, Listener, NullListener, State
from orchestrator.evaluation.batching.steps import STEPS
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.session import Asking
from orchestrator.ledger import Ledger
from orchestrator.runs.context import Context as RunContext, NullListener as SilentRuns
from orchestrator.store import batches as store
from orchestrator.store.batches import BATCHES, Batch
from orchestrator.store.evaluations import Asked

_GONE = 404


async def drive(
    ledger: Ledger,
    config: EndpointConfig,
    ids: Collection[str],
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Mapping[Asked, str]:
    """Step these batches until all have ended; returns why questions collected by this process have no answer.

    Setting `stop` ends it early without loss. Raises EndpointNotUsable and EndpointError.
    """
    async with open_endpoint(config, ledger.workspace.home) as endpoint:
        context = context_of(ledger, endpoint, config, listener or NullListener())
        await BatchLoop(context, ids).run(stop or asyncio.Event())
    return context.errors


def context_of(
    ledger: Ledger, endpoint: Endpoint, config: EndpointConfig, listener: Listener, clock: Clock | None = None
) -> Context:
    """This process as a worker on batches."""
    owner = new_owner(random.SystemRandom())
    clock = clock or Clock()
    uploader = RunContext(
        database=ledger.database,
        config=config,
        owner=owner,
        clock=clock,
        endpoint=endpoint,
        listener=_Warnings(listener),
    )
    return Context(
        database=ledger.database,
        config=config,
        owner=owner,
        clock=clock,
        endpoint=endpoint,
        uploader=uploader,
        folder=ledger.workspace.home / FOLDER,
        listener=listener,
    )


class BatchLoop(Loop[Batch, Context]):
    """Steps the batches `ids` until each has ended."""

    machine = MACHINE
    steps = STEPS

    def __init__(self, context: Context, ids: Collection[str]) -> None:
        super().__init__(context, ids)
        self._foreign: set[str] = set()
        """Those of other accounts."""

    async def run(self, stop: asyncio.Event) -> None:
        """As in every loop, but a batch due later is polled now, because the user is waiting. Nothing is paid for
        before the time that the endpoint named."""
        with self.worker.database.write() as connection:
            store.hasten(connection, self.left, but_in=State.CREATING)
        self._foreign = await items_of_other_accounts(self.worker, OF_BATCHES)
        self.look()
        await super().run(stop)

    def claim(self, connection: Connection, abandoned: Collection[str]) -> None:
        worker = self.worker
        worker.blocked |= self._foreign
        ids, until = self.left - self._foreign, worker.lease_end()
        BATCHES.claim(connection, worker.owner, until, worker.now(), ids=ids, abandoned=abandoned)

    def see(self, item: Batch) -> None:
        self.worker.show(item)

    async def record(self, item: Batch, outcome: Move | Wait) -> Batch:
        written = await super().record(item, outcome)
        if written.is_over:
            Path(written.input_path).unlink(missing_ok=True)
        return written

    def accepted(self, item: Batch) -> None:
        super().accepted(item)
        self.worker.searches.pop(_looking_for(item), None)

    def refused(self, item: Batch, error: RequestRefused) -> Move | Wait:
        """A batch that the endpoint does not show is looked for again, and then waits for the user."""
        if error.facts.get("status") != _GONE or item.state not in (State.WAITING, State.COLLECTING):
            return super().refused(item, error)
        context, problem = self.worker, error.facts["problem"]
        if context.searched_seconds(_looking_for(item)) < context.config.settling_seconds:
            return Wait(context.now() + context.config.poll_seconds, f"the endpoint does not show it: {problem}")
        reason = f"{context.config.name} no longer shows it: {problem}; {way_out(item, context)}"
        return Move(State.UNKNOWN, reason)


def _looking_for(batch: Batch) -> Hashable:
    return batch.id, batch.state


class _Warnings(SilentRuns):
    """Passes the warnings of an upload to the listener of batches."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def warned(self, text: str) -> None:
        self._listener.warned(text)


# --- Waits for the answers to a plan's questions that were put into batches -----------------------------------


async def answers_to_batches(
    ledger: Ledger,
    plan: Plan,
    ids: Collection[str],
    *,
    listener: Listener | None = None,
    waiting: session.Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Asking:
    """Step these batches of the plan's questions, and wait for all their answers.

    Setting `stop` ends the waiting: the batches continue, and the same command finds them again. Raises
    BatchRefused if the endpoint refuses a whole batch, BatchUnsettled, BatchOnHold, OutputUnwritable,
    EndpointNotUsable and EndpointError.
    """
    if not ids:
        return Asking(0, {}, True)
    stop = stop or asyncio.Event()
    async with open_endpoint(plan.config, ledger.workspace.home) as endpoint:
        await session.wait_for_new_models(endpoint, plan, waiting or session.NullListener(), stop)
    errors = await drive(ledger, plan.config, ids, listener=listener, stop=stop)
    ended = as_driven(ledger, ids)
    return Asking(sum(batch.completed for batch in ended), errors, all(batch.is_over for batch in ended))


def as_driven(ledger: Ledger, ids: Collection[str]) -> list[Batch]:
    """These batches after they were driven. Raises BatchRefused, BatchUnsettled and BatchOnHold."""
    with ledger.database.read() as connection:
        found = store.by_ids(connection, ids)
    require_known(found)
    _require_answers(found)
    return found


def require_known(found: Collection[Batch]) -> None:
    """Raises BatchOnHold if one belongs to another account, and BatchUnsettled if the outcome of one is unknown."""
    for batch in found:
        if not batch.is_over and batch.reason.startswith(ON_HOLD):
            raise BatchOnHold(batch=batch.id, reason=batch.reason)
        if batch.state == State.UNKNOWN:
            raise BatchUnsettled(batch=batch.id, reason=batch.reason)


def _require_answers(ended: Collection[Batch]) -> None:
    refused = [batch for batch in ended if batch.state == State.FAILED]
    if refused:
        names = ", ".join(batch.id for batch in refused)
        raise BatchRefused(batches=f"Batch {names}", reason=refused[0].reason.rstrip("."))
