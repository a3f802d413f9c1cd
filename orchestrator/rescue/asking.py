"""Asking for one of many objects: one that is refused or fails doesn't stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from orchestrator.errors import AnswerUnreadable, EndpointBusy, EndpointUnreachable, RequestRefused
from orchestrator.rescue.manifest import Why

T = TypeVar("T")

_PAUSES = (5.0, 15.0, 30.0, 60.0)
"""Seconds to wait while the endpoint is at a limit, if it names no time."""
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_MOST_FAILURES = 3
"""Requests without any answer in a row: then it is the endpoint or the network, not the object."""


@dataclass(frozen=True)
class Missing:
    """An object that could not be had."""

    why: Why
    reason: str


class Asking:
    """Calls an endpoint, and counts the requests in a row that it did not answer."""

    def __init__(self) -> None:
        self._failures = 0

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T | Missing:
        """The answer, or why there is none. A busy endpoint is waited for. Raises EndpointError for what concerns
        the whole endpoint: it can't be reached, refuses the key, or stays busy."""
        for pause in _PAUSES:
            try:
                return await self._once(call)
            except EndpointBusy as error:
                await asyncio.sleep(error.facts.get("retry_after") or pause)
        return await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T | Missing:
        try:
            found: T | Missing = await call()
        except RequestRefused as error:
            found = Missing(
                "gone" if error.facts.get("status") in _GONE else "refused", str(error.facts["problem"])
            )
        except EndpointUnreachable as error:
            if error.facts.get("status") is None and not isinstance(error, AnswerUnreadable):
                self._failures += 1
                if self._failures >= _MOST_FAILURES:
                    raise
                return Missing("failing", str(error.facts["problem"]))
            found = Missing("failing", str(error.facts["problem"]))
        self._failures = 0
        return found
