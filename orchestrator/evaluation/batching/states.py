"""The states of a batch, the one table of legal moves, and what a step on a batch may use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from orchestrator.endpoints.interface import Endpoint
from orchestrator.engine.machine import Machine
from orchestrator.engine.worker import Worker
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import Context as RunContext
from orchestrator.store.batches import BATCHES, Batch, let_go
from orchestrator.store.evaluations import Asked
from orchestrator.store.leased import Leases, Transition
from orchestrator.store.uploads import UPLOADS


class State(StrEnum):
    UPLOADING = "uploading"
    """Recorded with its questions; their file goes up."""
    CREATING = "creating"
    """The create request may have left this machine, and its answer is not recorded."""
    WAITING = "waiting"
    """The endpoint has it, and answers when it has time."""
    COLLECTING = "collecting"
    """It is over there; its answers are being recorded."""
    UNKNOWN = "unknown"
    """What became of it can't be told: it waits for the user, holds its questions, and is looked at again."""
    DONE = "done"
    """Over: every answer that came is recorded."""
    FAILED = "failed"
    """Over: the endpoint refused it; nothing was answered."""
    CANCELLED = "cancelled"
    """Over as the user wished; what was answered by then is recorded."""


CANCEL = "cancel"
"""The one wish a user may have of a batch."""

_ENDS = {State.FAILED, State.CANCELLED}
MOVES: Mapping[State, frozenset[State]] = {
    State.UPLOADING: frozenset({State.CREATING} | _ENDS),
    State.CREATING: frozenset({State.CREATING, State.WAITING, State.UNKNOWN} | _ENDS),  # to itself: asked again
    State.WAITING: frozenset({State.COLLECTING, State.UNKNOWN, State.FAILED}),
    State.COLLECTING: frozenset({State.DONE, State.UNKNOWN} | _ENDS),
    State.UNKNOWN: frozenset({State.WAITING, State.CANCELLED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

MACHINE = Machine(BATCHES, MOVES, intent=State.CREATING, points="batch-", on_end=let_go)
"""A batch that is over lets its questions go."""
FINAL = MACHINE.final
record = MACHINE.record

ENDED = ("completed", "expired", "cancelled")
"""What the endpoint calls a batch that is over and may have answers, by OpenAI's reference of the batch object."""
REFUSED = "failed"
"""What it calls one that is over and has none. Any other word, known or not, means that it goes on."""


class Listener(Protocol):
    """Who wants to see what becomes of batches."""

    def changed(self, batch: Batch) -> None:
        """It has moved, or waits for something else, or the endpoint has answered more of it."""

    def warned(self, text: str) -> None: ...


class NullListener:
    """A Listener that shows nothing."""

    def changed(self, batch: Batch) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass(kw_only=True)
class Context(Worker[Batch]):
    """One endpoint, and this process as a worker on its batches."""

    leases: ClassVar[tuple[Leases, ...]] = (BATCHES, UPLOADS)

    endpoint: Endpoint
    uploader: RunContext
    """The same process as a worker that brings files up."""
    folder: Path
    """Where output files are read: this process's own, as a batch may have been begun on another machine."""
    listener: Listener = field(default_factory=NullListener)
    errors: dict[Asked, str] = field(default_factory=dict)
    """Why a question of a batch collected here has no answer."""
    refusals: dict[Hashable, RequestRefused] = field(default_factory=dict)
    """The answer to the last create request of a search, where it was a refusal: believed after one look."""
    last_words: dict[str, str] = field(default_factory=dict)
    """By batch: what the endpoint last said instead of making it."""
    turned_away: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By batch: how often in a row the endpoint was too busy for it, and named no time."""
    shown: dict[str, Batch] = field(default_factory=dict)
    """The batches as the listener saw them last."""

    def show(self, batch: Batch) -> None:
        """Tell the listener what is news to it."""
        seen = self.shown.get(batch.id)
        self.shown[batch.id] = batch
        if seen is None or _as_shown(seen) != _as_shown(batch):
            self.listener.changed(batch)

    def was_looked_for(self, batch: Batch) -> bool:
        """Whether this process has looked for an unknown batch within the settling window."""
        what = ("unknown", batch.id)
        return what in self.searches and self.searched_seconds(what) < self.config.settling_seconds

    def moved(self, item: Batch, line: Transition) -> None:
        if item.state == State.UNKNOWN:
            self.begin_search(("unknown", item.id))
        self.show(item)

    def noted(self, item: Batch, before: Batch) -> None:
        self.show(item)

    def warned(self, text: str) -> None:
        self.listener.warned(text)


def _as_shown(batch: Batch) -> tuple[object, ...]:
    return batch.version, batch.updated_at, batch.requested_action
