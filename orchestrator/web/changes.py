"""Whether anything has changed: asked once for all open pages, and only while there are some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool

from orchestrator.errors import FtorchError

POLL_SECONDS = 1.0


class Changes:
    """Reads `mark` every POLL_SECONDS for as long as somebody listens. For one event loop."""

    def __init__(self, mark: Callable[[], Hashable]) -> None:
        self._mark = mark
        self._last: Hashable = None
        self._listeners = 0
        self._polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self.number = 0
        """How many changes were seen so far."""

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """A change after the beginning of the block is noticed."""
        self._listeners += 1
        if self._polling is None:
            self._last = await self._read()
            self._polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def wait(self, seen: int, seconds: float) -> None:
        """Until there were more than `seen` changes, for at most this long; not at all once it is closed."""
        if self.number <= seen and not self.is_closed:
            await _for(self._changed, seconds)

    async def rest(self, seconds: float) -> None:
        """For this long, unless it is closed."""
        await _for(self._closed, seconds)

    def note(self) -> None:
        """Something changed that is not in the database."""
        self.number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Ends every wait: the server stops."""
        self._closed.set()
        self.note()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            found = await self._read()
            if found != self._last:
                self._last = found
                self.note()

    async def _read(self) -> Hashable:
        """A mark that equals no other where it can't be read: the pages then say why."""
        try:
            return await run_in_threadpool(self._mark)
        except FtorchError:
            return object()


async def _for(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
