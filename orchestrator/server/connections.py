"""Closes the connections of slow clients. The time for our own answer is not limited.

uvicorn itself only closes a connection without a further request (`timeout_keep_alive`, 5 seconds). It has no
option for the rest (https://github.com/Kludex/uvicorn/issues/157).
"""

from __future__ import annotations

import asyncio
import time

import h11
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.server.apierror import ApiError

HEADER_SECONDS = 10.0
"""From the connection, or the first byte of a further request, to the end of the header."""
BODY_SECONDS, BODY_BYTES_PER_SECOND = 20.0, 4096
"""The total wait for a body: this many seconds, and one more for every 4096 bytes received."""
REST_SECONDS = 5.0
"""For the rest of an unread body, if the request was answered without it."""
READER_SECONDS = 60.0
"""How long a client may leave sent data unread before it gets more."""


class BodyClock:
    """ASGI middleware: a request whose body comes too slowly is answered 408. Only waiting counts."""

    def __init__(self, app: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _TimedBody(receive, self._seconds)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        await self._app(scope, body.receive, watched)
        if body.is_late and not started:
            refusal = ApiError(408, "The request's body came too slowly.", code="request_timeout")
            await JSONResponse(refusal.body(), refusal.status, {"connection": "close"})(scope, receive, send)


class _TimedBody:
    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._left = seconds
        self._more = True
        self.is_late = False

    async def receive(self) -> Message:
        """The next piece; a disconnect, once the time is used up. After the body there is no limit."""
        if not self._more:
            return await self._receive()
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._left, 0.001))
        except TimeoutError:
            self.is_late = True
            return {"type": "http.disconnect"}
        self._left += len(message.get("body", b"")) / BODY_BYTES_PER_SECOND - (time.monotonic() - began)
        self._more = message.get("more_body", False)
        return message


class Connection(H11Protocol):
    """One client's connection: uvicorn's, with clocks."""

    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_reading(HEADER_SECONDS)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # for example, data after the last request of a connection
            self.transport.abort()
        if self.conn.their_state is h11.IDLE:
            self._start_reading(HEADER_SECONDS)
        elif self._has_answered():
            self._start_reading(REST_SECONDS)
        else:
            self._stop_reading()

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            self._start_writing()
        elif self.conn.their_state is h11.SEND_BODY:
            self._start_reading(REST_SECONDS)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # nothing may follow the refusal
            if self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.message_event.set()
        if self.conn.our_state is h11.IDLE or self.conn.our_state is h11.SEND_RESPONSE:
            super().send_400_response(msg)
            self._start_writing()
        else:
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._start_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_reading()
        self.resume_writing()

    def _has_answered(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete

    def _start_reading(self, seconds: float) -> None:
        """Unless the clock is running already: further bytes don't reset it."""
        if self._reading is None:
            self._reading = self.loop.call_later(seconds, self.transport.abort)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = self.loop.call_later(READER_SECONDS, self.transport.abort)
