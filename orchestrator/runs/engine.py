"""The loop that drives runs: one for each endpoint, all in one event loop of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from typing import Protocol

from orchestrator.errors import DatabaseBusy, EndpointBusy, EndpointError, EndpointUnreachable, LostRun
from orchestrator.runs.context import LEASE_SECONDS, Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.outcome import Outcome, record
from orchestrator.runs.polling import Pace, poll
from orchestrator.runs.reconcile import disown
from orchestrator.runs.states import POLLED, State
from orchestrator.runs.steps import STEPS
from orchestrator.runs.watching import Watch
from orchestrator.runs.wishes import carry_out
from orchestrator.store import leases, runs as store, uploads
from orchestrator.store.runs import Run

_AT_ONCE = 8
"""How many runs are stepped at the same time."""
_LOOK_UP_SECONDS = 1.0
"""How often wishes and other processes' work are looked for while there is nothing else to do."""
_EASED = (*POLLED, State.COLLECTING)
"""Following these costs nothing, so a worker takes them along whoever began them."""
_MOVED_BY_US = tuple(STEPS)


class Supervisor(Protocol):
    """Looks after runs that belong together, between one cycle and the next: it may end some, and add others."""

    endpoint: str

    @property
    def run_ids(self) -> list[str]:
        """The ids of those of its runs that are asked for now."""

    def attend(self, now: float) -> Collection[str]:
        """Returns the ids of those of its runs that it has not named before, for the loop to drive."""

    def is_done(self) -> bool:
        """Whether there would be nothing for it to do as things are; when all runs are over, the loop ends then."""


