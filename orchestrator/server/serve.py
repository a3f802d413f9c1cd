"""Serves the endpoint over HTTP with uvicorn, for any client that speaks the OpenAI API."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.listening import address_of, announcing, bind, is_loopback, require_uvicorn
from orchestrator.server.app import create_app
from orchestrator.server.hosts import guarded
from orchestrator.server.settings import AzureSettings, Settings

if TYPE_CHECKING:
    import uvicorn


def serve(store_dir: Path, host: str, port: int, settings: Settings, *, logs_requests: bool = False) -> None:
    """Serve until interrupted; port 0 takes any free one. The address is printed on stderr once it answers.

    With `logs_requests` each request is logged by the logger `uvicorn.access`, whose handlers the caller sets up.
    Off loopback there is always a key: if the settings have none, one is drawn, and printed with the address.
    Raises ServerMissing if uvicorn is not installed, AddressUnusable if the address is taken or not ours, and what
    `create_app` raises.
    """
    require_uvicorn()
    with bind(host, port) as listener:
        drawn = None if settings.api_key or is_loopback(listener) else f"ftorch-{secrets.token_urlsafe(24)}"
        settings = replace(settings, api_key=settings.api_key or drawn)
        config = _config(store_dir, host, settings, logs_requests)
        server = announcing(config, lambda: _announce(listener, settings, drawn))
        # A server is ended with Ctrl-C: uvicorn closes everything in order and then raises it once more.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _config(store_dir: Path, host: str, settings: Settings, logs_requests: bool) -> uvicorn.Config:
    import uvicorn

    from orchestrator.server.connections import BodyClock, Connection

    app = BodyClock(guarded(create_app(store_dir, settings=settings), host, settings.hosts))
    logs: dict[str, Any] = {"log_level": "warning", "access_log": False}
    if logs_requests:
        logs = {"log_config": None, "access_log": True}
    return uvicorn.Config(app, http=Connection, ws="none", lifespan="on", **logs)


def _announce(listener: socket.socket, settings: Settings, drawn: str | None) -> None:
    place = address_of(listener)
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
