"""The wire as a real proxy on a real socket, in front of a real server: what a killed process needs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpx2

from faults.exchange import Answer, Exchange, NoAnswerError, SilentError
from faults.wire import Wire

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}
SILENCE_SECONDS = 1.0
"""How long the proxy says nothing before it closes the connection: longer than any timeout of these tests."""


@dataclass
class Proxy:
    """Listens on a free port of this machine and passes everything on to `upstream`, through `wire`."""

    upstream: str
    wire: Wire
    address: str = ""

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        async with server:
            await stop.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(NoAnswerError, ConnectionError, asyncio.IncompleteReadError):
            request = await _read(reader)
            try:
                writer.write(_written(await self.wire.pass_on(request)))
                await writer.drain()
            except SilentError:
                await asyncio.sleep(SILENCE_SECONDS)
        writer.close()

    async def deliver(self, request: Exchange) -> Answer:
        """Send the request to the server itself."""
        url = self.upstream + request.path + (f"?{request.query}" if request.query else "")
        headers = [pair for pair in request.headers if pair[0].lower() not in ("host", *_HOP_BY_HOP)]
        async with httpx2.AsyncClient(timeout=20, trust_env=False) as client:
            answer = await client.request(request.method, url, headers=headers, content=request.body)
        return Answer(answer.status_code, answer.content, dict(answer.headers))


async def _read(reader: asyncio.StreamReader) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = tuple((name, value) for name, value in pairs)
    lengths = {name.lower(): value for name, value in headers}
    if lengths.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(lengths.get("content-length", 0)))
    path, _, query = target.partition("?")
    return Exchange(method, path, query, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _written(answer: Answer) -> bytes:
    """An answer that is cut promises more than it brings."""
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    promised = len(answer.body) + (100 if answer.is_cut else 0)
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in kept.items()]
    lines += [f"content-length: {promised}", "connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


@contextmanager
def proxied(upstream: str, *, late_seconds: float) -> Iterator[Proxy]:
    """A proxy in a thread of its own, in front of the server at `upstream` (scheme, host and port)."""
    proxy = Proxy(upstream, Wire(_unready, time.time, late_seconds))
    proxy.wire = replace(proxy.wire, deliver=proxy.deliver)
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, proxy, ready, stop))
    thread.start()
    try:
        assert ready.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _unready(_request: Exchange) -> Answer:
    raise NoAnswerError


def _run(loop: asyncio.AbstractEventLoop, proxy: Proxy, ready: threading.Event, stop: asyncio.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(proxy.serve(ready, stop))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
