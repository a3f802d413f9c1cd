"""A database of its own, a machine without settings, and runs to record: what tests of every room use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url
from support.places import is_slow
from support.ready import new_databases_are_copies

from orchestrator.store import migrate
from orchestrator.store.database import Database
from orchestrator.store.migrate import open_database
from orchestrator.store.runs import Run

# How long an example takes says nothing on a machine that is busy with other work.
settings.register_profile("ftorch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ftorch")

POSTGRES = os.environ.get("FTORCH_TEST_POSTGRES")
"""The URL of a server where databases may be made; without it the tests run on SQLite alone."""

_FOREIGN_SETTINGS = ("FTORCH_", "OPENAI_", "AZURE_", "XDG_")
_MEMORY = Path("/dev/shm")
_ENOUGH_MEMORY = 2 << 30


def pytest_configure() -> None:
    _keep_folders_in_memory()
    os.environ["FTORCH_TRUST"] = "1"  # the projects are the tests' own, and the user's folder is not for them
    for name in ("COLUMNS", "LINES"):  # the C library's readline sets them, and pytest-xdist hands them on
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A background job of a shell ignores Ctrl-C, and so would the processes that tests start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait, for a server, a process or a pause."""
    return (os.cpu_count() or 1) + 1


def _keep_folders_in_memory() -> None:
    """Where there is enough memory: a commit that waits for a disk proves no more than one that doesn't."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK):
        free = os.statvfs(_MEMORY)
        if free.f_bavail * free.f_frsize >= _ENOUGH_MEMORY:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def migrating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Database, str | None], None]]:
    """What brings a database to the current schema. During tests a new SQLite file is a copy in its place."""
    with new_databases_are_copies(tmp_path_factory.mktemp("migrated")) as really:
        yield really


@pytest.fixture
def really_migrated(migrating: Callable[[Database, str | None], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """New databases are made by the migrations, as they are for users."""
    monkeypatch.setattr(migrate, "_migrate", migrating)


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is still empty: a SQLite file, or one on the PostgreSQL server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/state/ftorch.db"
    else:
        with _postgres_database(str(POSTGRES)) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with the current schema and no rows."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@contextmanager
def _postgres_database(server: str) -> Iterator[str]:
    name = f"ftorch_test_{uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, an empty home folder, and no settings in the environment."""
    for name in [key for key in os.environ if key.startswith(_FOREIGN_SETTINGS)]:
        monkeypatch.delenv(name)
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FTORCH_TRUST", "1")
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Makes valid runs, each with an id of its own and newer than the one before."""
    numbers = count(1)

    def make(**changes: Any) -> Run:
        number = next(numbers)
        values: dict[str, Any] = {
            "id": f"run{number:05}",
            "name": "drone",
            "sweep_id": None,
            "fingerprint": "f" * 64,
            "job_file": "jobs/drone.toml",
            "endpoint": "local",
            "endpoint_type": "local",
            "model": "gpt-4.1-mini-2025-04-14",
            "suffix": "drone",
            "method": {"type": "supervised", "hyperparameters": {"n_epochs": 3, "batch_size": "auto"}},
            "seed": 7,
            "seed_given": True,
            "metadata": {"team": "flight"},
            "training_path": "jobs/drone/train.jsonl",
            "training_sha256": "a" * 64,
            "validation_path": None,
            "validation_sha256": None,
            "examples": 20,
            "tokens_per_epoch": 4000,
            "estimated_cost_usd": 1.5,
            "max_cost_usd": 20.0,
            "poll_seconds": None,
            "state": "pending",
            "reason": "recorded",
            "version": 1,
            "created_at": 1000.0 + number,
            "updated_at": 1000.0 + number,
        }
        return Run(**{**values, **changes})

    return make
