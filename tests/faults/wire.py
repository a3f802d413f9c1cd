"""What stands between a client and the endpoint: it counts the requests and lets each meet its fault."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any
from urllib.parse import parse_qsl, urlencode

from faults.catalogue import Fault
from faults.exchange import Answer, Exchange
from faults.profiles import PROFILES, HostProfile

Deliver = Callable[[Exchange], Awaitable[Answer]]
_LISTS = ("list", "find-files", "served")
_BY_CHOSEN_NAME, _HAS_CHOSEN_NAMES = ("job", "file"), "/v1/accounts/"
"""Where names are chosen, what a host doesn't show yet is not found by its name either."""


@dataclass
class Wire:
    """`late_seconds` is when a late request arrives, counted from its sending; `now` is the endpoint's clock."""

    deliver: Deliver
    now: Callable[[], float]
    late_seconds: float
    latency: float = 0.0
    """How long a request is on its way, and how long its answer, in seconds."""
    counts: Counter[str] = field(default_factory=Counter)
    """Requests that left the client, by route."""
    _faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _hidden: dict[str, int] = field(default_factory=dict)
    _late: list[tuple[float, Exchange]] = field(default_factory=list)
    forgets_metadata: bool = False
    doubles_lists: bool = False
    profile: HostProfile = PROFILES["honest"]

    def plan(self, route: str, faults: Iterable[Fault]) -> None:
        """The next requests of this route meet these faults, one each; those after them meet none."""
        self._faults[route].extend(faults)

    async def pass_on(self, request: Exchange) -> Answer:
        """Raises NoAnswerError and SilentError."""
        route = request.route
        self.counts[route] += 1
        await self._land(self.now())
        fault = self._faults[route].popleft() if self._faults[route] else None
        if fault is None:
            return await self._arrive(request)
        self.forgets_metadata |= fault.forgets_metadata
        self.doubles_lists |= fault.doubles_lists
        if fault.late:
            self._late.append((self.now() + self.late_seconds, request))
        answer = None
        for _ in range(fault.arrivals):
            answer = await self._arrive(request)
        if answer and fault.hidden_lists:
            self._hidden[_name_of(json.loads(answer.body))] = fault.hidden_lists
        return fault.reply(answer, self.now())

    async def _arrive(self, request: Exchange) -> Answer:
        if self.forgets_metadata:
            request = _without_metadata(request)
        await asyncio.sleep(self.latency)
        turn = self.counts[request.route]
        answer = self.profile.answered(request, await self.deliver(self.profile.asked(request)), turn)
        await asyncio.sleep(self.latency)
        if request.route in _BY_CHOSEN_NAME and _HAS_CHOSEN_NAMES in request.path and self._hides(request.subject):
            return Answer(404, b'{"code": 5, "message": "not found", "details": []}')
        return self._altered_list(answer) if request.route in _LISTS and answer.status == 200 else answer

    async def settle(self) -> None:
        """Let every late request arrive."""
        await self._land(inf)

    async def _land(self, until: float) -> None:
        """What has arrived by then; nobody can tell the difference before the next request."""
        due = [request for at, request in self._late if at <= until]
        self._late = [(at, request) for at, request in self._late if at > until]
        for request in due:
            await self._arrive(request)

    def _altered_list(self, answer: Answer) -> Answer:
        if not (self._hidden or self.doubles_lists):
            return answer
        try:
            found = json.loads(answer.body)
        except ValueError:
            return answer
        page = {"": found} if isinstance(found, list) else found
        key = next((key for key, value in page.items() if isinstance(value, list)), None)
        if key is None:
            return answer
        page[key] = [item for item in page[key] if not self._hides(_name_of(item))]
        if self.doubles_lists:
            page[key] = [item for item in page[key] for _ in range(2)]
        altered = page[key] if isinstance(found, list) else page
        return replace(answer, body=json.dumps(altered).encode(), headers={"content-type": "application/json"})

    def _hides(self, item: str) -> bool:
        left = self._hidden.get(item, 0)
        self._hidden[item] = max(0, left - 1)
        return left > 0


def _name_of(item: dict[str, Any]) -> str:
    return str(item.get("id") or item.get("name", "")).rpartition("/")[2]


def _without_metadata(request: Exchange) -> Exchange:
    if request.route == "create":
        body = {key: value for key, value in json.loads(request.body).items() if key != "metadata"}
        return request.with_body(json.dumps(body).encode())
    kept = [(key, value) for key, value in parse_qsl(request.query) if not key.startswith("metadata")]
    return replace(request, query=urlencode(kept))
