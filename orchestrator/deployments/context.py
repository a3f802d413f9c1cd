"""What a step of a deployment may look at and touch: one object, so that time and sleep come in from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.config import EndpointConfig
from orchestrator.endpoints.interface import Endpoint
from orchestrator.endpoints.management import Management
from orchestrator.engine.worker import LEASE_SECONDS, Clock
from orchestrator.store.database import Database
from orchestrator.store.deployments import Deployment


class Listener(Protocol):
    """Who wants to see what happens to deployments."""

    def moved(self, deployment: Deployment) -> None: ...

    def noted(self, deployment: Deployment) -> None:
        """It waits for something else now."""


class NullListener:
    """A Listener that shows nothing."""

    def moved(self, deployment: Deployment) -> None:
        pass

    def noted(self, deployment: Deployment) -> None:
        pass


@dataclass
class Context:
    """One account, its endpoint, the database, and this process as its worker."""

    database: Database
    management: Management
    endpoint: Endpoint
    config: EndpointConfig
    owner: str
    clock: Clock = field(default_factory=Clock)
    listener: Listener = field(default_factory=NullListener)
    has_answered: bool = False
    """Whether the account has answered this worker at all."""
    arrived: set[str] = field(default_factory=set)
    """The ids of those that the account certainly has had: it showed them, or confirmed the request."""

    def now(self) -> float:
        return self.clock.now()

    def lease_end(self) -> float:
        return self.now() + LEASE_SECONDS
