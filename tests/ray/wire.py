"""A wire to the head that loses or doubles the first request that starts a job."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx2


class Wire:
    """Use as a context manager; `faults` counts what it did."""

    def __init__(self, target: str, fault: str) -> None:
        self.faults = 0
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._pass_on(b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                is_first = self.path == "/api/jobs/" and wire.faults == 0
                wire.faults += is_first
                if is_first and fault == "lost request":
                    self.close_connection = True
                    return
                if is_first and fault == "doubled":
                    self._ask(body)
                self._pass_on(body, loses=is_first and fault == "lost answer")

            def _ask(self, body: bytes) -> httpx2.Response:
                names = ("Authorization", "Content-Type")
                headers = {name: self.headers[name] for name in names if name in self.headers}
                return httpx2.request(
                    self.command, f"{target}{self.path}", content=body, headers=headers, timeout=60, trust_env=False
                )

            def _pass_on(self, body: bytes, *, loses: bool = False) -> None:
                try:
                    answer = self._ask(body)
                except httpx2.TransportError:
                    loses = True
                if loses:
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the screen."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Wire:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
