"""Each kind of item that the engine drives, recorded in a real database, with the room's own loop around it.

The tests in tests/engine run over all of them: a new kind is one more function here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from orchestrator.config import EndpointConfig
from orchestrator.deployments import states as deployment_states
from orchestrator.deployments.context import Context as DeploymentContext
from orchestrator.deployments.driving import DeploymentLoop
from orchestrator.engine.loop import Loop
from orchestrator.engine.machine import Machine
from orchestrator.engine.worker import Clock, Worker
from orchestrator.evaluation.batching import states as batch_states
from orchestrator.evaluation.batching.driving import BatchLoop
from orchestrator.evaluation.batching.states import Context as BatchContext
from orchestrator.generation import states as generation_states
from orchestrator.generation.driving import GenerationLoop
from orchestrator.generation.states import Context as GenerationContext
from orchestrator.runs import states as run_states
from orchestrator.runs.context import Context as RunContext
from orchestrator.runs.engine import EndpointLoop
from orchestrator.store.batches import Batch
from orchestrator.store.database import Database
from orchestrator.store.deployments import Deployment
from orchestrator.store.generations import Generation
from orchestrator.store.leased import Transition
from orchestrator.store.runs import Run
from support.fake_account import FakeAccount
from support.fake_endpoint import HAS_ALL, FakeClock, FakeEndpoint

ME = "there:1:me"
"""A worker's name."""
CONFIG = EndpointConfig("fake", "compatible", base_url="http://fake/v1", poll_seconds=5, settling_seconds=120)


@dataclass(frozen=True)
class KindOfItem:
    """What the shared tests need to know of one kind of item."""

    machine: Machine[Any]
    states: Any
    first: Any
    """The state of a new item."""
    working: Any
    """A state whose step asks the endpoint."""
    end: Any
    """A final state that may follow it."""
    loop: type[Loop[Any, Any]]
    values: Mapping[str, Any]
    """A new item, but for what all kinds have."""
    row: Callable[..., Any]
    worker: Callable[..., Worker[Any]]


def _run() -> KindOfItem:
    names = ("name", "fingerprint", "job_file", "endpoint_type", "model")
    values = {**dict.fromkeys(Run.__dataclass_fields__), **dict.fromkeys(names, "x")}
    values |= {"training_path": "x", "training_sha256": "x", "method": {}, "metadata": {}, "seed": 1}
    values |= {"seed_given": False, "creation_attempts": 0, "creation_open": False}
    state = run_states.State

    def worker(folder: Path, time: FakeClock, **fields: Any) -> RunContext:
        endpoint: Any = FakeEndpoint(time, HAS_ALL)
        return RunContext(endpoint=endpoint, **fields)

    ends = state.UPLOADING, state.FAILED
    return KindOfItem(run_states.MACHINE, state, state.PENDING, *ends, EndpointLoop, values, Run, worker)


def _deployment() -> KindOfItem:
    values = {
        "name": "mine",
        "model": "gpt-x",
        "run_id": None,
        "sku": "Standard",
        "capacity": 1,
        "temporary": False,
    }
    state = deployment_states.State

    def worker(folder: Path, time: FakeClock, **fields: Any) -> DeploymentContext:
        account: Any = FakeAccount(time)
        return DeploymentContext(management=account, endpoint=account, **fields)

    ends = state.DEPLOYING, state.FAILED
    machine = deployment_states.MACHINE
    return KindOfItem(machine, state, state.WANTED, *ends, DeploymentLoop, values, Deployment, worker)


def _batch() -> KindOfItem:
    values = {"model": "gpt-x", "input_path": "/nowhere/x.jsonl", "input_sha256": "x", "questions": 1}
    state = batch_states.State

    def worker(folder: Path, time: FakeClock, **fields: Any) -> BatchContext:
        endpoint: Any = FakeEndpoint(time, HAS_ALL)
        uploader = RunContext(endpoint=endpoint, **fields)
        return BatchContext(endpoint=endpoint, uploader=uploader, folder=folder, **fields)

    ends = state.UPLOADING, state.FAILED
    return KindOfItem(batch_states.MACHINE, state, state.UPLOADING, *ends, BatchLoop, values, Batch, worker)


def _generation() -> KindOfItem:
    values = {"output_path": "/nowhere/x.jsonl", "fingerprint": "x", "spec": {}, "targets": 1}
    state = generation_states.State

    def worker(folder: Path, time: FakeClock, **fields: Any) -> GenerationContext:
        endpoint: Any = FakeEndpoint(time, HAS_ALL)
        ledger: Any = None
        return GenerationContext(endpoint=endpoint, ledger=ledger, **fields)

    ends = state.ASKING, state.CANCELLED
    machine = generation_states.MACHINE
    return KindOfItem(machine, state, state.ASKING, *ends, GenerationLoop, values, Generation, worker)


KINDS: Mapping[str, Callable[[], KindOfItem]] = {
    "run": _run,
    "deployment": _deployment,
    "batch": _batch,
    "generation": _generation,
}


@dataclass
class Bench:
    """A database with items of one kind, and workers on them."""

    kind: KindOfItem
    database: Database
    clock: FakeClock
    folder: Path
    warnings: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def item(self, **changes: Any) -> Any:
        """An item of that kind that is recorded nowhere yet; each is newer than the one before."""
        number, now = next(self.numbers), self.clock.now()
        common = {"id": f"item{number:04}", "endpoint": "fake", "reason": "recorded", "version": 1}
        common |= {"state": self.kind.working.value, "created_at": now + number / 1000, "updated_at": now}
        return self.kind.row(**{**self.kind.values, **common, **changes})

    def add(self, **changes: Any) -> Any:
        """The same, recorded."""
        item = self.item(**changes)
        with self.database.write() as connection:
            self.rows.add(connection, item)
        return item

    def held(self, owner: str = ME, **changes: Any) -> Any:
        """An item that this owner holds for a minute."""
        lease = {"lease_owner": owner, "lease_expires_at": self.clock.now() + 60}
        return self.add(**{**lease, **changes})

    @property
    def rows(self) -> Any:
        return self.kind.machine.rows

    def worker(self, owner: str = ME) -> Any:
        """A process at work; what it warns of is kept."""
        clock = Clock(self.clock.now, self.clock.sleep, self.clock.now)
        fields = {"database": self.database, "config": CONFIG, "owner": owner, "clock": clock}
        made: Any = self.kind.worker(self.folder, self.clock, **fields)
        made.warned = self.warnings.append
        return made

    def reread(self, item: Any) -> Any:
        with self.database.read() as connection:
            return self.rows.get(connection, item.id)

    def history(self, item: Any) -> list[Transition]:
        with self.database.read() as connection:
            lines: list[Transition] = self.rows.history(connection, item.id)
        return lines

    def write(self, name: str, *args: Any, **options: Any) -> Any:
        """One method of the table's, in a transaction of its own."""
        with self.database.write() as connection:
            return getattr(self.rows, name)(connection, *args, **options)

    def read(self, name: str, *args: Any, **options: Any) -> Any:
        with self.database.read() as connection:
            return getattr(self.rows, name)(connection, *args, **options)
