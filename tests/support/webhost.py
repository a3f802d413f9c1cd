"""A host on 127.0.0.1 that records what is posted to it and answers as a test says: webhooks and trackers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    """The JSON of its body; None without one."""


Answer = tuple[int, Any]
LOST: Answer = (0, None)
"""No answer: the connection is closed."""


@dataclass
class WebHost:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = lambda asked: (200, {})
    """Called for each request, also while others are answered."""

    @property
    def bodies(self) -> list[Any]:
        return [each.body for each in self.asked]


@contextmanager
def web_host(found: WebHost | None = None) -> Iterator[WebHost]:
    host = found or WebHost()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(host: WebHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(size)
            address = urlsplit(self.path)
            body = json.loads(content) if content else None
            asked = Asked(
                self.command, address.path, dict(parse_qsl(address.query)), dict(self.headers.items()), body
            )
            host.asked.append(asked)
            status, value = host.answer(asked)
            if not status:
                self.close_connection = True
                return
            text = value if isinstance(value, bytes) else json.dumps(value).encode()
            with suppress(OSError):  # the process that asked may be gone
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler
