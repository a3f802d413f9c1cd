"""What a step of a deployment may look at and touch: one object, so that time and sleep come in from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from orchestrator.endpoints.interface import Endpoint
from orchestrator.endpoints.management import Management
from orchestrator.engine.worker import Worker
from orchestrator.store.deployments import DEPLOYMENTS, Deployment
from orchestrator.store.leased import Leases, Transition


class Listener(Protocol):
    """Receives what happens to deployments."""

    def moved(self, deployment: Deployment) -> None: ...

    def noted(self, deployment: Deployment) -> None:
        """It waits for something else now."""

    def warned(self, text: str) -> None:
        """The account is unavailable or busy, and is asked again."""


class NullListener:
    """A Listener that shows nothing."""

    def moved(self, deployment: Deployment) -> None:
        pass

    def noted(self, deployment: Deployment) -> None:
        pass

    def warned(self, text: str) -> None:
        pass


@dataclass(kw_only=True)
class Context(Worker[Deployment]):
    """One account and its endpoint, and this process as a worker on its deployments."""

    leases: ClassVar[tuple[Leases, ...]] = (DEPLOYMENTS,)

    management: Management
    endpoint: Endpoint
    listener: Listener = field(default_factory=NullListener)
    arrived: set[str] = field(default_factory=set)
    """The ids of those that the account certainly had: it listed them, or confirmed the request."""

    def moved(self, item: Deployment, line: Transition) -> None:
        self.listener.moved(item)

    def noted(self, item: Deployment, before: Deployment) -> None:
        if item.reason != before.reason:
            self.listener.noted(item)

    def warned(self, text: str) -> None:
        self.listener.warned(text)
