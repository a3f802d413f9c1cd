"""What a browser does with the page, inside this process: requests, forms, and streams."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette

ADDRESS = "http://127.0.0.1:8008"


class Browser:
    """Keeps cookies, follows no redirect."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ADDRESS)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=_named(headers))

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx2.Response:
        return await self.client.post(path, data=dict(fields), headers=_named(headers))

    async def send(self, page: str, action: str, fields: Mapping[str, str] | None = None) -> httpx2.Response:
        """Send the form with this action of a page, as a browser does."""
        shown = await self.get(page)
        hidden = [each for each in forms_in(shown.text) if each.action in (action, "")]
        assert hidden, f"{page} has no form {action}: {shown.text}"
        return await self.post(action, {**hidden[0].fields, **(fields or {})}, origin=ADDRESS)

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[Stream]:
        """The events of a page's stream. The browser leaves at the end of the block."""
        stream = Stream()
        running = asyncio.create_task(self.app(_scope(path), stream.receive, stream.send))
        try:
            yield stream
        finally:
            stream.gone.set()
            await asyncio.wait_for(running, 5)


class Stream:
    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._events: asyncio.Queue[tuple[str, dict[str, str]] | None] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", message["body"].decode()):
            self._events.put_nowait((name, json.loads(data)))
        if not message.get("more_body"):
            self._events.put_nowait(None)

    async def event(self, seconds: float = 10.0) -> tuple[str, dict[str, str]] | None:
        """The next one; None at the end."""
        return await asyncio.wait_for(self._events.get(), seconds)


class Form:
    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


def forms_in(text: str) -> list[Form]:
    """The forms of a page that are sent with POST, with their hidden fields."""
    found: list[Form] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag == "form" and given.get("method") == "post":
                found.append(Form(given.get("action") or ""))
            elif tag == "input" and given.get("type") == "hidden" and found:
                found[-1].fields[str(given["name"])] = given.get("value") or ""

    Reader().feed(text)
    return found


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _scope(path: str) -> dict[str, Any]:
    parts = urlsplit(path)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8008")],
        "server": ("127.0.0.1", 8008),
        "client": ("127.0.0.1", 50000),
    }
