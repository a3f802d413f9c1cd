"""A ledger that stays open follows its project: a first run, a changed configuration, another database."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.api.watched import WatchedLedger
from orchestrator.ledger import open_ledger
from orchestrator.store import runs
from orchestrator.store.runs import Run


@pytest.fixture
def watched(home: Path) -> Iterator[WatchedLedger]:
    with closing(WatchedLedger()) as made:
        yield made


def record(run: Run) -> None:
    with open_ledger(create=True) as ledger, ledger.database.write() as connection:
        runs.add(connection, run, "submitted")


def test_a_project_without_a_database_is_empty_for_every_thread(watched: WatchedLedger, home: Path) -> None:
    found: list[int] = []
    readers = [threading.Thread(target=lambda: found.append(len(watched.current().runs()))) for _ in range(4)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert found == [0, 0, 0, 0]
    assert list(home.iterdir()) == []


def test_the_first_run_is_seen(watched: WatchedLedger, make_run: Callable[..., Run]) -> None:
    assert watched.current().runs() == []
    before = watched.mark()
    record(make_run())
    assert watched.mark() != before
    assert len(watched.current().runs()) == 1


def test_as_long_as_nothing_changes_it_is_the_same(watched: WatchedLedger, make_run: Callable[..., Run]) -> None:
    record(make_run())
    assert watched.current() is watched.current()
    assert watched.mark() == watched.mark()


def test_a_changed_configuration_counts_at_once(watched: WatchedLedger, home: Path) -> None:
    (home / "ftorch.toml").write_text("")
    assert "mine" not in watched.current().workspace.endpoints
    before = watched.mark()
    (home / "ftorch.toml").write_text('[endpoints.mine]\ntype = "openai"\n')
    assert watched.mark() != before
    assert "mine" in watched.current().workspace.endpoints


def test_another_database_in_its_place_is_opened(
    watched: WatchedLedger, make_run: Callable[..., Run], tmp_path: Path
) -> None:
    record(make_run(name="first"))
    [first] = watched.current().runs()
    home = watched.current().workspace.home
    os.rename(home, tmp_path / "away")
    record(make_run(name="second"))
    [second] = watched.current().runs()
    assert (first.name, second.name) == ("first", "second")


def test_what_is_being_read_survives_opening_again(
    watched: WatchedLedger, make_run: Callable[..., Run], home: Path
) -> None:
    record(make_run())
    with watched.current().database.read() as connection:
        (home / "ftorch.toml").write_text('[endpoints.mine]\ntype = "openai"\n')
        watched.current()
        assert len(runs.newest(connection)) == 1
