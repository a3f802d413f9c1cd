"""What goes over the wire to a host in this process, kept to be held against the host's own description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx2
from starlette.applications import Starlette


@dataclass(frozen=True)
class Kept:
    """One request and its answer; bodies as they were sent."""

    method: str
    path: str
    query: list[tuple[str, str]]
    content_type: str
    body: bytes
    status: int
    answer: bytes

    @property
    def form_fields(self) -> set[str]:
        """The names of the parts of a multipart body."""
        names = [
            part.partition(b'name="')[2].partition(b'"')[0] for part in self.body.split(b"Content-Disposition:")
        ]
        return {name.decode() for name in names if name}


@dataclass
class Recorder(httpx2.AsyncBaseTransport):
    """Passes requests on to the app and keeps them."""

    app: Starlette
    kept: list[Kept] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        url = request.url
        sent = httpx2.Request(request.method, url, headers=request.headers, content=body)
        answer = await httpx2.ASGITransport(app=self.app).handle_async_request(sent)
        content = await answer.aread()
        kind = request.headers.get("content-type", "")
        query = parse_qsl(url.query.decode())
        self.kept.append(Kept(request.method, url.path, query, kind, body, answer.status_code, content))
        return httpx2.Response(answer.status_code, headers=_plain(answer.headers), content=content, request=request)


def _plain(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "content-length"}
