"""Training in a thread of the test's process, where it is no matter that a process of its own trains.

A worker process imports for longer than it trains on the few examples of a test. What depends on the process, its
locks, its pipe and its death, is tested in tests/server and tests/e2e with real ones.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server import worker
from orchestrator.server.locks import FileLock, job_lock
from orchestrator.server.scheduler import Claim, Scheduler
from orchestrator.server.store import Store
from orchestrator.server.store.records import ACTIVE
from support.trainers import HERE


def train_in_threads(patch: pytest.MonkeyPatch) -> None:
    """Have every scheduler of this process start threads in place of worker processes until the patch is undone."""
    patch.setattr(Scheduler, "_start", _start)


class HostGone(BaseException):
    """The scheduler has closed the pipe by which a worker process knows that its host still lives."""


class ThreadedWorker:
    """What the scheduler uses of a process. It ends like one whose host has gone, at the next thing it records."""

    def __init__(self, folder: Path, claim: Claim, slots: int) -> None:
        self.returncode: int | None = None
        self.stdin = Lifeline()
        self._folder = folder
        self._job_id = claim.job_id
        self._slots = slots
        # The scheduler releases its descriptors once the worker has begun; a copy of them holds the same locks.
        self._held = [os.dup(descriptor) for descriptor in claim.descriptors]
        self._thread = threading.Thread(target=self._work, name=f"trainer of {claim.job_id}")
        self._thread.start()

    def poll(self) -> int | None:
        """0 or 1 once it has ended."""
        return None if self._thread.is_alive() else self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end, and no shorter: a thread can't be killed."""
        del timeout
        self._thread.join()
        return self.returncode

    def _work(self) -> None:
        self.returncode = 1
        store = Store(self._folder)
        vars(store)["progress"] = Watched(store.progress, self.stdin)
        lock, *slot = self._held
        held = [job_lock(store.locks, self._job_id, lock), *(FileLock(self._folder, each) for each in slot)]
        try:
            worker.work(store, self._job_id, self._slots, HERE, has_slot=bool(slot))
            job = store.jobs.get(self._job_id)
            if job is not None and job.status not in ACTIVE:
                held[0].discard()
            self.returncode = 0
        except HostGone:
            pass
        finally:
            for each in held:
                each.release()


class Lifeline:
    """The pipe between the two."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Watched:
    """An object whose methods raise HostGone once the pipe is closed."""

    def __init__(self, watched: object, lifeline: Lifeline) -> None:
        self._watched = watched
        self._lifeline = lifeline

    def __getattr__(self, name: str) -> Any:
        if self._lifeline.is_closed:
            raise HostGone
        return getattr(self._watched, name)


def _start(scheduler: Scheduler, claim: Claim) -> ThreadedWorker:
    return ThreadedWorker(scheduler._store.folder.resolve(), claim, scheduler._settings.max_training)
