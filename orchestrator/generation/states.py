"""The states of a generation, the one table of legal moves, and what a step on a generation may use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.machine import Machine
from orchestrator.engine.worker import Worker
from orchestrator.evaluation.batching.states import Listener as BatchListener
from orchestrator.ledger import Ledger
from orchestrator.store.generations import GENERATIONS, Generation, Spent
from orchestrator.store.leased import Leases, Transition


class State(StrEnum):
    ASKING = "asking"
    """The teacher writes requests, and the verifier makes the round trip."""
    WRITING = "writing"
    """Every question is answered; the files are being written."""
    DONE = "done"
    """Final: the files are written."""
    FAILED = "failed"
    """Final: no request passed its checks, and nothing was written."""
    CANCELLED = "cancelled"
    """Final: cancelled by the user, or replaced by another generation of the same file."""


STOPPED = "stopped"
"""The start of the reason of a generation that the user stopped."""
CANCEL = "cancel"
"""The one action that a user may request of a generation."""

MOVES: Mapping[State, frozenset[State]] = {
    State.ASKING: frozenset({State.WRITING, State.FAILED, State.CANCELLED}),
    State.WRITING: frozenset({State.DONE, State.CANCELLED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

MACHINE = Machine(GENERATIONS, MOVES, points="generation-")


@dataclass(frozen=True)
class Progress:
    """How far a generation is."""

    stage: str
    """The current stage: "requests", "requests, attempt 2", "round trip"."""
    asked: int
    """Questions of this stage that were answered or given up."""
    of: int
    examples: int
    """Examples that have passed every check so far."""
    spent: Spent


class Listener(Protocol):
    """Receives the progress of generations."""

    def progressed(self, progress: Progress) -> None: ...

    def changed(self, generation: Generation) -> None:
        """The generation changed its state or what it waits for."""

    def warned(self, text: str) -> None: ...


class NullListener:
    """A Listener that shows nothing."""

    def progressed(self, progress: Progress) -> None:
        pass

    def changed(self, generation: Generation) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass(kw_only=True)
class Context(Worker[Generation]):
    """One endpoint, and this process as a worker on its generations."""

    leases: ClassVar[tuple[Leases, ...]] = (GENERATIONS,)

    ledger: Ledger
    endpoint: Endpoint
    listener: Listener = field(default_factory=NullListener)
    batches: BatchListener | None = None
    """Receives the progress of the batches that hold the questions."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the user stops the work; no more questions are sent."""

    def moved(self, item: Generation, line: Transition) -> None:
        self.listener.changed(item)

    def noted(self, item: Generation, before: Generation) -> None:
        if item.reason != before.reason:
            self.listener.changed(item)

    def warned(self, text: str) -> None:
        self.listener.warned(text)
