"""The loop over batches of one endpoint: each is stepped when it is due, by the process that holds its lease."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_endpoint
from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.worker import LEASE_SECONDS, Clock, is_abandoned, new_owner
from orchestrator.errors import (
    BatchRefused,
    DatabaseBusy,
    EndpointBusy,
    EndpointUnreachable,
    LostRun,
    RequestRefused,
)
from orchestrator.evaluation import session
from orchestrator.evaluation.batching.inputs import FOLDER
from orchestrator.evaluation.batching.states import (
    BatchContext,
    Listener,
    Move,
    NullListener,
    Outcome,
    State,
    Wait,
    record,
)
from orchestrator.evaluation.batching.steps import STEPS
from orchestrator.evaluation.plan import Plan
from orchestrator.evaluation.session import Asking
from orchestrator.ledger import Ledger
from orchestrator.runs.context import Context, NullListener as SilentRuns
from orchestrator.runs.crashpoints import crash_point
from orchestrator.store import batches as store, uploads
from orchestrator.store.batches import Batch
from orchestrator.store.evaluations import Asked

_LOOK_UP_SECONDS = 1.0
"""Between two looks at what other processes, and the user's wishes, have changed."""
_GONE = 404


async def drive(
    ledger: Ledger,
    config: EndpointConfig,
    ids: Collection[str],
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
) -> Mapping[Asked, str]:
    """Carry these batches on until all are over; returns why questions collected here have no answer.

    Setting `stop` ends it early, losing nothing. Raises EndpointNotUsable and EndpointError.
    """
    async with open_endpoint(config, ledger.workspace.home) as endpoint:
        scene = scene_of(ledger, endpoint, config, listener or NullListener())
        await BatchLoop(scene, ids).run(stop or asyncio.Event())
    return scene.errors


def scene_of(
    ledger: Ledger, endpoint: Endpoint, config: EndpointConfig, listener: Listener, clock: Clock | None = None
) -> BatchContext:
    """This process as a worker on batches."""
    rng = random.SystemRandom()
    context = Context(ledger.database, endpoint, config, new_owner(rng), clock or Clock(), rng, _Warnings(listener))
    return BatchContext(context, listener, ledger.workspace.home / FOLDER)


