"""An account in memory whose deployments come, warm up and leave as slowly as a test says; it fails on request.

It stands in only where a fault or a moment is needed that no server gives on request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.endpoints.management import RemoteDeployment, Room, WantedDeployment
from orchestrator.errors import RequestRefused
from support.fake_endpoint import FakeClock, Fault

LIFE = ("Creating", "Succeeded")


@dataclass
class Made:
    """A deployment that the account has: how often it was looked at, asked, and looked at while it leaves."""

    wanted: WantedDeployment
    created_at: float
    looks: int = 0
    probes: int = 0
    leaving: int = 0


@dataclass
class FakeAccount:
    """Implements `Management`, and the one call of an endpoint that deployments need."""

    clock: FakeClock
    life: tuple[str, ...] = LIFE
    """What each look shows, the last for ever."""
    warm_up: int = 1
    """So many requests find a deployment that is Succeeded not answering."""
    departure: int = 1
    """So many looks still see it after its end was asked for."""
    there: dict[str, Made] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """The name of each deployment that came to be: a second request for one that is there makes none."""
    removed: list[str] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    left: Room | None = None
    """What it has room for."""

    def fault(self, kind: str, *faults: Fault | Exception) -> None:
        """What the next requests of this kind meet."""
        queue = self.faults.setdefault(kind, deque())
        queue.extend(each if isinstance(each, Fault) else Fault(each) for each in faults)

    def add(self, name: str, model: str, sku: str = "Standard", capacity: int = 10) -> None:
        """A deployment that somebody else made, and that answers."""
        ready = Made(WantedDeployment(name, model, sku, capacity), self.clock.now(), looks=99, probes=99)
        self.there[name] = ready

    def count(self, kind: str) -> int:
        return sum(called == kind for called, _ in self.calls)

    # --- what the code under test calls --------------------------------------------------------------------

    async def get(self, name: str) -> RemoteDeployment | None:
        await self._meet("get", name)
        return self._shown(name)

    async def all(self) -> list[RemoteDeployment]:
        await self._meet("all", "")
        shown = [self._shown(name) for name in list(self.there)]
        return [each for each in shown if each is not None]

    async def room(self, model: str) -> Room | None:
        await self._meet("room", model)
        return self.left

    async def put(self, wanted: WantedDeployment) -> None:
        def effect() -> None:
            known = self.there.get(wanted.name)
            if known is None:
                self.made.append(wanted.name)
                self.there[wanted.name] = Made(wanted, self.clock.now())
            else:
                known.wanted = replace(wanted)

        await self._meet("put", wanted.name, effect)

    async def delete(self, name: str) -> None:
        def effect() -> None:
            if name in self.there and not self.there[name].leaving:
                self.there[name].leaving = 1
                self.removed.append(name)

        await self._meet("delete", name, effect)

    async def sku_for(self, model: str) -> str | None:
        return None

    async def answers(self, model: str) -> bool:
        return False

    async def chat(self, request: Mapping[str, Any], _once: str) -> Mapping[str, Any]:
        await self._meet("chat", request["model"])
        known = self.there.get(request["model"])
        if known is None or known.leaving or self._state(known) != "Succeeded" or known.probes < self.warm_up:
            if known is not None:
                known.probes += 1
            facts = {"status": 404, "code": "DeploymentNotFound", "param": None, "message": "not there yet"}
            raise RequestRefused(endpoint="azure", problem="not there yet (HTTP 404)", **facts)
        return {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}

    async def _meet(self, kind: str, name: str, effect: Any = lambda: None) -> None:
        self.calls.append((kind, name))
        await asyncio.sleep(0)
        queue = self.faults.get(kind)
        fault = queue.popleft() if queue else Fault(None, lands=True)
        if fault.lands:
            effect()
        self.clock.pass_(fault.delay)
        if fault.error:
            raise fault.error

    def _shown(self, name: str) -> RemoteDeployment | None:
        known = self.there.get(name)
        if known is None:
            return None
        if known.leaving > self.departure:
            del self.there[name]
            return None
        if known.leaving:
            known.leaving += 1
        state = "Deleting" if known.leaving else self._state(known)
        known.looks += 1
        wanted = known.wanted
        return RemoteDeployment(name, wanted.account_model, state, wanted.sku, wanted.capacity, known.created_at)

    def _state(self, known: Made) -> str:
        return self.life[min(known.looks, len(self.life) - 1)]
