"""What supervisors ask of a worker: whether it is alive, whether it works, and its metrics.

systemd is told over `NOTIFY_SOCKET` (sd_notify(3)); Kubernetes and Prometheus ask over HTTP.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from orchestrator.errors import AddressUnusable, FtorchError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LATE_SECONDS = 60.0
"""Without a sign of life for so long, a worker counts as stuck. It gives one every two seconds."""


class Pulse:
    """The signs of life of a worker: of its loop, and of its database."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._alive_at = steady()
        self._answered_at: float | None = None

    def beat(self, answers: bool) -> None:
        """The loop runs; `answers` says whether the database does. The first answer makes the worker ready."""
        self._alive_at = self._steady()
        if answers and self._answered_at is None:
            notify("READY=1")
        if answers:
            self._answered_at = self._alive_at
        notify("WATCHDOG=1")

    @property
    def is_alive(self) -> bool:
        return self._steady() - self._alive_at < LATE_SECONDS

    @property
    def is_ready(self) -> bool:
        """Whether it works: its database has answered lately."""
        return self._answered_at is not None and self._steady() - self._answered_at < LATE_SECONDS


def notify(state: str) -> None:
    """Tell systemd, if it asked for it. A supervisor that can't be told is no reason to end."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), path)


@contextmanager
def answering(host: str, port: int, pulse: Pulse, metrics: CollectorRegistry) -> Iterator[str]:
    """Inside, `/healthz` (alive), `/readyz` (the database answers) and `/metrics` answer here; yields the address.
    Raises AddressUnusable."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(pulse, metrics))
    except (OSError, OverflowError) as error:
        raise AddressUnusable(address=f"{host}:{port}", reason=error) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="metrics")
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(pulse: Pulse, metrics: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0  # a client that sends nothing holds a thread no longer

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._show_metrics()
            elif path == "/healthz":
                self._say(pulse.is_alive, "alive", "stuck")
            elif path == "/readyz":
                self._say(pulse.is_ready, "ready", "the database does not answer")
            else:
                self._send(HTTPStatus.NOT_FOUND, b"see /healthz, /readyz and /metrics\n")

        def log_message(self, *_arguments: object) -> None:
            """Probes come every few seconds: they are not logged."""

        def _show_metrics(self) -> None:
            from prometheus_client.exposition import choose_encoder

            encode, kind = choose_encoder(self.headers.get("Accept") or "")
            try:
                self._send(HTTPStatus.OK, encode(metrics), kind)
            except FtorchError as error:
                self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode())

        def _say(self, is_well: bool, well: str, ill: str) -> None:
            status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, f"{well if is_well else ill}\n".encode())

        def _send(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
