"""The first steps of every request: its id, the check of its sender, and the guarantee of a JSON answer, even for
errors."""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.server import ids
from orchestrator.server.apierror import ApiError

log = logging.getLogger(__name__)


Check = Callable[[Scope], None]
"""Raises ApiError if the request must not continue."""
Body = Callable[[ApiError], dict[str, Any]]
"""The form of an API's refusal."""


class ApiMiddleware:
    """ASGI middleware. An exception never leaves it: an in-process client would get it instead of an answer."""

    def __init__(self, app: ASGIApp, check: Check, body: Body = ApiError.body) -> None:
        self._app = app
        self._check = check
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, ids.request_id())
        try:
            self._check(scope)
            await self._app(scope, _body_of(receive), answer.send)
        except ClientDisconnect:
            return
        except Exception as error:
            if answer.started:
                raise
            refusal = _refusal(error, answer.request_id)
            response = JSONResponse(self._body(refusal), refusal.status, refusal.headers)
            await response(scope, receive, answer.send)


class KeyCheck:
    """Requires a bearer key under these paths."""

    def __init__(self, api_key: str | None, *paths: str) -> None:
        self._api_key = api_key
        self._paths = paths

    def __call__(self, scope: Scope) -> None:
        """Raise ApiError 401 if the key is missing or wrong."""
        if self._api_key is None or not scope["path"].startswith(self._paths):
            return
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key:
            raise ApiError(401, "You didn't provide an API key (Authorization: Bearer KEY).")
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


def _body_of(receive: Receive) -> Receive:
    """In process, a client that can't finish its body raises an error from `receive`: it is gone."""

    async def read() -> Message:
        try:
            return await receive()
        except Exception as error:
            raise ClientDisconnect from error

    return read


class _Answer:
    """Sends the answer with its id, and knows whether it has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            MutableHeaders(scope=message)["x-request-id"] = self.request_id
        await self._send(message)


def _refusal(error: Exception, request_id: str) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, OSError | sqlite3.Error):  # a full disk, for example: the trace would explain nothing
        log.error("Request %s failed: %s", request_id, error)
        return ApiError(500, f"The endpoint can't use its store: {error}", kind="server_error")
    log.error("Request %s failed", request_id, exc_info=error)
    message = f"The endpoint had an error while it processed the request {request_id}."
    return ApiError(500, message, kind="server_error")
