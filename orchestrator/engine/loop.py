"""The loop that drives items of one kind on one endpoint: leases, steps, outages, and the rest between cycles.

Each kind's loop defines what it claims, what it does in a cycle and when it is done. What all kinds share is in
this file: one worker at a time works on an item; an outage of the endpoint is waited out; one item's refusal
stops no other; leases are renewed during long requests, and released in any case.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Connection

from orchestrator.engine.crashpoints import crash_point
from orchestrator.engine.machine import Machine, Move, Outcome, Rest, Wait
from orchestrator.engine.worker import LEASE_SECONDS, Worker
from orchestrator.errors import (
    DatabaseBusy,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    LostLease,
    RequestRefused,
)
from orchestrator.store.leased import T

LOOK_UP_SECONDS = 1.0
"""How often requested actions and other processes' work are looked for while there is nothing else to do."""
_LONGEST_PAUSE = 60.0
_SHORTEST_REST = 0.005
_IN_A_CYCLE = 32
"""How many items are stepped in one cycle, so that everything else gets its turn."""

Trouble = EndpointUnreachable | EndpointBusy
"""Temporary errors: the endpoint is away, or asks to wait."""
W = TypeVar("W", bound=Worker[Any])
Part = Callable[[], Awaitable[None]]


class Loop(Generic[T, W]):
    """Drives the items `ids` until each is settled, or blocked until the user acts."""

    machine: ClassVar[Machine[Any]]
    steps: ClassVar[Mapping[Any, Callable[[Any, Any], Awaitable[Outcome]]]]
    """One function per state that needs work; each may be called any number of times."""
    at_once: ClassVar[int] = 1
    """How many items are stepped at the same time."""

    def __init__(self, worker: W, ids: Collection[str]) -> None:
        self.worker = worker
        self.left = set(ids)
        """The ids of the items that are not settled yet."""
        self._outage = 0.0
        self._quiet_until = 0.0  # by the steady clock, which nobody sets
        self._claimed_at = inf
        self._refusals: dict[str, EndpointError] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is done, or `stop` is set. Leases are released in any case.

        Raises EndpointUnreachable if the endpoint never answered, errors that concern the whole account
        (KeyRefused, QuotaExhausted) at once, and at the end the first refusal that left an item where it was.
        """
        self.worker.blocked.clear()
        try:
            async with _leases_kept(self.worker):
                if not self.is_done():
                    await self._cycles(stop)
                self.look()
        finally:
            with self.worker.database.write() as connection:
                for leases in self.worker.leases:
                    leases.release(connection, self.worker.owner)
        for item_id, refusal in self._refusals.items():
            if item_id in self.worker.blocked and not stop.is_set():
                raise refusal

    # --- what each kind may override -------------------------------------------------------------------------

    def claim(self, connection: Connection, abandoned: Collection[str]) -> None:
        """Lease the items that this loop works on."""
        worker = self.worker
        self.machine.rows.claim(
            connection, worker.owner, worker.lease_end(), worker.now(), ids=self.left, abandoned=abandoned
        )

    def parts(self, stop: asyncio.Event) -> Sequence[Part]:
        """The work of one cycle while the endpoint may be asked; an error in one part stops no other."""
        return (lambda: self.step_all(stop),)

    @property
    def scope(self) -> Collection[str] | None:
        """The ids of the items to step; None for all that this worker holds."""
        return self.left

    @property
    def due_states(self) -> Collection[Any]:
        """The states whose items are stepped as soon as they are due."""
        return self.steps

    def due(self) -> list[T]:
        """The items to step in this cycle."""
        worker = self.worker
        with worker.database.read() as connection:
            return self.machine.rows.held(
                connection,
                worker.owner,
                endpoint=worker.config.name,
                states=self.due_states,
                ids=self.scope,
                due_before=worker.now(),
                limit=_IN_A_CYCLE,
            )

    async def record(self, item: T, outcome: Move | Wait) -> T:
        """Write an outcome; returns the item as it is now. Raises LostLease."""
        written: T = self.machine.record(self.worker, item, outcome)
        return written

    def refused(self, item: T, error: RequestRefused) -> Move | Wait:
        """The outcome of a step that the endpoint refused. By default it is for the user, and the item is tried
        again while others are in progress."""
        if item.id not in self._refusals:
            self.worker.warned(str(error))
        self._refusals[item.id] = error
        until = self.worker.now() + _LONGEST_PAUSE
        return Wait(until, f"{self.worker.config.name} refused it: {error.facts['problem']}", blocked=True)

    def accepted(self, item: T) -> None:
        """A step of this item ended without a refusal by the endpoint."""
        self._refusals.pop(item.id, None)

    def stepped(self, before: T, item: T) -> None:
        """A step that the endpoint did not interrupt was recorded."""
        self.worker.has_answered = True

    def is_settled(self, item: T) -> bool:
        """Whether the item needs no more work."""
        return item.finished_at is not None

    def look(self) -> None:
        """After each cycle: see what this process and others have changed."""
        with self.worker.database.read() as connection:
            current = self.machine.rows.by_ids(connection, self.left)
        for item in current:
            self.see(item)
        self.left -= {item.id for item in current if self.is_settled(item)}

    def see(self, item: T) -> None:
        """Look at an item that is not settled yet, or was not until now."""

    def attend(self) -> bool:
        """Look after items that belong together; returns whether others were added, to be driven at once."""
        return False

    def is_done(self) -> bool:
        """Whether everything left needs the user."""
        return self.worker.blocked.issuperset(self.left)

    def waits(self) -> Sequence[float]:
        """Seconds until this loop has something to do other than its steps."""
        return ()

    # --- a cycle ---------------------------------------------------------------------------------------------

    async def _cycles(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._claim()
            if self.worker.clock.steady() >= self._quiet_until:
                troubles = [await self._tried(part) for part in self.parts(stop)]
                self._wait_out([trouble for trouble in troubles if trouble])
            self.look()
            has_more = self.attend()
            if self.is_done():
                return
            if not has_more:
                await self._rest(stop)

    def _claim(self) -> None:
        worker, now = self.worker, self.worker.now()
        with worker.database.write() as connection:
            self.claim(connection, worker.abandoned(connection))
            if now < self._claimed_at:  # the clock was set back, or this is the first look at it
                self.machine.rows.end_future_waits(connection, worker.config.name, now)
            crash_point("before-commit", self.machine.points + "leases")
        crash_point("after-commit", self.machine.points + "leases")
        self._claimed_at = now

    async def _tried(self, part: Part) -> Trouble | None:
        """The temporary error that ended this part, if any."""
        try:
            await part()
        except (EndpointUnreachable, EndpointBusy) as error:
            return error
        return None

    async def step_all(self, stop: asyncio.Event) -> None:
        """Step what is due, until each item waits, is settled, or has no step."""

        async def drive(item: T) -> None:
            if not stop.is_set():
                await self._drive(item)

        await self.each(self.due(), drive)

    async def each(self, items: Sequence[T], act: Callable[[T], Awaitable[object]]) -> None:
        """Do this for every item, `at_once` at the same time; an item whose lease is lost is skipped.

        Every item gets its turn; then the first error is raised, permanent errors before temporary ones.
        """
        gate = asyncio.Semaphore(self.at_once)

        async def one(item: T) -> None:
            async with gate:
                with suppress(LostLease):
                    await act(item)

        results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in sorted(errors, key=lambda each: isinstance(each, EndpointUnreachable | EndpointBusy)):
            raise error

    async def _drive(self, item: T) -> None:
        while item.state in self.steps and (item.due_at is None or item.due_at <= self.worker.now()):
            before = item
            outcome = await self._outcome(item)
            if isinstance(outcome, Rest):
                self.left.discard(item.id)
                return
            item = await self.record(item, outcome)
            self.stepped(before, item)
            if item.version == before.version or item.requested_action or self.is_settled(item):
                return  # a requested action comes first: it may make sending unnecessary

    async def _outcome(self, item: T) -> Outcome:
        try:
            outcome = await self.steps[item.state](item, self.worker)
        except RequestRefused as error:
            return self.refused(item, error)
        except EndpointError as error:
            self._note_trouble(item, error)
            raise
        self.accepted(item)
        return outcome

    def _note_trouble(self, item: T, error: EndpointError) -> None:
        worker = self.worker
        with worker.database.write() as connection:
            reason = f"waiting for {worker.config.name}: {error.facts['problem']}"
            noted = self.machine.rows.note(connection, item, worker.owner, worker.now(), {"reason": reason})
        worker.noted(noted, item)

    def _wait_out(self, troubles: Sequence[Trouble]) -> None:
        """An endpoint that has answered before is waited for; one that never did is for the user to look at."""
        if not troubles:
            self._outage = 0.0
            return
        worker = self.worker
        worker.has_answered |= any(isinstance(trouble, EndpointBusy) for trouble in troubles)
        if not worker.has_answered:
            raise troubles[0]
        self._outage = min(_LONGEST_PAUSE, max(1.0, 2 * self._outage))
        pause = max([self._outage, *(trouble.facts.get("retry_after") or 0.0 for trouble in troubles)])
        self._quiet_until = worker.clock.steady() + pause
        worker.warned(f"{troubles[0].facts['problem']}; trying again in {pause:.0f} s")

    # --- between cycles --------------------------------------------------------------------------------------

    async def _rest(self, stop: asyncio.Event) -> None:
        """Sleep until something is due, waking now and then for requested actions and other processes' changes."""
        worker, steady = self.worker, self.worker.clock.steady()
        with worker.database.read() as connection:
            due = self.machine.rows.next_due(
                connection, worker.owner, endpoint=worker.config.name, states=self.due_states, ids=self.scope
            )
        waits = [LOOK_UP_SECONDS, *self.waits()] + ([] if due is None else [due - worker.now()])
        pause = max(min(waits), min(LOOK_UP_SECONDS, self._quiet_until - steady))
        sleeping = asyncio.ensure_future(worker.clock.sleep(max(pause, _SHORTEST_REST)))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()


@asynccontextmanager
async def _leases_kept(worker: Worker[Any]) -> AsyncIterator[None]:
    """Renew this worker's leases in the background, however long a request takes."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(DatabaseBusy), worker.database.write() as connection:  # the next renewal is soon enough
                for leases in worker.leases:
                    leases.renew(connection, worker.owner, worker.lease_end(), worker.now())

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
