"""What a step may look at and touch: one object, so that time, randomness and sleep come in from outside."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from orchestrator.engine.accounts import KeyedWorker
from orchestrator.errors import RequestRefused
from orchestrator.store.leased import Leases, Transition
from orchestrator.store.records import Metric
from orchestrator.store.runs import RUNS, Run
from orchestrator.store.uploads import UPLOADS


class Listener(Protocol):
    """Receives what happens: a display, a log, or nothing."""

    def moved(self, run: Run, transition: Transition) -> None: ...

    def noted(self, run: Run) -> None:
        """A run waits for something else now, or its job's status or metrics changed."""

    def measured(self, run: Run, metrics: list[Metric]) -> None: ...

    def sending(self, path: Path, sent: int | None, size: int) -> None:
        """This many of a file's `size` bytes are sent; None: the upload has ended, with or without success."""

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


@dataclass(frozen=True)
class PoorLook:
    """A job that could not be fetched: when it is tried next, by the steady clock, and after which pause."""

    again_at: float
    pause: float


NO_LOOK = PoorLook(0.0, 0.0)


@dataclass(kw_only=True)
class Context(KeyedWorker[Run]):
    """One endpoint, and this process as a worker on its runs."""

    leases: ClassVar[tuple[Leases, ...]] = (RUNS, UPLOADS)

    listener: Listener = field(default_factory=NullListener)
    upload_locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    refusals: dict[Hashable, RequestRefused] = field(default_factory=dict)
    """The answer to the last create request of a search, if it was a refusal: believed after one look."""
    last_words: dict[str, str] = field(default_factory=dict)
    """By run: the endpoint's last answer that did not create its job."""
    turned_away: dict[Hashable, int] = field(default_factory=lambda: defaultdict(int))
    """By run or upload: how often in a row the endpoint was too busy for it without setting a time."""
    other_files: set[str] = field(default_factory=set)
    """By id: files on the endpoint whose bytes differ from an upload's, or can't be compared with them."""
    poor_looks: dict[str, PoorLook] = field(default_factory=dict)
    """By job: those that the endpoint does not return at the moment."""
    refused_keys: int = 0
    """The number of polls in a row in which the endpoint refused the key for every job."""
    checked_graders: set[str] = field(default_factory=set)
    """Runs whose grader the endpoint has not refused."""
    serving_requests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By run: how often this process has asked for its model to be served."""
    warned_of: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    """Runs that a user is watching: their events are fetched at every poll."""

    def moved(self, item: Run, line: Transition) -> None:
        self.listener.moved(item, line)

    def noted(self, item: Run, before: Run) -> None:
        self.listener.noted(item)

    def warned(self, text: str) -> None:
        self.listener.warned(text)

    def warn_once(self, text: str) -> None:
        """Show a warning only the first time, although each look would repeat it."""
        if text not in self.warned_of:
            self.warned_of.add(text)
            self.listener.warned(text)
