"""A real database, a worker's world around it, and the steps and the loop to drive in it."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.fake_endpoint import (
    HAS_ALL,
    MODEL,
    FakeClock,
    FakeEndpoint,
    Fault,
    Notes,
    refused,
    unknown,
    unreachable,
)

from orchestrator.config import EndpointConfig
from orchestrator.dataset.files import inspect_file
from orchestrator.endpoints.interface import TRAINING
from orchestrator.engine.worker import Clock, new_owner
from orchestrator.errors import EndpointUnreachable, OutcomeUnknown, RequestRefused
from orchestrator.runs.context import Context
from orchestrator.runs.engine import EndpointLoop
from orchestrator.runs.states import State, record
from orchestrator.runs.steps import STEPS
from orchestrator.runs.uploading import file_on_endpoint
from orchestrator.store import runs as store, uploads
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run, Transition


@pytest.fixture
def fault() -> type[Fault]:
    return Fault


@dataclass(frozen=True)
class Errors:
    """Makes what an endpoint can raise."""

    refused: Callable[..., RequestRefused]
    unreachable: Callable[..., EndpointUnreachable]
    unknown: Callable[[], OutcomeUnknown]


@pytest.fixture
def errors() -> Errors:
    return Errors(refused, unreachable, unknown)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def config() -> EndpointConfig:
    return EndpointConfig(
        "fake", "compatible", base_url="http://fake/v1", max_active=3, poll_seconds=5, settling_seconds=120
    )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'ftorch.db'}")
    yield database
    database.close()


@pytest.fixture
def endpoint(clock: FakeClock) -> FakeEndpoint:
    return FakeEndpoint(clock, HAS_ALL)


@pytest.fixture
def no_metadata(endpoint: FakeEndpoint) -> FakeEndpoint:
    """The same endpoint, but its jobs carry no metadata: suffix and seed identify them."""
    endpoint.capabilities = replace(HAS_ALL, metadata=False)
    endpoint.echoes = {"seed", "suffix"}
    return endpoint


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text('{"messages": []}\n' * 12)
    return path


MakeWorld = Callable[..., Context]


@pytest.fixture
def make_world(db: Database, endpoint: FakeEndpoint, config: EndpointConfig, clock: FakeClock) -> MakeWorld:
    """A worker of this process, or of an imaginary one: each call gives another owner."""
    numbers = itertools.count(1)

    def make(**changes: Any) -> Context:
        rng = random.Random(next(numbers))
        fields: dict[str, Any] = {
            "database": db,
            "endpoint": endpoint,
            "config": config,
            "owner": new_owner(rng),
            "clock": Clock(clock.now, clock.sleep, clock.now),
            "random": rng,
            "listener": Notes(),
        }
        return Context(**{**fields, **changes})

    return make


@pytest.fixture
def context(make_world: MakeWorld) -> Context:
    return make_world()


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(db: Database, data_file: Path, clock: FakeClock) -> MakeRun:
    """A recorded run, pending unless told otherwise; with `world` it is leased to that worker."""
    numbers = itertools.count(1)

    def make(context: Context | None = None, **changes: Any) -> Run:
        number = next(numbers)
        fields: dict[str, Any] = {
            "id": f"run{number:05d}",
            "name": "drone",
            "sweep_id": None,
            "fingerprint": f"{number:064d}",
            "job_file": "drone.toml",
            "endpoint": "fake",
            "endpoint_type": "compatible",
            "model": MODEL,
            "suffix": "drone",
            "method": {"type": "supervised", "hyperparameters": {"n_epochs": 3}},
            "seed": 1000 + number,
            "seed_given": False,
            "metadata": {},
            "training_path": str(data_file),
            "training_sha256": inspect_file(data_file).sha256,
            "validation_path": None,
            "validation_sha256": None,
            "examples": 12,
            "tokens_per_epoch": 1000,
            "estimated_cost_usd": 1.0,
            "max_cost_usd": None,
            "poll_seconds": None,
            "state": State.PENDING,
            "reason": "submitted",
            "version": 1,
            "created_at": clock.now(),
            "updated_at": clock.now(),
        }
        lease = {} if context is None else {"lease_owner": context.owner, "lease_expires_at": clock.now() + 1e9}
        run = Run(**{**fields, **lease, **changes})
        with db.write() as connection:
            store.add(connection, run, "submitted")
        return run

    return make


@pytest.fixture
def unconfirmed(make_run: MakeRun, context: Context, clock: FakeClock) -> Callable[..., Run]:
    """A run as a process leaves it that dies between the intent to create and the answer."""

    def make(**changes: Any) -> Run:
        intent = {
            "state": State.CREATING,
            "training_file_id": "file-0",
            "creation_token": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "creation_started_at": clock.now(),
            "creation_attempted_at": clock.now(),
            "creation_attempts": 1,
            "creation_open": True,
        }
        return make_run(context, **{**intent, **changes})

    return make


@pytest.fixture
def reread(db: Database) -> Callable[[Run], Run]:
    def reread(run: Run) -> Run:
        with db.read() as connection:
            return store.get(connection, run.id)

    return reread


@pytest.fixture
def history(db: Database) -> Callable[[Run], list[Transition]]:
    def history(run: Run) -> list[Transition]:
        with db.read() as connection:
            return store.history(connection, run.id)

    return history


@pytest.fixture
def step(context: Context, reread: Callable[[Run], Run]) -> Callable[[Run], Any]:
    """One step of the run as it is in the database, recorded; returns the run as it is then."""

    async def step(run: Run, worker: Context = context) -> Run:
        current = reread(run)
        outcome: Any = await STEPS[State(current.state)](current, worker)
        return record(worker, current, outcome)

    return step


@pytest.fixture
def drive(context: Context) -> Callable[..., Any]:
    """Run the loop of a worker (default: `world`) over these runs until it ends by itself."""

    async def drive(*runs: Run, worker: Context = context, seconds: float = 20.0, **options: Any) -> None:
        loop = EndpointLoop(worker, [run.id for run in runs] or None, **options)
        await asyncio.wait_for(loop.run(asyncio.Event()), seconds)

    return drive


@pytest.fixture
def dead_owner() -> str:
    """The worker name of a process of this machine that certainly ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    machine = new_owner(random.Random(1)).rsplit(":", 2)[0]
    return f"{machine}:{process.pid}:00000000"


@pytest.fixture
def sha(data_file: Path) -> str:
    return inspect_file(data_file).sha256


@pytest.fixture
def send(context: Context, data_file: Path, sha: str) -> Callable[..., Any]:
    """Brings the data file up, as this or another worker."""

    async def send(worker: Context = context) -> Any:
        return await file_on_endpoint(worker, data_file, sha)

    return send


@pytest.fixture
def row(db: Database, sha: str) -> Callable[[], Any]:
    """The upload as it is recorded now."""

    def row() -> Any:
        with db.read() as connection:
            return uploads.find(connection, "fake", TRAINING, sha)

    return row
