"""How much a deployment answers: capacity is thousand tokens a minute, over a sliding minute."""

from __future__ import annotations

import json
import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.server.azure.errors import AzureError
from orchestrator.server.store.records import Deployment

MINUTE = 60.0
TOKENS_PER_UNIT = 1000
REQUESTS_PER_UNIT = 6
"""For each thousand tokens a minute (Azure's page on quotas)."""
CHARACTERS_PER_TOKEN = 4
"""Azure estimates a request's tokens by its characters."""


class RateLimits:
    """What each deployment was asked in the last minute, in this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._asked: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, deployment: Deployment, body: Mapping[str, Any]) -> None:
        """Count the request; AzureError 429 says when to come back where the minute is used up.

        A request that is larger than the capacity is let through when nothing else was asked for a minute.
        """
        tokens = _estimate(body)
        with self._lock:
            asked = self._asked[deployment.name]
            while asked and asked[0][0] <= self._now() - MINUTE:
                asked.popleft()
            if asked and self._is_full(deployment, tokens):
                raise _too_many(deployment, asked[0][0] + MINUTE - self._now())
            asked.append((self._now(), tokens))

    def _is_full(self, deployment: Deployment, tokens: int) -> bool:
        asked = self._asked[deployment.name]
        used = sum(each for _, each in asked)
        too_many_tokens = used + tokens > deployment.capacity * TOKENS_PER_UNIT
        return too_many_tokens or len(asked) >= deployment.capacity * REQUESTS_PER_UNIT


def _estimate(body: Mapping[str, Any]) -> int:
    text = json.dumps([body.get(part) for part in ("messages", "tools", "functions")])
    answer = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return len(text) // CHARACTERS_PER_TOKEN + (answer if isinstance(answer, int) else 0)


def _too_many(deployment: Deployment, seconds: float) -> AzureError:
    message = (
        f"Requests to the deployment {deployment.name} have exceeded its rate limit of {deployment.capacity} "
        f"thousand tokens a minute. Please retry after {math.ceil(seconds)} seconds."
    )
    return AzureError(429, "429", message, retry_after=seconds)
