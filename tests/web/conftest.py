from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from support.page import Browser
from support.paid_host import PaidHost, paid_host
from support.project import Project, make_project

from orchestrator.api.watched import WatchedLedger
from orchestrator.browsers import names_of
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import runs
from orchestrator.store.runs import Run
from orchestrator.store.schema import sweeps
from orchestrator.web.app import create_app
from orchestrator.web.settings import Settings


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of its own for each test, entered."""
    made = make_project(tmp_path)
    with made.entered():
        yield made


@pytest.fixture
def ledger(project: Project) -> Iterator[Ledger]:
    """Its ledger, for recording what a page then shows."""
    with open_ledger(create=True) as opened:
        yield opened


@pytest.fixture
def record(ledger: Ledger, make_run: Callable[..., Run]) -> Callable[..., Run]:
    """Records a run with these columns, and returns it."""

    def add(**columns: Any) -> Run:
        run = make_run(**columns)
        with ledger.database.write() as connection:
            runs.add(connection, run, "submitted")
        return run

    return add


@pytest.fixture
def open_page(project: Project) -> Iterator[Callable[..., Browser]]:
    """Opens the page of the project as it would be served with these settings."""
    opened: list[WatchedLedger] = []

    def open_it(*, host: str = "127.0.0.1", allowed: tuple[str, ...] = (), **settings: Any) -> Browser:
        opened.append(WatchedLedger())
        return Browser(create_app(opened[-1], Settings(names_of(host, allowed), **settings)))

    yield open_it
    for each in opened:
        each.close()


@pytest.fixture
def browser(open_page: Callable[..., Browser]) -> Browser:
    """The page as it is served without options."""
    return open_page()


@pytest.fixture
def host(project: Project) -> Iterator[PaidHost]:
    """A host whose jobs run until they are cancelled."""
    with paid_host() as served:
        served.configure(project.root)
        served.status = "running"
        project.write_job(endpoint='endpoint = "paid"')
        yield served


@pytest.fixture
def make_sweep(ledger: Ledger) -> Callable[[str], None]:
    """Records a sweep with this id and no trials."""

    def add(sweep_id: str) -> None:
        values = {"id": sweep_id, "name": "grid", "endpoint": "local", "job_file": "jobs/grid.toml"}
        with ledger.database.write() as connection:
            connection.execute(insert(sweeps).values(**values, spec={}, trials=3, created_at=1.0))

    return add
