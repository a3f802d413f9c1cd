"""Retrying calls that may be repeated: with jitter, not before the time set by the host, and for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
)

from orchestrator.errors import EndpointBusy, EndpointUnreachable

T = TypeVar("T")
log = logging.getLogger("ftorch.endpoints")


@dataclass(frozen=True)
class Retries:
    """`attempts` in total, with waits of `base` · 2^n seconds (± half), and none after `total` seconds; a
    Retry-After longer than `longest` seconds is left to the caller, who has other runs to look after."""

    attempts: int = 4
    total: float = 120.0
    base: float = 0.5
    longest: float = 20.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: random.Random = field(default_factory=random.Random)

    async def __call__(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await `call()`, again on EndpointUnreachable and EndpointBusy; raises the last error."""

        async def attempt() -> T:
            return await call()

        def note(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            pause = state.next_action.sleep if state.next_action else 0.0
            log.info("%s, attempt %d: %s; again in %.1f s", what, state.attempt_number, error, pause)

        retrying = AsyncRetrying(
            sleep=self.sleep,
            stop=self._is_enough,
            wait=self._wait,
            retry=retry_if_exception_type((EndpointUnreachable, EndpointBusy)),
            before_sleep=note,
            reraise=True,
        )
        return await retrying(attempt)

    def _is_enough(self, state: RetryCallState) -> bool:
        spent = state.seconds_since_start or 0.0
        return state.attempt_number >= self.attempts or spent >= self.total or self._told_wait(state) > self.longest

    def _wait(self, state: RetryCallState) -> float:
        jittered = self.base * 2 ** (state.attempt_number - 1) * self.random.uniform(0.5, 1.5)
        return float(min(max(self._told_wait(state), jittered), self.longest))

    def _told_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        told = error.facts.get("retry_after") if isinstance(error, EndpointUnreachable | EndpointBusy) else None
        return float(told or 0.0)


# --- How long a host asks to wait --------------------------------------------------------------------------------

_IN_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
LONGEST_WAIT = 7 * 86_400.0
"""Seconds. Daily job caps ask for a day; anything longer is treated as a host's mistake."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a response's headers, from 0 to LONGEST_WAIT; None if they name no time.

    `headers` ignore the case of names. `retry-after-ms` and `x-ms-retry-after-ms` come first, as in Microsoft's
    clients; then Retry-After in either form (RFC 9110, 10.2.3). A date is compared with the response's Date header,
    since this machine's clock may be wrong.
    """
    for name in _IN_MILLISECONDS:
        if (milliseconds := _number(headers.get(name))) is not None:
            return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return _bounded(seconds)
    until = _instant(value)
    return None if until is None else _bounded(until - (_instant(headers.get("date")) or time.time()))


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST_WAIT)


def _number(value: str | None) -> float | None:
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _instant(value: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date, which is always in UTC."""
    try:
        found = parsedate_to_datetime(value or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
