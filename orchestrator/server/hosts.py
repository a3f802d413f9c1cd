"""Refuses what web pages make a browser send: requests under a foreign name, and requests from another site.

A page whose name resolves to this machine (DNS rebinding) sends its name as the Host. A page that calls this
address sends its Origin, and browsers add Sec-Fetch-Site. No answer carries CORS headers, so a page could read
nothing; but without these checks it could start jobs.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.server.apierror import ApiError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\[\]:/@?#\s]+)(?::[0-9]{1,5})?", re.IGNORECASE)


class HostCheck:
    """ASGI middleware for an app that is served. In process there is no browser."""

    def __init__(self, app: ASGIApp, names: Iterable[str], any_address: bool) -> None:
        self._app = app
        self._names = frozenset(_plain(name) for name in names)
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            message = (
                f"This endpoint does not answer as {host[:200]!r}. Use the address that it printed at its start, "
                "or start it with --allow-host NAME."
            )
            return ApiError(421, message, param="host", code="host_not_allowed")
        if _is_foreign(headers, host):
            message = "Requests from web pages are refused: call this endpoint from a program, not from a browser."
            return ApiError(403, message, code="cross_site_request")
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether the name is ours. The port is not compared: a forwarded port has another number."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _plain(found.group(1))
        # A page can't make a browser send an address as the Host unless the page came from there.
        return name in self._names or (self._any_address and _is_address(name))


def guarded(app: ASGIApp, host: str, allowed: Iterable[str]) -> HostCheck:
    """The app, served on `host`: it answers to that name, to those of loopback, and to the allowed ones."""
    everywhere = _is_address(host) and ipaddress.ip_address(host).is_unspecified
    own = socket.gethostname() if everywhere else host
    return HostCheck(app, (*LOOPBACK, own, *allowed), any_address=everywhere)


def _plain(name: str) -> str:
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a page sent this that did not come from exactly this host and port."""
    if headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin"):
        return True
    origins = headers.getlist("origin")
    return any(origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()) for origin in origins)
