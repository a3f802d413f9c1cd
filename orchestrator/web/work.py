"""What the page sets going: work that goes on in a thread after the answer, and says how it went on the page."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from orchestrator.api.host import Host
from orchestrator.errors import FtorchError, Stopped
from orchestrator.web.changes import Changes
from orchestrator.web.notices import Notices

log = logging.getLogger(__name__)
T = TypeVar("T")
_AT_ONCE = 4


class Work:
    """Threads for work, which are asked to stop when the server does."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, "ftorch-ui")
        self.stopping = Stopping()
        self.notices = Notices(self._note)

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the duration of the block, in the server's event loop."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self.stopping.stop()
            self._pool.shutdown(cancel_futures=True)

    def start(self, subject: str, work: Callable[[Host], object]) -> None:
        """Do this in a thread. What it says, and the error that ends it, are notices on `subject`."""
        self._pool.submit(self._do, subject, work)

    def _do(self, subject: str, work: Callable[[Host], object]) -> None:
        try:
            work(PageHost(subject, self.notices, self.stopping))
        except FtorchError as error:
            self.notices.add(subject, str(error), is_bad=True)
        except Stopped as stopped:
            self.notices.add(subject, str(stopped))
        except Exception as error:
            log.error("Work on %s failed", subject, exc_info=error)
            problem = "ftorch failed to do this; the terminal of ftorch ui shows why."
            self.notices.add(subject, problem, is_bad=True)

    def _note(self) -> None:
        """Pages show new notices at once."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changes.note)


class Stopping:
    """The events of the loops that are to end when the server does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._is_stopped = False

    @contextmanager
    def event(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
        """An event of this loop, which is set when the server stops."""
        event = asyncio.Event()
        with self._lock:
            self._events[event] = loop
            if self._is_stopped:
                event.set()
        try:
            yield event
        finally:
            with self._lock:
                del self._events[event]

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            for event, loop in self._events.items():
                loop.call_soon_threadsafe(event.set)


class PageHost(Host):
    """Asks nobody: the page asked before. What it says is a notice."""

    def __init__(self, subject: str, notices: Notices, stopping: Stopping) -> None:
        super().__init__()
        self._subject = subject
        self._notices = notices
        self._stopping = stopping

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        async def stoppable() -> tuple[T, bool]:
            with self._stopping.event(asyncio.get_running_loop()) as stop:
                return await work(stop), stop.is_set()

        return asyncio.run(stoppable())

    def say(self, text: str) -> None:
        self._notices.add(self._subject, text)

    def show_error(self, error: FtorchError) -> None:
        self._notices.add(self._subject, str(error), is_bad=True)
