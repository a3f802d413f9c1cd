"""Serves the endpoint over HTTP with uvicorn, for any client that speaks the OpenAI API."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import AddressUnusable, ServerMissing
from orchestrator.server.app import create_app
from orchestrator.server.hosts import guarded
from orchestrator.server.settings import AzureSettings, Settings

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048


def serve(store_dir: Path, host: str, port: int, settings: Settings) -> None:
    """Serve until interrupted; port 0 takes any free one. The address is printed on stderr once it answers.

    Off loopback there is always a key: if the settings have none, one is drawn, and printed with the address.
    Raises ServerMissing if uvicorn is not installed, AddressUnusable if the address is taken or not ours, and what
    `create_app` raises.
    """
    _require_uvicorn()
    with _bind(host, port) as listener:
        drawn = None if settings.api_key or _is_loopback(listener) else f"ftorch-{secrets.token_urlsafe(24)}"
        settings = replace(settings, api_key=settings.api_key or drawn)
        server = _announcing(_config(store_dir, host, settings), lambda: _announce(listener, settings, drawn))
        # A server is ended with Ctrl-C: uvicorn closes everything in order and then raises it once more.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _require_uvicorn() -> None:
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ServerMissing from error


def _config(store_dir: Path, host: str, settings: Settings) -> uvicorn.Config:
    import uvicorn

    from orchestrator.server.connections import BodyClock, Connection

    app = BodyClock(guarded(create_app(store_dir, settings=settings), host, settings.hosts))
    return uvicorn.Config(app, http=Connection, ws="none", lifespan="on", log_level="warning", access_log=False)


def _announcing(config: uvicorn.Config, announce: Callable[[], None]) -> uvicorn.Server:
    """A server that announces itself once it listens to signals too: a reader of the address may end it at once."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce()

    return Announcing(config)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise AddressUnusable(address=f"{host}:{port}", reason=error) from error
    # Connections inherit this. asyncio would set it only on sockets made with a protocol number, unlike this one;
    # without it every answer on a kept connection waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def _announce(listener: socket.socket, settings: Settings, drawn: str | None) -> None:
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    place = f"http://{shown}:{port}"
    lines = [f"ftorch endpoint on {place}/v1"]
    if settings.models:
        lines.append(f"base models: {', '.join(sorted(settings.models))}")
    if settings.azure is not None:
        lines.append(_azure_lines(place, settings.azure, settings.api_key is not None))
    if drawn is not None:
        lines += [
            f"key for this run: {drawn}",
            "  clients send it as their API key, as with: export OPENAI_API_KEY=…",
            "  to choose the key yourself: --api-key-env VARIABLE",
        ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _azure_lines(place: str, azure: AzureSettings, has_key: bool) -> str:
    """What a user needs to know about the resource; the key itself is never shown."""
    header = "the resource's key" if has_key else "any text"
    return "\n".join(
        [
            f"Azure resource on {place}",
            f"  subscription {azure.subscription}, resource group {azure.resource_group}, "
            f"account {azure.account}, region {azure.location}",
            f"  to sign in: export IDENTITY_ENDPOINT={place}/msi/token IDENTITY_HEADER=… ({header})",
        ]
    )
