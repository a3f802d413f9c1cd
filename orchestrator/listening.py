"""A listening address, and a web server on it that says when it answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.errors import AddressUnusable, ServerMissing

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 2048


def require_uvicorn() -> None:
    """Raises ServerMissing if uvicorn is not installed."""
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ServerMissing from error


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any free one. Raises AddressUnusable."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise AddressUnusable(address=f"{host}:{port}", reason=error) from error
    # Connections inherit this. asyncio would set it only on sockets made with a protocol number, unlike this one;
    # without it every answer on a kept connection waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def address_of(listener: socket.socket) -> str:
    """As in `http://127.0.0.1:8000`."""
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{port}"


def announcing(
    config: uvicorn.Config, announce: Callable[[], None], ending: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A server that announces itself once it listens to signals too: a reader of the address may end it at once.

    `ending` is called before the server waits for its open answers.
    """
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            ending()
            await super().shutdown(sockets)

    return Announcing(config)
