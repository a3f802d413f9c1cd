"""How much of each cap is used: the figure that the check before a run uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.spending import ENDPOINTS, NOW, OCTOBER, Books

from orchestrator.bookkeeping.caps import JobFileCap, MonthToDate, job_file_caps, months_to_date
from orchestrator.ledger import open_ledger
from orchestrator.runs.limits import admission
from orchestrator.store.runs import Run
from orchestrator.store.spending import Sum


@pytest.fixture
def books(
    home: Path, database_url: str, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    monkeypatch.setenv("FTORCH_DATABASE_URL", database_url)
    (home / "ftorch.toml").write_text(ENDPOINTS)
    with open_ledger(home, create=True) as ledger:
        yield Books(ledger, make_run)


def test_a_month_begins_anew_and_an_endpoint_without_runs_shows_its_cap(books: Books) -> None:
    books.run(created_at=OCTOBER)
    with books.ledger.database.read() as connection:
        endpoints = books.ledger.workspace.endpoints
        assert months_to_date(connection, endpoints, OCTOBER) == [MonthToDate("openai", Sum(3.0, 1), 200.0)]
        assert months_to_date(connection, endpoints, NOW) == [MonthToDate("openai", Sum(), 200.0)]


def test_endpoints_without_a_cap_and_removed_ones_show_what_they_used(books: Books) -> None:
    books.run(endpoint="azure")
    books.run(endpoint="removed")
    with books.ledger.database.read() as connection:
        found = months_to_date(connection, books.ledger.workspace.endpoints, NOW)
    assert [(each.endpoint, each.used.usd, each.cap_usd) for each in found] == [
        ("azure", 3.0, None),
        ("openai", 0.0, 200.0),
        ("removed", 3.0, None),
    ]


def test_the_check_before_a_run_counts_the_same_archived_and_deleted_runs_too(books: Books) -> None:
    books.run(cost_usd=100.0, archived_at=NOW)
    books.run(cost_usd=99.0, deleted_at=NOW)
    books.run(cost_usd=None, estimated_cost_usd=0.5, state="running", finished_at=None)
    next_one = books.make_run(endpoint="openai", estimated_cost_usd=0.51, max_cost_usd=None)
    config = books.ledger.workspace.endpoint("openai")
    with books.ledger.database.write() as connection:
        [shown] = months_to_date(connection, {"openai": config}, NOW)
        wait = admission(connection, next_one, config, NOW)
    assert shown.used.usd == 199.5
    assert wait is not None
    assert "openai has used $199.50 this month" in wait.reason


def test_job_files_come_by_the_share_that_is_used(books: Books) -> None:
    books.run(name="half", max_cost_usd=6.0)
    books.run(name="little", max_cost_usd=30.0)
    books.run(name="unlimited", max_cost_usd=None)
    with books.ledger.database.read() as connection:
        found = job_file_caps(connection)
    assert found == [
        JobFileCap("half", "openai", Sum(3.0, 1), 6.0),
        JobFileCap("little", "openai", Sum(3.0, 1), 30.0),
    ]