class EndpointLoop:
    """Drives runs on one endpoint.

    Runs of the `scope` (ids; None for all) are driven in every state. Runs outside it are only followed: nothing is
    uploaded or created for a run that the caller did not ask for.
    """

    def __init__(
        self,
        world: Context,
        scope: Collection[str] | None,
        until: Callable[[], bool] | None = None,
        attendants: Sequence[Supervisor] = (),
    ) -> None:
        self._world = world
        self._attendants = attendants
        self._until = until or (lambda: False)
        self._scope = None if scope is None else set(scope)
        self._pace = Pace(world.config.poll_seconds, world.random)
        self._poll_at = 0.0  # these two by the steady clock, which nobody sets
        self._answered = False
        self._outage = 0.0
        self._claimed_at = inf
        self._quiet_until = 0.0
        self._watch = Watch(world)

    async def run(self, stop: asyncio.Event) -> None:
        """Until every run of the scope is over, paused, or blocked until the user acts; or `until()` says so, or
        `stop` is set.

        Raises EndpointUnreachable where the endpoint never answered, and at once what the user must mend
        (KeyRefused, QuotaExhausted). Leases are given back in any case.
        """
        try:
            async with self._leases_kept():
                while not (stop.is_set() or self._is_done() or self._until()):
                    await self._cycle()
                    if not self._attend():
                        await self._rest(stop)
                self._watch.look()
        finally:
            self._release()

    async def _cycle(self) -> None:
        world = self._world
        self._claim()
        if world.clock.steady() >= self._quiet_until:
            troubles = [await self._tried(part) for part in (self._grant_wishes, self._step_all, self._poll)]
            self._endure([trouble for trouble in troubles if trouble])
        self._watch.look()

    async def _tried(self, part: Callable[[], Awaitable[None]]) -> EndpointUnreachable | EndpointBusy | None:
        """The passing trouble that ended this part, if any: one run's trouble must not keep the others waiting."""
        try:
            await part()
        except (EndpointUnreachable, EndpointBusy) as error:
            return error
        return None

    # --- the parts of a cycle ------------------------------------------------------------------------------

    def _claim(self) -> None:
        world, now = self._world, self._world.now()
        with world.database.write() as connection:
            take = partial(
                leases.claim,
                connection,
                world.owner,
                world.lease_end(),
                now,
                endpoint=world.config.name,
                abandoned=world.abandoned(connection),
            )
            take(states=_EASED)
            take(states=_MOVED_BY_US, ids=self._scope)
            if now < self._claimed_at:  # the clock was set back, or this is the first look at it
                store.end_future_waits(connection, world.config.name, now)
            crash_point("before-commit-leases")
        crash_point("after-commit-leases")
        self._claimed_at = now

    async def _grant_wishes(self) -> None:
        world = self._world
        with world.database.read() as connection:
            wished = leases.held_with_wish(connection, world.owner, world.config.name)
        for run in wished:
            with suppress(LostRun):
                if await carry_out(run, world):
                    self._poll_at = 0.0

    async def _step_all(self) -> None:
        """Step what is due, a few at a time, until each run waits, is followed by polling, or is over."""
        world = self._world
        with world.database.read() as connection:
            due = leases.held(
                connection,
                world.owner,
                endpoint=world.config.name,
                states=_MOVED_BY_US,
                due_before=world.now(),
                limit=4 * _AT_ONCE,
            )
        gate = asyncio.Semaphore(_AT_ONCE)

        async def drive(run: Run) -> None:
            async with gate:
                await self._drive(run)

        results = await asyncio.gather(*(drive(run) for run in due), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    async def _drive(self, run: Run) -> None:
        world = self._world
        with suppress(LostRun):
            while State(run.state) in STEPS:
                if run.due_at is not None and run.due_at > world.now():
                    return
                before = run
                try:
                    outcome = await STEPS[State(run.state)](run, world)
                except EndpointError as error:
                    self._note_trouble(run, error)
                    raise
                run = await self._record(run, outcome)
                if run.state in POLLED:
                    self._poll_at = 0.0
                if run.version == before.version or run.wish:
                    return  # a wish comes first: what was not sent yet need not be
                self._answered |= before.state != State.PENDING

    async def _record(self, run: Run, outcome: Outcome) -> Run:
        try:
            return record(self._world, run, outcome)
        except LostRun:
            await disown(run, outcome, self._world)
            raise

    def _note_trouble(self, run: Run, error: EndpointError) -> None:
        world = self._world
        with world.database.write() as connection:
            reason = f"waiting for {world.config.name}: {error.facts['problem']}"
            store.note(connection, run, world.owner, world.now(), {"reason": reason})

    async def _poll(self) -> None:
        world = self._world
        if world.clock.steady() < self._poll_at:
            return
        changed = await poll(world)
        self._answered |= changed
        with world.database.read() as connection:
            finish = leases.next_finish(connection, world.owner, world.config.name)
            asked = leases.shortest_poll(connection, world.owner, world.config.name)
        self._pace.base = asked or world.config.poll_seconds
        left = None if finish is None else finish - world.now()
        self._poll_at = world.clock.steady() + self._pace.next(changed=changed, seconds_to_finish=left)

    def _endure(self, troubles: Sequence[EndpointUnreachable | EndpointBusy]) -> None:
        """An endpoint that has answered before is waited for; one that never did is the user's to look at."""
        self._answered |= not troubles or any(isinstance(trouble, EndpointBusy) for trouble in troubles)
        if not troubles:
            self._outage = 0.0
            return
        if not self._answered:
            raise troubles[0]
        self._outage = min(60.0, max(1.0, 2 * self._outage))
        pause = max([self._outage, *(trouble.facts.get("retry_after") or 0.0 for trouble in troubles)])
        self._quiet_until = self._world.clock.steady() + pause
        self._world.listener.warned(f"{troubles[0].facts['problem']}; trying again in {pause:.0f} s")

    def _attend(self) -> bool:
        """Returns whether runs have joined, which are to be driven at once."""
        found = {run_id for each in self._attendants for run_id in each.attend(self._world.now())}
        joined = found - self._world.followed
        self._world.followed |= found
        if self._scope is not None:
            joined |= found - self._scope
            self._scope |= found
        return bool(joined)

    # --- between cycles ------------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        world = self._world
        if not all(each.is_done() for each in self._attendants):
            return False
        enough = len(world.blocked) + 1  # one of so many is not blocked
        with world.database.read() as connection:
            left = store.unfinished(connection, world.config.name, self._scope, resting=State.PAUSED, limit=enough)
        return world.blocked.issuperset(left)

    async def _rest(self, stop: asyncio.Event) -> None:
        """Sleep until something is due, waking now and then for wishes."""
        world, steady = self._world, self._world.clock.steady()
        with world.database.read() as connection:
            due = leases.next_due(connection, world.owner, world.config.name, _MOVED_BY_US)
            follows = leases.holds_any(connection, world.owner, world.config.name, POLLED)
        waits = [_LOOK_UP_SECONDS]
        waits += [] if due is None else [due - world.now()]
        waits += [self._poll_at - steady] if follows else []
        pause = max(min(waits), min(_LOOK_UP_SECONDS, self._quiet_until - steady))
        sleeping = asyncio.ensure_future(world.clock.sleep(max(pause, 0.005)))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()

    @asynccontextmanager
    async def _leases_kept(self) -> AsyncIterator[None]:
        """Renew this worker's leases in the background, however long a request takes."""
        world = self._world

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 3)
                with suppress(DatabaseBusy), world.database.write() as connection:  # the next turn is soon enough
                    leases.renew(connection, world.owner, world.lease_end(), world.now())
                    uploads.renew(connection, world.owner, world.lease_end(), world.now())

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _release(self) -> None:
        with self._world.database.write() as connection:
            leases.release(connection, self._world.owner)
            uploads.release(connection, self._world.owner)
