"""Repeating calls that may be repeated: with jitter, as told by Retry-After, and for a bounded time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
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
    """`attempts` in all, waiting `base` · 2^n seconds (± half) in between, and none begun after `total` seconds; a
    longer Retry-After than `longest` seconds is left to the caller, who has other runs to look after meanwhile."""

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
