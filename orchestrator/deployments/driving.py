"""The loop that brings deployments to where they are wanted: provisioned and answering, or removed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.deployments.context import Context, Listener, NullListener
from orchestrator.deployments.states import State, move
from orchestrator.deployments.steps import STEPS, Move, Outcome, Rest, Wait
from orchestrator.deployments.uses import live_users
from orchestrator.endpoints import open_endpoint, open_management
from orchestrator.engine.worker import LEASE_SECONDS, Clock, is_abandoned, new_owner
from orchestrator.errors import DatabaseBusy, EndpointBusy, EndpointUnreachable, FtorchError, LostDeployment
from orchestrator.ledger import Ledger
from orchestrator.runs.crashpoints import crash_point
from orchestrator.store import deployments as store
from orchestrator.store.deployments import Deployment

_PATIENCE_SECONDS = 900.0
"""How long an account that answered before, and does not now, is waited for."""
_LONGEST_PAUSE = 60.0
_LOOK_UP_SECONDS = 1.0
IN_USE = "in use by an evaluation, so it stays for now"


async def drive(
    context: Context,
    ids: Collection[str],
    stop: asyncio.Event | None = None,
    until: Callable[[Deployment], bool] | None = None,
) -> None:
    """Step these deployments until each is settled, or `until` says so of it, or only the user can go on.

    Those that another process drives are waited for.

    Raises EndpointUnreachable and EndpointBusy where the account does not answer, and at once what the user must
    mend. Leases are given back in any case; setting `stop` ends it early, losing nothing.
    """
    driver = _Driver(context, set(ids), stop or asyncio.Event(), until or is_settled)
    try:
        async with _leases_kept(context):
            await driver.run()
    finally:
        with context.database.write() as connection:
            store.release(connection, context.owner)


@dataclass
class _Driver:
    context: Context
    left: set[str]
    stop: asyncio.Event
    until: Callable[[Deployment], bool]
    pauses: dict[str, float] = field(default_factory=dict)
    """How long each was last waited for, where the account did not answer."""
    silent_since: float | None = None

    async def run(self) -> None:
        while self.left and not self.stop.is_set():
            for deployment in self._due():
                with suppress(LostDeployment):
                    await self._step(deployment)
            self._drop_those_settled()
            await self._rest()

    def _due(self) -> list[Deployment]:
        """Those that this worker holds now and that may be looked at."""
        context, now = self.context, self.context.now()
        with context.database.write() as connection:
            gone = [owner for owner in store.lease_owners(connection, context.config.name) if is_abandoned(owner)]
            held = store.claim(connection, self.left, context.owner, context.lease_end(), now, gone)
        return [each for each in held if each.due_at is None or each.due_at <= now]

    async def _step(self, deployment: Deployment) -> None:
        try:
            outcome = await STEPS[State(deployment.state)](deployment, self.context)
        except (EndpointUnreachable, EndpointBusy) as error:
            outcome = self._endured(deployment, error)
        else:
            self.silent_since = None
            self.pauses.pop(deployment.id, None)
        self._record(deployment, outcome)

    def _endured(self, deployment: Deployment, error: EndpointUnreachable | EndpointBusy) -> Wait:
        """An account that has answered before is waited for; one that never did is the user's to look at."""
        now = self.context.clock.steady()
        self.silent_since = now if self.silent_since is None else self.silent_since
        if not self.context.has_answered and isinstance(error, EndpointUnreachable):
            raise error
        if now - self.silent_since > _PATIENCE_SECONDS:
            raise error
        told = error.facts.get("retry_after") or 0.0
        pause = max(told, min(_LONGEST_PAUSE, 2 * self.pauses.get(deployment.id, _LOOK_UP_SECONDS)))
        self.pauses[deployment.id] = pause
        return Wait(self.context.now() + pause, f"waiting for {self.context.config.name}: {error.facts['problem']}")

    def _record(self, deployment: Deployment, outcome: Outcome) -> None:
        if isinstance(outcome, Rest):
            self.left.discard(deployment.id)
            return
        context = self.context
        with context.database.write() as connection:
            outcome = _allowed(connection, deployment, outcome, context)
            written = _write(connection, deployment, outcome, context)
            kind = outcome.to.value if isinstance(outcome, Move) else "wait"
            crash_point("before-commit-deployment", kind)
        crash_point("after-commit-deployment", kind)
        if isinstance(outcome, Move):
            context.listener.moved(written)
        elif written.reason != deployment.reason:
            context.listener.noted(written)
        if isinstance(outcome, Wait) and outcome.blocked:
            self.left.discard(deployment.id)

    def _drop_those_settled(self) -> None:
        with self.context.database.read() as connection:
            current = [store.get(connection, deployment_id) for deployment_id in self.left]
        self.left -= {each.id for each in current if is_settled(each) or self.until(each)}

    async def _rest(self) -> None:
        """Sleep until something is due, waking now and then for wishes and what other processes do."""
        if not self.left:
            return
        with self.context.database.read() as connection:
            current = [store.get(connection, deployment_id) for deployment_id in self.left]
        waits = [
            (each.due_at or 0.0) - self.context.now() for each in current if each.lease_owner == self.context.owner
        ]
        pause = max(0.01, min([*waits, _LOOK_UP_SECONDS]))
        sleeping = asyncio.ensure_future(self.context.clock.sleep(pause))
        stopping = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()