class BatchLoop:
    """Steps the batches `ids` until each is over."""

    def __init__(self, scene: BatchContext, ids: Collection[str]) -> None:
        self._scene = scene
        self._ids = frozenset(ids)
        self._due: dict[str, float] = {}
        """When a batch is to be stepped again, by the steady clock, which nobody sets."""
        self._seen: dict[str, Batch] = {}
        self._answered = False
        self._outage = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Until every batch is over, or `stop` is set. Leases are given back in any case.

        Raises EndpointUnreachable where the endpoint never answered, and at once what the user must mend.
        """
        try:
            async with self._leases_kept():
                while not stop.is_set() and self._left():
                    self._claim()
                    await self._step_all(stop)
                    await self._rest(stop)
        finally:
            self._release()

    def _left(self) -> Sequence[Batch]:
        """What is not over; the listener hears what others have changed."""
        with self._scene.context.database.read() as connection:
            found = store.by_ids(connection, self._ids)
        for batch in found:
            seen = self._seen.get(batch.id)
            if seen is not None and seen.requested_action != batch.requested_action:
                self._due.pop(batch.id, None)  # a wish does not wait for the next poll
            if self._is_news(batch):
                self._tell(batch)
        return [batch for batch in found if not batch.is_over]

    def _is_news(self, batch: Batch) -> bool:
        seen = self._seen.get(batch.id)
        return seen is None or _as_told(seen) != _as_told(batch)

    def _tell(self, batch: Batch) -> None:
        self._seen[batch.id] = batch
        self._scene.listener.changed(batch)

    def _claim(self) -> None:
        context = self._scene.context
        with context.database.write() as connection:
            owners = store.owners(connection, context.config.name)
            store.claim(
                connection,
                context.owner,
                context.lease_end(),
                context.now(),
                ids=self._ids,
                abandoned=[owner for owner in owners if is_abandoned(owner)],
            )
            crash_point("before-commit-batch-leases")
        crash_point("after-commit-batch-leases")

    async def _step_all(self, stop: asyncio.Event) -> None:
        context = self._scene.context
        with context.database.read() as connection:
            ours = [
                each
                for each in store.unfinished(connection, context.config.name, self._ids)
                if each.lease_owner == context.owner
            ]
        troubles = []
        for batch in ours:
            if self._is_due(batch) and not stop.is_set():
                try:
                    await self._drive(batch)
                except (EndpointUnreachable, EndpointBusy) as error:
                    self._due[batch.id] = context.clock.steady() + context.config.poll_seconds
                    troubles.append(error)
        self._endure(troubles)

    def _is_due(self, batch: Batch) -> bool:
        return self._due.get(batch.id, 0.0) <= self._scene.context.clock.steady()

    async def _drive(self, batch: Batch) -> None:
        """Step it until it waits, or is over."""
        with suppress(LostRun):
            while State(batch.state) in STEPS:
                outcome, requested_action = await self._outcome(batch), batch.requested_action
                batch = record(batch, outcome, self._scene)
                self._seen[batch.id] = batch
                self._answered = True
                if isinstance(outcome, Wait) and outcome.seconds > 0 and batch.requested_action == requested_action:
                    self._due[batch.id] = self._scene.context.clock.steady() + outcome.seconds
                    return
            Path(batch.input_path).unlink(missing_ok=True)

    async def _outcome(self, batch: Batch) -> Outcome:
        try:
            outcome = await STEPS[State(batch.state)](batch, self._scene)
        except RequestRefused as error:
            if error.facts.get("status") == _GONE and batch.state in (State.WAITING, State.COLLECTING):
                return self._gone(batch, error.facts["problem"])
            raise
        self._scene.context.searches.pop(_looking_for(batch), None)
        return outcome

    def _gone(self, batch: Batch, problem: str) -> Outcome:
        """What was made a moment ago may not be shown yet; to give it up at once would be to pay for it twice."""
        context = self._scene.context
        if context.searched_seconds(_looking_for(batch)) < context.config.settling_seconds:
            return Wait(context.config.poll_seconds, f"the endpoint does not show it: {problem}")
        return Move(State.FAILED, f"the endpoint no longer has it: {problem}")

    def _endure(self, troubles: Sequence[EndpointUnreachable | EndpointBusy]) -> None:
        """An endpoint that has answered before is waited for; one that never did is the user's to look at."""
        if not troubles:
            self._outage = 0.0
            return
        if not self._answered and isinstance(troubles[0], EndpointUnreachable):
            raise troubles[0]
        self._outage = min(60.0, max(1.0, 2 * self._outage))
        pause = max([self._outage, *(error.facts.get("retry_after") or 0.0 for error in troubles)])
        steady = self._scene.context.clock.steady()
        self._due = {batch_id: max(self._due.get(batch_id, 0.0), steady + pause) for batch_id in self._ids}
        self._scene.listener.warned(f"{troubles[0].facts['problem']}; trying again in {pause:.0f} s")

    async def _rest(self, stop: asyncio.Event) -> None:
        """Sleep until something is due, waking now and then for what others have changed."""
        clock, left = self._scene.context.clock, self._left()
        if not left:
            return
        steady = clock.steady()
        pauses = [self._due[batch.id] - steady for batch in left if batch.id in self._due]
        sleeping = asyncio.ensure_future(clock.sleep(max(0.005, min([_LOOK_UP_SECONDS, *pauses]))))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()

    @asynccontextmanager
    async def _leases_kept(self) -> AsyncIterator[None]:
        """Renew this worker's leases in the background, however long a request takes."""
        context = self._scene.context

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 3)
                with suppress(DatabaseBusy), context.database.write() as connection:  # the next turn is soon enough
                    store.renew(connection, context.owner, context.lease_end(), context.now())
                    uploads.renew(connection, context.owner, context.lease_end(), context.now())

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _release(self) -> None:
        context = self._scene.context
        with context.database.write() as connection:
            store.release(connection, context.owner)
            uploads.release(connection, context.owner)


def _looking_for(batch: Batch) -> Hashable:
    return batch.id, batch.state


def _as_told(batch: Batch) -> tuple[object, ...]:
    return batch.version, batch.updated_at, batch.requested_action


class _Warnings(SilentRuns):
    """What an upload has to say, said of batches."""

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
    """Carry on these batches of the plan's questions, and wait for all their answers.

    Setting `stop` ends the waiting: the batches go on, and whoever asks for the same again finds them. Raises
    BatchRefused where the endpoint refuses one as a whole, OutputUnwritable, EndpointNotUsable and EndpointError.
    """
    if not ids:
        return Asking(0, {}, True)
    stop = stop or asyncio.Event()
    async with open_endpoint(plan.config, ledger.workspace.home) as endpoint:
        await session.wait_for_new_models(endpoint, plan, waiting or session.NullListener(), stop)
    errors = await drive(ledger, plan.config, ids, listener=listener, stop=stop)
    ended = _read(ledger, ids)
    _require_answers(ended)
    return Asking(sum(batch.completed for batch in ended), errors, all(batch.is_over for batch in ended))


def _read(ledger: Ledger, ids: Collection[str]) -> list[Batch]:
    with ledger.database.read() as connection:
        return store.by_ids(connection, ids)


def _require_answers(ended: Collection[Batch]) -> None:
    refused = [batch for batch in ended if batch.state == State.FAILED]
    if refused:
        names = ", ".join(batch.id for batch in refused)
        raise BatchRefused(batches=f"Batch {names}", reason=refused[0].reason.rstrip("."))
