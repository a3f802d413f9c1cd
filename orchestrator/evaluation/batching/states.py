"""The states of a batch, the table of legal moves, and the context of a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from orchestrator.engine.accounts import KeyedWorker
from orchestrator.engine.machine import Machine
from orchestrator.errors import RequestRefused
from orchestrator.runs.context import Context as RunContext
from orchestrator.store.batches import BATCHES, Batch, let_go
from orchestrator.store.evaluations import Asked
from orchestrator.store.leased import Leases, Transition
from orchestrator.store.uploads import UPLOADS


class State(StrEnum):
    UPLOADING = "uploading"
    """Recorded with its questions; their file is being uploaded."""
    CREATING = "creating"
    """The create request may have left this machine, and its answer is not recorded."""
    WAITING = "waiting"
    """The endpoint has it and will answer."""
    COLLECTING = "collecting"
    """It has ended on the endpoint; its answers are being recorded."""
    UNKNOWN = "unknown"
    """Its outcome is unknown: it waits for the user, keeps its questions, and is looked for again."""
    DONE = "done"
    """Ended: every received answer is recorded."""
    FAILED = "failed"
    """Ended: the endpoint refused it; nothing was answered."""
    CANCELLED = "cancelled"
    """Ended by the user; answers received until then are recorded."""


CANCEL = "cancel"
"""The only action a user can request for a batch."""

_ENDS = {State.FAILED, State.CANCELLED}
MOVES: Mapping[State, frozenset[State]] = {
    State.UPLOADING: frozenset({State.CREATING} | _ENDS),
    State.CREATING: frozenset({State.CREATING, State.WAITING, State.UNKNOWN} | _ENDS),  # to itself: sent again
    State.WAITING: frozenset({State.COLLECTING, State.UNKNOWN, State.FAILED}),
    State.COLLECTING: frozenset({State.DONE, State.UNKNOWN} | _ENDS),
    State.UNKNOWN: frozenset({State.WAITING, State.CANCELLED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal move. A state without moves is final."""

MACHINE = Machine(BATCHES, MOVES, intent=State.CREATING, points="batch-", on_end=let_go)
"""A batch that has ended releases its questions."""
FINAL = MACHINE.final
record = MACHINE.record

ENDED = ("completed", "expired", "cancelled")
"""Statuses of an ended batch that may have answers, from OpenAI's reference of the batch object."""
REFUSED = "failed"
"""The status of an ended batch without answers. Any other status, known or not, means that it is still running."""


class Listener(Protocol):
    """Receives the progress of batches."""

    def changed(self, batch: Batch) -> None:
        """Its state, its reason for waiting or its number of answers has changed."""

    def warned(self, text: str) -> None: ...


class NullListener:
    """A Listener that shows nothing."""

    def changed(self, batch: Batch) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass(kw_only=True)
class Context(KeyedWorker[Batch]):
    """One endpoint, and this process as a worker on its batches."""

    leases: ClassVar[tuple[Leases, ...]] = (BATCHES, UPLOADS)

    uploader: RunContext
    """The same process as a worker that uploads files."""
    folder: Path
    """This process's folder for output files; a batch may have been started on another machine."""
    listener: Listener = field(default_factory=NullListener)
    errors: dict[Asked, str] = field(default_factory=dict)
    """Why each unanswered question of the batches collected by this process has no answer."""
    refusals: dict[Hashable, RequestRefused] = field(default_factory=dict)
    """The refusal of a search's last create request, if any: accepted after one look."""
    last_words: dict[str, str] = field(default_factory=dict)
    """By batch: the endpoint's last message instead of creating it."""
    turned_away: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By batch: how often in a row the endpoint was too busy and named no time."""
    shown: dict[str, Batch] = field(default_factory=dict)
    """The batches as last shown to the listener."""

    def show(self, batch: Batch) -> None:
        """Notify the listener of changes."""
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
