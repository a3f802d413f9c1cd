"""Refuses what web pages make a browser send: requests under a foreign name, and requests from another site."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.browsers import HostNames, is_foreign, names_of
from orchestrator.server.apierror import ApiError


class HostCheck:
    """ASGI middleware for an app that is served. In process there is no browser."""

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        host = headers.get("host", "")
        if not self._names.include(host):
            message = (
                f"This endpoint does not answer as {host[:200]!r}. Use the address that it printed at its start, "
                "or start it with --allow-host NAME."
            )
            return ApiError(421, message, param="host", code="host_not_allowed")
        if is_foreign(headers, host):
            message = "Requests from web pages are refused: call this endpoint from a program, not from a browser."
            return ApiError(403, message, code="cross_site_request")
        return None


def guarded(app: ASGIApp, host: str, allowed: Iterable[str]) -> HostCheck:
    """The app, served on `host`: it answers to that name, to those of loopback, and to the allowed ones."""
    return HostCheck(app, names_of(host, allowed))
