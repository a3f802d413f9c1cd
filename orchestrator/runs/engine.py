"""The loop that drives runs: one per endpoint, all in one event loop of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from orchestrator.engine.accounts import OF_RUNS, items_of_other_accounts
from orchestrator.engine.loop import Loop, Part
from orchestrator.engine.machine import Move, Outcome, Wait
from orchestrator.errors import EndpointError, LostLease, QuotaExhausted, RequestRefused
from orchestrator.runs.actions import carry_out
from orchestrator.runs.context import Context
from orchestrator.runs.limits import admission, free_slots, full_sweeps, look_again_seconds
from orchestrator.runs.polling import Pace, poll
from orchestrator.runs.reconcile import disown
from orchestrator.runs.states import MACHINE, POLLED, State
from orchestrator.runs.steps import STEPS
from orchestrator.runs.waiting import asking_again
from orchestrator.store import records, runs as store
from orchestrator.store.runs import RUNS, Run

_HELD_SECONDS = 60.0
_EASED = (*POLLED, State.COLLECTING)
"""Following these costs nothing, so a worker follows them no matter which process started them."""
_AFTER_THE_QUEUE = tuple(state for state in STEPS if state != State.PENDING)
_ADMITTED_AT_ONCE = 32
_NEXT_IN_LINE = 8
"""How many runs say that they wait for a slot: the next ones to start."""


class Supervisor(Protocol):
    """Looks after runs that belong together, between cycles: it may end some, and add others."""

    endpoint: str

    @property
    def run_ids(self) -> list[str]:
        """The ids of its runs that are wanted now."""

    def attend(self, now: float) -> Collection[str]:
        """Returns the ids of its runs that it has not named before, for the loop to drive."""

    def is_done(self) -> bool:
        """Whether it has nothing left to do; once all runs have finished, the loop ends."""


class EndpointLoop(Loop[Run, Context]):
    """Drives runs on one endpoint until every run of the scope has finished, is paused, or is blocked until the
    user acts; or `until()` says so.

    Runs of the `scope` (ids; None for all) are driven in every state. Runs outside it are only followed: nothing is
    uploaded or created for a run that the caller did not ask for.
    """

    machine = MACHINE
    steps = STEPS
    at_once = 8

    def __init__(
        self,
        context: Context,
        scope: Collection[str] | None,
        until: Callable[[], bool] | None = None,
        supervisors: Sequence[Supervisor] = (),
    ) -> None:
        super().__init__(context, ())
        self._asked_for = None if scope is None else set(scope)
        self._until = until or (lambda: False)
        self._supervisors = supervisors
        self._pace = Pace(context.config.poll_seconds, context.random)
        self._poll_at = 0.0  # by the steady clock, which nobody sets
        self._has_polled = False
        self._is_asked = False  # a run that got its job in this cycle has a requested action
        self._watch = Watch(context)
        self._foreign: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        self._foreign = await items_of_other_accounts(self.worker, OF_RUNS)
        await super().run(stop)

    @property
    def scope(self) -> None:
        """Everything this worker holds is stepped: it was asked for, or costs nothing."""

    def claim(self, connection: Connection, abandoned: Collection[str]) -> None:
        context = self.worker
        context.blocked |= self._foreign
        take = partial(
            RUNS.claim,
            connection,
            context.owner,
            context.lease_end(),
            context.now(),
            endpoint=context.config.name,
            abandoned=abandoned,
            except_ids=self._foreign,
        )
        take(states=_EASED)
        take(states=tuple(self.steps), ids=self._asked_for)

    @property
    def due_states(self) -> Collection[State]:
        """Pending runs are stepped when there are slots: a long queue must not be read again and again."""
        return _AFTER_THE_QUEUE

    def due(self) -> list[Run]:
        """With as many pending runs as there are free slots, oldest first."""
        context = self.worker
        with context.database.read() as connection:
            free = free_slots(connection, context.config)
            admitted = self._pending(connection, context.now(), min(free, _ADMITTED_AT_ONCE)) if free else []
        return [*admitted, *super().due()]

    def parts(self, stop: asyncio.Event) -> Sequence[Part]:
        return self._carry_out_requests, self._say_who_waits, partial(self.step_all, stop), self._poll

    async def record(self, item: Run, outcome: Move | Wait) -> Run:
        try:
            return await super().record(item, outcome)
        except LostLease:
            await disown(item, outcome, self.worker)
            raise

    async def _outcome(self, item: Run) -> Outcome:
        try:
            return await super()._outcome(item)
        except QuotaExhausted as error:
            return self._hold(item, error)

    def _note_trouble(self, item: Run, error: EndpointError) -> None:
        if not isinstance(error, QuotaExhausted):  # `_hold` says it
            super()._note_trouble(item, error)

    def refused(self, item: Run, error: RequestRefused) -> Wait:
        return self._hold(item, error)

    def _hold(self, item: Run, error: QuotaExhausted | RequestRefused) -> Wait:
        """The run is tried again every minute while others are in progress; in the end the error is raised."""
        if item.id not in self._refusals:
            self.worker.warned(str(error))
        self._refusals[item.id] = error
        until = self.worker.now() + _HELD_SECONDS
        what = "has no credit for it" if isinstance(error, QuotaExhausted) else "refused it"
        reason = f"on hold: {self.worker.config.name} {what}: {error.facts['problem']}"
        return Wait(until, asking_again(until, reason, self.worker), blocked=True)

    def stepped(self, before: Run, item: Run) -> None:
        if item.state in POLLED:
            self._poll_at = 0.0
            self._is_asked |= item.requested_action is not None
        self.worker.has_answered |= before.state != State.PENDING  # its step asks the endpoint nothing

    def look(self) -> None:
        self._watch.look()

    def attend(self) -> bool:
        context = self.worker
        found = {run_id for each in self._supervisors for run_id in each.attend(context.now())}
        joined = found - context.followed
        context.followed |= found
        if self._asked_for is not None:
            joined |= found - self._asked_for
            self._asked_for |= found
        return bool(joined)

    def is_done(self) -> bool:
        return self._until() or (all(each.is_done() for each in self._supervisors) and self._has_only_blocked())

    def waits(self) -> Sequence[float]:
        context = self.worker
        with context.database.read() as connection:
            follows = store.holds_any(connection, context.owner, context.config.name, POLLED)
            free = free_slots(connection, context.config)
            due = self._next_pending(connection)
        waits = [self._poll_at - context.clock.steady()] if follows else []
        if due is not None:
            waits.append(max(due - context.now(), 0.0 if free else look_again_seconds(context.config)))
        return waits

    # --- the parts of a cycle ------------------------------------------------------------------------------

    async def _carry_out_requests(self) -> None:
        context = self.worker
        self._is_asked = False
        with context.database.read() as connection:
            requested = store.held_with_request(connection, context.owner, context.config.name)

        async def act(run: Run) -> None:
            if await carry_out(run, context):
                self._poll_at = 0.0
                context.has_answered |= run.state in POLLED

        await self.each(requested, act)

    def _pending(self, connection: Connection, due_before: float | None, limit: int) -> list[Run]:
        """The oldest pending runs that this worker holds, except those of sweeps that may take no more slots."""
        context, states = self.worker, (State.PENDING,)
        name = context.config.name
        if full := full_sweeps(connection, context.config):
            return store.held_pending(connection, context.owner, name, full, due_before=due_before, limit=limit)
        return RUNS.held(
            connection, context.owner, endpoint=name, states=states, due_before=due_before, limit=limit
        )

    def _next_pending(self, connection: Connection) -> float | None:
        """When the first of these is due: 0 for now, None if there is none."""
        context = self.worker
        name = context.config.name
        if full := full_sweeps(connection, context.config):
            return store.next_pending(connection, context.owner, name, full)
        return RUNS.next_due(connection, context.owner, endpoint=name, states=(State.PENDING,))

    async def _say_who_waits(self) -> None:
        """Without a free slot, on the endpoint or for their sweep, the next in line say what they wait for."""
        context = self.worker
        with context.database.read() as connection:
            is_full = free_slots(connection, context.config) == 0
            found = self._pending(connection, None, _NEXT_IN_LINE) if is_full else []
            if full := full_sweeps(connection, context.config):
                found += store.held_pending(
                    connection, context.owner, context.config.name, full, is_of_full=True, limit=_NEXT_IN_LINE
                )
        await self.each([run for run in found if (run.due_at or 0.0) <= context.now()], self._say_why_it_waits)

    async def _say_why_it_waits(self, run: Run) -> None:
        context, now = self.worker, self.worker.now()
        with context.database.read() as connection:
            wait = admission(connection, run, context.config, now)
        if wait and (wait.blocked or wait.reason != run.reason):
            await self.record(run, wait if wait.blocked else replace(wait, until=now))

    async def _poll(self) -> None:
        context = self.worker
        if self._is_asked or context.clock.steady() < self._poll_at:
            return  # a cancel that waited for one more poll could come too late
        changed = await poll(context)
        self._has_polled = True
        with context.database.read() as connection:
            finish, asked = store.pace(connection, context.owner, context.config.name)
        self._pace.base = asked or context.config.poll_seconds
        left = None if finish is None else finish - context.now()
        self._poll_at = context.clock.steady() + self._pace.next(changed=changed, seconds_to_finish=left)

    def _has_only_blocked(self) -> bool:
        context = self.worker
        enough = len(context.blocked) + 1  # one more than are blocked
        # A paused run rests once it was polled: the endpoint may have resumed it.
        resting = State.PAUSED if self._has_polled else None
        with context.database.read() as connection:
            left = store.unfinished(connection, context.config.name, self._asked_for, resting=resting, limit=enough)
        return context.blocked.issuperset(left)


# --- Runs that another process drives -----------------------------------------------------------------------------


class Watch:
    """Compares the followed runs that this worker does not hold with their last seen state."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: dict[str, Run] = {}
        self._steps: dict[str, int] = {}

    def look(self) -> None:
        """Report the moves and measurements since the last look."""
        context = self._context
        with context.database.read() as connection:
            current = store.by_ids(connection, list(context.followed))
        for run in current:
            before = self._seen.get(run.id)
            self._seen[run.id] = run
            if run.lease_owner == context.owner:
                continue  # the process that drives a run reports it
            if before is None or before.lease_owner == context.owner:
                self._mark(run)
            elif run != before:
                self._report(run, before)

    def _mark(self, run: Run) -> None:
        with self._context.database.read() as connection:
            last = records.last_metrics(connection, [run.id]).get(run.id)
        self._steps[run.id] = last.step if last else 0

    def _report(self, run: Run, before: Run) -> None:
        listener = self._context.listener
        with self._context.database.read() as connection:
            moves = [move for move in store.history(connection, run.id) if move.version > before.version]
            metrics = [m for m in records.metrics_of(connection, run.id) if m.step > self._steps[run.id]]
        if metrics:
            self._steps[run.id] = metrics[-1].step
            listener.measured(run, metrics)
        for move in moves:
            listener.moved(run, move)
        if not moves:
            listener.noted(run)
