"""The stream of an open page: its parts, sent again when they have changed (server-sent events)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orchestrator.errors import FtorchError
from orchestrator.reports.text import printable
from orchestrator.web.changes import Changes
from orchestrator.web.page import Page, mark_of
from orchestrator.web.rendering import render

TICK_SECONDS = 30.0
"""After this time a page is made again without a change, since it says how long ago things were."""
_LEAST_REST, _MOST_REST = 1.0, 30.0
_REST_PER_WORK = 180.0
"""Seconds of rest for each second of work: a page that is made again and again takes a 180th of a processor."""


class LiveParts(Response):
    """The stream of one page: `make` makes it, `marks` are those of the parts that the browser has.

    An event `part` replaces one part; `parts` replaces all, if others came or went.
    """

    def __init__(self, make: Callable[[], Page], marks: str, changes: Changes) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"  # a proxy would keep the events
        self._make = make
        self._has = dict(each.partition(".")[::2] for each in marks.split(",") if each)
        self._problem = ""
        self._before = 0.0
        self._changes = changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends when the browser goes or the server stops."""
        sending = asyncio.ensure_future(self._send(send))
        going = asyncio.ensure_future(_gone(receive))
        await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
        going.cancel()
        sending.cancel()
        for result in await asyncio.gather(sending, going, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for event in self._events():
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        async with self._changes.listening():
            while not self._changes.is_closed:
                seen = self._changes.number
                events, seconds = await run_in_threadpool(self._made)
                yield events
                await self._changes.rest(min(max(self._usual(seconds) * _REST_PER_WORK, _LEAST_REST), _MOST_REST))
                await self._changes.wait(seen, TICK_SECONDS)

    def _usual(self, seconds: float) -> float:
        """The work that a page takes: the less of the last two times, since a first time fills caches."""
        usual = min(seconds, self._before)
        self._before = seconds
        return usual

    def _made(self) -> tuple[str, float]:
        """The events that bring the browser up to date, and the seconds of a processor that they took."""
        began = time.thread_time()
        problem = ""
        events: list[str] = []
        try:
            events = list(self._news(self._make()))
        except FtorchError as error:
            problem = escape(printable(str(error)))
        if problem != self._problem:
            events.append(_part("problem", problem))
        self._problem = problem
        return "".join(events) or ": nothing new\n\n", time.thread_time() - began

    def _news(self, page: Page) -> Iterator[str]:
        marks = {key: mark_of(html) for key, html in page.parts.items()}
        if list(marks) != list(self._has):
            yield _event("parts", html=render("parts", page=page))
        else:
            yield from (_part(key, page.parts[key]) for key, mark in marks.items() if mark != self._has[key])
        self._has = marks


def _part(key: str, html: str) -> str:
    return _event("part", key=key, html=html)


def _event(name: str, **data: str) -> str:
    """One server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
