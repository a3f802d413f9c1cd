"""The first steps of every request: from whom, from which page, under which name. The headers of every answer."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.browsers import is_foreign
from orchestrator.web.settings import Settings

log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script and no style inside a page runs, so that a text which got past the escaping would do nothing."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with it, browsers send "Origin: null" with a form, as they do from a foreign page.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
Refusal = Callable[[int, str], Response]
"""Makes the page that says why a request is refused."""


class Guard:
    """ASGI middleware. Nothing is read or changed for a request that it refuses."""

    def __init__(self, app: ASGIApp, settings: Settings, refusal: Refusal) -> None:
        self._app = app
        self._settings = settings
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await (self._checked(scope) or self._signed_in(scope) or self._app)(scope, receive, answer.send)
        except ClientDisconnect:
            return
        except Exception as error:
            if answer.started:
                raise
            log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            broken = self._refusal(500, "ftorch could not make this page; the terminal of ftorch ui shows why.")
            await broken(scope, receive, answer.send)

    def _checked(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._settings.names.include(host):
            problem = (
                f"This page does not answer as {host[:200]!r}. Use the address that ftorch ui printed, or start it "
                "with --allow-host NAME."
            )
            return self._refusal(421, problem)
        if is_foreign(headers, host) and not _is_opened(scope, headers):
            return self._refusal(403, "This request came from another site's page. Nothing was done.")
        return None

    def _signed_in(self, scope: Scope) -> Response | None:
        """None if the browser has shown the token. If its address has the token, a cookie takes its place."""
        if self._settings.cookie is None:
            return None
        name, value = self._settings.cookie
        if hmac.compare_digest(_cookie(Headers(scope=scope), name).encode(), value.encode()):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token", "")
        if not self._settings.is_token(given):
            wrong = "This token is not the one. " if given else ""
            return self._refusal(401, f"{wrong}Enter the value of the variable FTORCH_UI_TOKEN on the server.")
        rest = urlencode([(key, text) for key, text in query if key != "token"])
        # Only the path: what stands before it would be another site's, as in //evil.example/.
        path = "/" + scope["path"].lstrip("/\\")
        response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        # Lax: a link in a message may open the page. Changes need a secret of the page as well.
        response.set_cookie(name, value, httponly=True, samesite="lax", path="/")
        return response


def _is_opened(scope: Scope, headers: Headers) -> bool:
    """Whether a link of another page leads here: that changes nothing, and that page can't read the answer."""
    is_whole = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return scope["method"] == "GET" and is_whole


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


class _Answer:
    """Sends the answer with its headers, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await self._send(message)
