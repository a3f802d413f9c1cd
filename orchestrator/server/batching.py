"""Works on the batches of a store in the background: a slice of each in turn, so that a long one delays no other.

As with jobs, any number of processes may do so for the same store: a file lock says who works on which batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

from starlette.concurrency import run_in_threadpool

from orchestrator.server.batchwork import BatchWork
from orchestrator.server.locks import job_lock

IDLE_SECONDS = 1.0
"""Between two looks while there is nothing to do; a batch created in this process is noticed at once."""

log = logging.getLogger(__name__)


class BatchRunner:
    """Carries batches on while it is `running`."""

    def __init__(self, work: BatchWork) -> None:
        self._work = work
        self._begun: dict[str, Generator[None, None, None]] = {}
        self._news: asyncio.Event | None = None
        self._is_leaving = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For as long as the block lasts; what is not over by then goes on with the next who runs."""
        self._news, self._is_leaving = asyncio.Event(), False
        loop = asyncio.create_task(self._loop(self._news), name="ftorch endpoint batches")
        try:
            yield
        finally:
            self._is_leaving = True  # not cancelled: a thread at work would go on by itself
            self.wake()
            await loop

    def wake(self) -> None:
        """There is a new batch; call it on the event loop."""
        if self._news is not None:
            self._news.set()

    async def _loop(self, news: asyncio.Event) -> None:
        while not self._is_leaving:
            try:
                is_busy = await self._look()
            except Exception:
                log.exception("The batches of %s could not be carried on", self._work.store.folder)
                self._leave()
                is_busy = False
            if not is_busy:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), IDLE_SECONDS)
                news.clear()
        self._leave()

    async def _look(self) -> bool:
        """One slice of every batch that nobody else works on; returns whether there was any."""
        for batch_id in await run_in_threadpool(self._work.store.batches.unfinished):
            if batch_id not in self._begun:
                self._begin(batch_id)
        ours = list(self._begun)
        for batch_id in ours:
            if self._is_leaving:
                break
            if await run_in_threadpool(next, self._begun[batch_id], _OVER) is _OVER:
                del self._begun[batch_id]
        return bool(ours)

    def _begin(self, batch_id: str) -> None:
        lock = job_lock(self._work.store.locks, batch_id)
        if not lock.acquire():
            return

        def locked() -> Generator[None, None, None]:
            try:
                yield from self._work.slices(batch_id)
                lock.discard()
            finally:
                lock.release()

        self._begun[batch_id] = locked()

    def _leave(self) -> None:
        for work in self._begun.values():
            work.close()
        self._begun.clear()


_OVER = object()
