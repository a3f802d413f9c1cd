"""The loop of a worker that stays: it drives whatever is unfinished on one endpoint, and shares it with others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from math import ceil

from sqlalchemy import Connection

from orchestrator.engine.loop import Part
from orchestrator.figures import count
from orchestrator.runs.context import Context
from orchestrator.runs.engine import EndpointLoop, Supervisor
from orchestrator.store import runs as store
from orchestrator.store.runs import RUNS

LEFT_ALONE_SECONDS = 5.0
"""A run that nobody has taken for that long belongs to any worker, whatever its share."""
_TAKEN_AT_FIRST = 1_000
"""So that workers that start together find something each. Each time as many are taken as are held already."""
_LOOK_SECONDS = 1.0
_LOOK_SHARE = 0.02
"""Of a worker's time: the most that looking for free runs in vain may take, however many there are."""
_SESSION_SECONDS = 600.0
"""After this the worker connects again, and forgets what it remembers of finished runs."""


class StandingLoop(EndpointLoop):
    """Drives every unfinished run on its endpoint, and those that are submitted meanwhile, until none is left.

    Within its share of the endpoint's runs a worker takes what is free at once. Beyond it, it takes only what the
    others have left alone: a run never waits for a worker that is busy, slow or gone.
    """

    def __init__(self, context: Context, supervisors: Sequence[Supervisor] = ()) -> None:
        super().__init__(context, None, self._has_lasted, supervisors)
        self._started_at = context.clock.steady()
        self._look_at = 0.0  # by the steady clock
        self._cycle_began = self._started_at
        self._took = False

    def _claim(self) -> None:
        steady = self.worker.clock.steady
        began = steady()
        if began < self._look_at:
            return
        super()._claim()
        looked = 0.0 if self._took else (steady() - began) / _LOOK_SHARE
        self._look_at = began + max(_LOOK_SECONDS, looked)

    def parts(self, stop: asyncio.Event) -> Sequence[Part]:
        self._cycle_began = self.worker.clock.steady()
        return super().parts(stop)

    def look(self) -> None:
        super().look()
        name = self.worker.config.name
        count("cycles_total", endpoint=name)
        count("cycle_seconds_total", self.worker.clock.steady() - self._cycle_began, endpoint=name)

    def claim(self, connection: Connection, abandoned: Collection[str]) -> None:
        context, now = self.worker, self.worker.now()
        context.blocked |= self._foreign
        load = store.load_of(connection, context.owner, context.config.name, now)
        share = ceil(load.unfinished / (load.others + 1))
        most = max(_TAKEN_AT_FIRST, load.own)
        taken = self._take(connection, abandoned, min(most, max(0, share - load.own)))
        taken += self._take(connection, abandoned, most - taken, unchanged_since=now - LEFT_ALONE_SECONDS)
        self._took = taken > 0

    def is_done(self) -> bool:
        return self._until() or not (self._supervisors_work() or self._is_any_left())

    def _take(
        self, connection: Connection, abandoned: Collection[str], limit: int, unchanged_since: float | None = None
    ) -> int:
        context = self.worker
        if limit == 0:
            return 0
        return RUNS.claim_some(
            connection,
            context.owner,
            context.lease_end(),
            context.now(),
            endpoint=context.config.name,
            limit=limit,
            except_ids=self._foreign,
            abandoned=abandoned,
            unchanged_since=unchanged_since,
        )

    def _has_lasted(self) -> bool:
        """A host inside this process would have to interrupt its trainings for it."""
        context = self.worker
        has_lasted = context.clock.steady() - self._started_at > _SESSION_SECONDS
        return has_lasted and context.endpoint.capabilities.outlives_us

    def _supervisors_work(self) -> bool:
        return not all(each.is_done() for each in self._supervisors)

    def _is_any_left(self) -> bool:
        context = self.worker
        with context.database.read() as connection:
            return bool(store.unfinished(connection, context.config.name, None, resting=None, limit=1))
