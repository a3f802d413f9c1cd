"""Deployments in a real database, driven against an account in memory whose time nobody waits for."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.config import EndpointConfig, Workspace
from orchestrator.deployments import recording
from orchestrator.deployments.context import Context
from orchestrator.deployments.driving import drive
from orchestrator.deployments.recording import Terms
from orchestrator.deployments.subjects import Subject
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.ledger import Ledger
from orchestrator.store import deployments as store, runs as run_store
from orchestrator.store.database import Database
from orchestrator.store.deployments import Deployment
from orchestrator.store.runs import Run
from support.fake_account import FakeAccount
from support.fake_endpoint import FakeClock

MODEL = "gpt-4.1-mini-2025-04-14.ft-78959ec5-drone"


@dataclass
class Heard:
    """A Listener that keeps what it hears."""

    moves: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def moved(self, deployment: Deployment) -> None:
        self.moves.append(deployment.state)

    def noted(self, deployment: Deployment) -> None:
        self.notes.append(deployment.reason)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Rig:
    """A database, an account, and workers on it."""

    ledger: Ledger
    account: FakeAccount
    clock: FakeClock
    config: EndpointConfig
    heard: Heard = field(default_factory=Heard)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def context(self) -> Context:
        """Another worker of this process on each call."""
        owner = new_owner(random.Random(next(self.numbers)))
        clock = Clock(self.clock.now, self.clock.sleep, self.clock.now)
        endpoint: Any = self.account
        return Context(
            database=self.ledger.database,
            config=self.config,
            owner=owner,
            clock=clock,
            management=self.account,
            endpoint=endpoint,
            listener=self.heard,
        )

    def record(self, model: str = MODEL, run: Run | None = None, **terms: Any) -> Deployment:
        planned = recording.plan(Subject(self.config, model, run), Terms(**terms))
        found = recording.record(self.ledger, planned, now=self.clock.now(), rng=self.rng)
        return found.deployment

    @property
    def rng(self) -> random.Random:
        return random.Random(next(self.numbers))

    async def drive(self, *deployments: Deployment, context: Context | None = None) -> None:
        await drive(context or self.context(), [each.id for each in deployments])

    async def deployed(self, **terms: Any) -> Deployment:
        recorded = self.record(**terms)
        await self.drive(recorded)
        return self.reread(recorded)

    async def remove(self, deployment: Deployment) -> Deployment:
        self.request_removal(deployment)
        await self.drive(deployment)
        return self.reread(deployment)

    def request_removal(self, deployment: Deployment) -> None:
        recording.request_removal(self.ledger, deployment, now=self.clock.now(), rng=self.rng)

    def reread(self, deployment: Deployment) -> Deployment:
        with self.ledger.database.read() as connection:
            return store.get(connection, deployment.id)

    def history(self, deployment: Deployment) -> list[str]:
        with self.ledger.database.read() as connection:
            return [each.to_state for each in store.history(connection, deployment.id)]

    def all(self) -> list[Deployment]:
        with self.ledger.database.read() as connection:
            return store.newest(connection)

    def add_run(self, run: Run) -> Run:
        with self.ledger.database.write() as connection:
            run_store.add(connection, run, "recorded")
        return run


def make_rig(database: Database, account: FakeAccount, folder: Path) -> Rig:
    """A workspace with one Azure endpoint, whose account is the one in memory."""
    config = EndpointConfig(
        "azure",
        "azure",
        base_url="https://res.openai.azure.com",
        subscription_id="00000000-0000-0000-0000-000000000001",
        resource_group="ftorch",
        account="res",
        source="ftorch.toml",
    )
    workspace = Workspace(folder, folder / "state", "sqlite://", {"azure": config})
    return Rig(Ledger(workspace, database), account, account.clock, config)