def is_settled(deployment: Deployment) -> bool:
    """Whether it is where it is wanted: over, or answering with no wish to remove it."""
    return deployment.is_over or (deployment.state == State.DEPLOYED and deployment.requested_action is None)


def _allowed(connection: Connection, deployment: Deployment, outcome: Move | Wait, context: Context) -> Move | Wait:
    """The outcome, or a wait where somebody uses what would be removed: asked in the transaction of the move."""
    if not (isinstance(outcome, Move) and outcome.unless_used):
        return outcome
    if not live_users(connection, deployment.id, context.now()):
        return outcome
    return Wait(context.now(), IN_USE, blocked=True)


def _write(connection: Connection, deployment: Deployment, outcome: Move | Wait, context: Context) -> Deployment:
    owner, now = context.owner, context.now()
    if isinstance(outcome, Wait):
        changes = {"reason": outcome.reason, "due_at": outcome.until, **outcome.changes}
        return store.note(connection, deployment, owner, now, changes)
    return move(connection, deployment, outcome.to, outcome.reason, owner=owner, now=now, changes=outcome.changes)


@asynccontextmanager
async def _leases_kept(context: Context) -> AsyncIterator[None]:
    """Renew this worker's leases in the background, however long a request takes."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(DatabaseBusy), context.database.write() as connection:  # the next turn is soon enough
                store.renew(connection, context.owner, context.lease_end(), context.now())

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# --- Driving deployments from one process: what the commands and an evaluation have in common -----------------


@asynccontextmanager
async def open_context(
    ledger: Ledger, config: EndpointConfig, listener: Listener | None = None, clock: Clock | None = None
) -> AsyncIterator[Context]:
    """Connect to an endpoint and to its account's management. Raises what both of these raise."""
    async with (
        open_management(config) as management,
        open_endpoint(config, ledger.workspace.home) as endpoint,
    ):
        owner = new_owner(random.SystemRandom())
        yield Context(
            ledger.database, management, endpoint, config, owner, clock or Clock(), listener or NullListener()
        )


async def settle(
    ledger: Ledger,
    deployments: Collection[Deployment],
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    wait: bool = True,
) -> list[Deployment]:
    """Drive these deployments, each on its endpoint, to where they are wanted; returns them as they are then.

    Without `wait` it ends as soon as the account was asked.

    Raises what `drive` raises; the trouble of one endpoint keeps no other from its turn, and the first is raised in
    the end.
    """
    troubles: list[FtorchError] = []
    for name in sorted({each.endpoint for each in deployments}):
        here = [each.id for each in deployments if each.endpoint == name]
        try:
            async with open_context(ledger, ledger.workspace.endpoint(name), listener) as context:
                await drive(context, here, stop, None if wait else _is_asked_for)
        except FtorchError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return reread(ledger, deployments)


def reread(ledger: Ledger, deployments: Collection[Deployment]) -> list[Deployment]:
    """The deployments as they are recorded now, in the same order."""
    with ledger.database.read() as connection:
        return [store.get(connection, each.id) for each in deployments]


def _is_asked_for(deployment: Deployment) -> bool:
    return deployment.requested_at is not None and deployment.due_at is not None
