"""Starts a worker process for every waiting job, and restarts it if it dies before the job ends; also has batches
answered.

Any number of processes may schedule the same store: the workers' file locks alone show what is being worked on, so
the processes need no other communication.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from orchestrator.childenv import child_environment
from orchestrator.server.batchwork import BatchRunner
from orchestrator.server.locks import FileLock, job_lock, slot_locks, take_any
from orchestrator.server.settings import Settings
from orchestrator.server.store import Store
from orchestrator.server.store.jobs import NoLongerRunningError
from orchestrator.server.store.records import Failure, JobStatus
from orchestrator.server.trainers.interface import Machine

BUSY_SECONDS = 0.05
"""Between two looks while there is work."""
IDLE_SECONDS = 1.0
"""Between two looks while there is none; a job created in this process is still noticed at once."""
DEATHS_ALLOWED = 5
"""A job whose worker died more often than this, as seen by this process, has failed."""
FAREWELL_SECONDS = 2.0
"""The time that a worker gets to end before it is killed."""

log = logging.getLogger(__name__)

Worker = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Claim:
    """The right to start the worker of a job: its lock, and a training slot's if one was free."""

    job_id: str
    lock: FileLock
    slot: FileLock | None

    @property
    def descriptors(self) -> list[int]:
        """The held locks: the job's, then the slot's."""
        held = [lock.descriptor for lock in (self.lock, self.slot) if lock is not None]
        return [descriptor for descriptor in held if descriptor is not None]

    def release(self) -> None:
        """Release the locks; the worker that inherited them keeps them."""
        for lock in (self.lock, self.slot):
            if lock is not None:
                lock.release()


class Scheduler:
    """Keeps up to `settings.max_training` jobs of the store in training, and works on its batches, while
    `running`."""

    def __init__(self, store: Store, settings: Settings, machine: Machine, batches: BatchRunner) -> None:
        self._store = store
        self._machine = machine
        self._settings = settings
        self._batches = batches
        self._workers: dict[str, Worker] = {}
        self._deaths: Counter[str] = Counter()
        self._news: asyncio.Event | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Schedule for the duration of the block; its workers end with it, and their jobs stay as they are."""
        self._news = asyncio.Event()
        loop = asyncio.create_task(self._loop(self._news), name="ftorch endpoint scheduler")
        try:
            async with self._batches.running():
                yield
        finally:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop
            self._end_workers()

    def wake(self) -> None:
        """There may be new work; call it on the event loop."""
        if self._news is not None:
            self._news.set()
        self._batches.wake()

    async def _loop(self, news: asyncio.Event) -> None:
        while True:
            try:
                pause = await self._look()
            except Exception:
                log.exception("The scheduler of %s could not look for work", self._store.folder)
                pause = IDLE_SECONDS
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(news.wait(), pause)
            news.clear()

    async def _look(self) -> float:
        for job_id in self._take_leave():
            await run_in_threadpool(self._give_up, job_id)
        waiting = await run_in_threadpool(self._store.jobs.waiting_for_work)
        # Not in the thread pool: Linux ends a worker with the THREAD that started it, and a claim must not get lost
        # when this task is cancelled.
        self._start_workers(waiting)
        return BUSY_SECONDS if waiting or self._workers else IDLE_SECONDS

    def _take_leave(self) -> list[str]:
        """Remove the workers that ended; returns the jobs whose workers died too often."""
        hopeless = []
        for job_id, worker in list(self._workers.items()):
            if worker.poll() is None:
                continue
            _close(worker)
            del self._workers[job_id]
            self._deaths[job_id] += worker.returncode != 0
            if worker.returncode != 0 and self._deaths[job_id] > DEATHS_ALLOWED:
                hopeless.append(job_id)
        return hopeless

    def _start_workers(self, waiting: Sequence[tuple[str, JobStatus]]) -> None:
        claims = self._claim(waiting)
        try:
            for claim in claims:
                self._workers[claim.job_id] = self._start(claim)
        finally:
            for claim in claims:
                claim.release()

    def _claim(self, waiting: Sequence[tuple[str, JobStatus]]) -> list[Claim]:
        """What to start workers for now: one more job than may train at once, so that files get checked too."""
        claims: list[Claim] = []
        slots = slot_locks(self._store.locks, self._settings.max_training)
        slot = take_any(slots)
        for job_id, status in waiting:
            if len(self._workers) + len(claims) > self._settings.max_training:
                break
            if (slot is None and status is not JobStatus.VALIDATING_FILES) or not self._is_ours_to_start(job_id):
                continue
            lock = job_lock(self._store.locks, job_id)
            if lock.acquire():
                claims.append(Claim(job_id, lock, slot))
                slot = take_any(slots)
        if slot is not None:
            slot.release()
        return claims

    def _is_ours_to_start(self, job_id: str) -> bool:
        return job_id not in self._workers and self._deaths[job_id] <= DEATHS_ALLOWED

    def _start(self, claim: Claim) -> Worker:
        """Start the worker and pass it the claim's locks."""
        inherited = [str(descriptor) for descriptor in claim.descriptors]
        folder, slots = self._store.folder.resolve(), self._settings.max_training
        arguments = [str(folder), claim.job_id, str(slots), self._machine.as_argument(), *inherited]
        with open(folder / "worker.log", "ab", opener=_for_its_owner) as errors:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "orchestrator.server.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=child_environment(**self._secrets()),
                pass_fds=claim.descriptors,
                start_new_session=True,
            )

    def _secrets(self) -> dict[str, str]:
        """What a worker needs to reach a cluster; it doesn't hand it on."""
        names = self._machine.ray.secrets if self._machine.ray is not None else ()
        return {name: os.environ[name] for name in names if name in os.environ}

    def _give_up(self, job_id: str) -> None:
        job = self._store.jobs.get(job_id)
        message = (
            f"The process that trains this job died {self._deaths[job_id]} times. "
            f"Its last output is in {self._store.folder / 'worker.log'}."
        )
        if job is not None:
            with contextlib.suppress(NoLongerRunningError):
                self._store.progress.fail(job, Failure("server_error", message, None), int(self._settings.now()))

    def _end_workers(self) -> None:
        for worker in self._workers.values():
            _close(worker)
        deadline = time.monotonic() + FAREWELL_SECONDS
        for worker in self._workers.values():
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._workers.clear()


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _close(worker: Worker) -> None:
    """Close our end of the worker's standard input, which tells it to end."""
    if worker.stdin is not None:
        with contextlib.suppress(OSError):
            worker.stdin.close()
