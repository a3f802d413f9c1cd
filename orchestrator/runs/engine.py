"""The loop that drives runs: one for each endpoint, all in one event loop of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf
from typing import Protocol

from orchestrator.engine.worker import LEASE_SECONDS
from orchestrator.errors import DatabaseBusy, EndpointBusy, EndpointError, EndpointUnreachable, LostRun
from orchestrator.runs.actions import carry_out
from orchestrator.runs.context import Context
from orchestrator.runs.crashpoints import crash_point
from orchestrator.runs.outcome import Outcome, record
from orchestrator.runs.polling import Pace, poll
from orchestrator.runs.reconcile import disown
from orchestrator.runs.states import POLLED, State
from orchestrator.runs.steps import STEPS
from orchestrator.runs.watching import Watch
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
        context: Context,
        scope: Collection[str] | None,
        until: Callable[[], bool] | None = None,
        supervisors: Sequence[Supervisor] = (),
    ) -> None:
        self._context = context
        self._supervisors = supervisors
        self._until = until or (lambda: False)
        self._scope = None if scope is None else set(scope)
        self._pace = Pace(context.config.poll_seconds, context.random)
        self._poll_at = 0.0  # these two by the steady clock, which nobody sets
        self._answered = False
        self._outage = 0.0
        self._claimed_at = inf
        self._quiet_until = 0.0
        self._watch = Watch(context)

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
        context = self._context
        self._claim()
        if context.clock.steady() >= self._quiet_until:
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
        context, now = self._context, self._context.now()
        with context.database.write() as connection:
            take = partial(
                leases.claim,
                connection,
                context.owner,
                context.lease_end(),
                now,
                endpoint=context.config.name,
                abandoned=context.abandoned(connection),
            )
            take(states=_EASED)
            take(states=_MOVED_BY_US, ids=self._scope)
            if now < self._claimed_at:  # the clock was set back, or this is the first look at it
                store.end_future_waits(connection, context.config.name, now)
            crash_point("before-commit-leases")
        crash_point("after-commit-leases")
        self._claimed_at = now

    async def _grant_wishes(self) -> None:
        context = self._context
        with context.database.read() as connection:
            requested = leases.held_with_request(connection, context.owner, context.config.name)
        for run in requested:
            with suppress(LostRun):
                if await carry_out(run, context):
                    self._poll_at = 0.0

    async def _step_all(self) -> None:
        """Step what is due, a few at a time, until each run waits, is followed by polling, or is over."""
        context = self._context
        with context.database.read() as connection:
            due = leases.held(
                connection,
                context.owner,
                endpoint=context.config.name,
                states=_MOVED_BY_US,
                due_before=context.now(),
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
        context = self._context
        with suppress(LostRun):
            while State(run.state) in STEPS:
                if run.due_at is not None and run.due_at > context.now():
                    return
                before = run
                try:
                    outcome = await STEPS[State(run.state)](run, context)
                except EndpointError as error:
                    self._note_trouble(run, error)
                    raise
                run = await self._record(run, outcome)
                if run.state in POLLED:
                    self._poll_at = 0.0
                if run.version == before.version or run.requested_action:
                    return  # a wish comes first: what was not sent yet need not be
                self._answered |= before.state != State.PENDING

    async def _record(self, run: Run, outcome: Outcome) -> Run:
        try:
            return record(self._context, run, outcome)
        except LostRun:
            await disown(run, outcome, self._context)
            raise

    def _note_trouble(self, run: Run, error: EndpointError) -> None:
        context = self._context
        with context.database.write() as connection:
            reason = f"waiting for {context.config.name}: {error.facts['problem']}"
            store.note(connection, run, context.owner, context.now(), {"reason": reason})

    async def _poll(self) -> None:
        context = self._context
        if context.clock.steady() < self._poll_at:
            return
        changed = await poll(context)
        self._answered |= changed
        with context.database.read() as connection:
            finish = leases.next_finish(connection, context.owner, context.config.name)
            asked = leases.shortest_poll(connection, context.owner, context.config.name)
        self._pace.base = asked or context.config.poll_seconds
        left = None if finish is None else finish - context.now()
        self._poll_at = context.clock.steady() + self._pace.next(changed=changed, seconds_to_finish=left)

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
        self._quiet_until = self._context.clock.steady() + pause
        self._context.listener.warned(f"{troubles[0].facts['problem']}; trying again in {pause:.0f} s")

    def _attend(self) -> bool:
        """Returns whether runs have joined, which are to be driven at once."""
        found = {run_id for each in self._supervisors for run_id in each.attend(self._context.now())}
        joined = found - self._context.followed
        self._context.followed |= found
        if self._scope is not None:
            joined |= found - self._scope
            self._scope |= found
        return bool(joined)

    # --- between cycles ------------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        context = self._context
        if not all(each.is_done() for each in self._supervisors):
            return False
        enough = len(context.blocked) + 1  # one of so many is not blocked
        with context.database.read() as connection:
            left = store.unfinished(
                connection, context.config.name, self._scope, resting=State.PAUSED, limit=enough
            )
        return context.blocked.issuperset(left)

    async def _rest(self, stop: asyncio.Event) -> None:
        """Sleep until something is due, waking now and then for wishes."""
        context, steady = self._context, self._context.clock.steady()
        with context.database.read() as connection:
            due = leases.next_due(connection, context.owner, context.config.name, _MOVED_BY_US)
            follows = leases.holds_any(connection, context.owner, context.config.name, POLLED)
        waits = [_LOOK_UP_SECONDS]
        waits += [] if due is None else [due - context.now()]
        waits += [self._poll_at - steady] if follows else []
        pause = max(min(waits), min(_LOOK_UP_SECONDS, self._quiet_until - steady))
        sleeping = asyncio.ensure_future(context.clock.sleep(max(pause, 0.005)))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()

    @asynccontextmanager
    async def _leases_kept(self) -> AsyncIterator[None]:
        """Renew this worker's leases in the background, however long a request takes."""
        context = self._context

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 3)
                with suppress(DatabaseBusy), context.database.write() as connection:  # the next turn is soon enough
                    leases.renew(connection, context.owner, context.lease_end(), context.now())
                    uploads.renew(connection, context.owner, context.lease_end(), context.now())

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _release(self) -> None:
        with self._context.database.write() as connection:
            leases.release(connection, self._context.owner)
            uploads.release(connection, self._context.owner)
