"""What a step may look at and touch: one object, so that time, chance and sleep come in from outside."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.worker import LEASE_SECONDS, Clock, is_abandoned
from orchestrator.store import leases, runs, uploads
from orchestrator.store.database import Database
from orchestrator.store.records import Metric
from orchestrator.store.runs import Run, Transition

CLOCK_SKEW_SECONDS = 300.0
"""How far this machine's clock and an endpoint's may differ when a lost job is looked for by time."""


class Listener(Protocol):
    """Who wants to see what happens; a display, a log, or nobody."""

    def moved(self, run: Run, transition: Transition) -> None: ...

    def noted(self, run: Run) -> None:
        """A run waits for something else now, or its job's status or numbers changed."""

    def measured(self, run: Run, metrics: list[Metric]) -> None: ...

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """So many of a file's `size` bytes are on their way; None: it goes up no more, there or not."""

    def warned(self, text: str) -> None: ...


class NullListener:
    """A Listener that shows nothing."""

    def moved(self, run: Run, transition: Transition) -> None:
        pass

    def noted(self, run: Run) -> None:
        pass

    def measured(self, run: Run, metrics: list[Metric]) -> None:
        pass

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass
class Context:
    """One endpoint, the database, and this process as its worker."""

    database: Database
    endpoint: Endpoint
    config: EndpointConfig
    owner: str
    clock: Clock = field(default_factory=Clock)
    random: random.Random = field(default_factory=random.SystemRandom)
    listener: Listener = field(default_factory=NullListener)
    fresh_intents: set[tuple[str, int]] = field(default_factory=set)
    """Creation attempts that this process has committed and not yet sent: (run id, attempt). Any other open attempt
    found in the database may have been sent by somebody, and is looked for before it is repeated."""
    upload_locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    searches: dict[Hashable, float] = field(default_factory=dict)
    """Since when this process has been looking for something, by the steady clock."""
    blocked: set[str] = field(default_factory=set)
    """Runs that wait for something only the user can change."""
    followed: set[str] = field(default_factory=set)
    """Runs that somebody looks at: their events are fetched at every poll."""

    def now(self) -> float:
        return self.clock.now()

    def searched_seconds(self, what: Hashable) -> float:
        """How long this process has been looking for it; the first call begins the search."""
        now = self.clock.steady()
        return now - self.searches.setdefault(what, now)

    def begin_search(self, what: Hashable) -> None:
        self.searches[what] = self.clock.steady()

    def lease_end(self) -> float:
        return self.now() + LEASE_SECONDS

    def note_block(self, run: Run, blocked: bool) -> None:
        (self.blocked.add if blocked else self.blocked.discard)(run.id)

    def abandoned(self, connection: Connection) -> list[str]:
        """The lease holders on this endpoint that certainly run no more."""
        name = self.config.name
        owners = {*leases.owners(connection, name), *uploads.owners(connection, name)}
        return [owner for owner in owners if is_abandoned(owner)]

    def holds(self, run: Run, seconds: float = 0.0) -> bool:
        """Whether this worker's lease on the run lasts `seconds` more, by the database."""
        with self.database.read() as connection:
            current = runs.get(connection, run.id)
        return current.lease_owner == self.owner and (current.lease_expires_at or 0.0) > self.now() + seconds
