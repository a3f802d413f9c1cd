"""The notebook as a host: progress in place in Jupyter, lines elsewhere, and interrupting."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.ledger import Ledger, open_ledger
from orchestrator.notebook.host import LiveTable, Notebook
from orchestrator.store import runs as store
from orchestrator.store.runs import Run, Transition


class Page:
    """What stands below a cell, as IPython would show it."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, table: LiveTable, *, display_id: bool) -> Page:
        assert display_id
        self.shown.append(table._repr_html_())
        return self

    def update(self, table: LiveTable) -> None:
        self.shown.append(table._repr_html_())


@pytest.fixture
def run(home: Path, make_run: Callable[..., Run]) -> Run:
    (home / "ftorch.toml").write_text("")
    recorded = make_run(name="<drone>")
    with open_ledger(home, create=True) as ledger, ledger.database.write() as connection:
        store.add(connection, recorded, "recorded")
    return recorded


def move(ledger: Ledger, run: Run) -> None:
    host = Notebook()
    with host.following(ledger, [run]) as listener:
        moved = replace(run, state="running", reason="it trains")
        listener.moved(moved, Transition(run.id, 2, "queued", "running", "it trains", 1.0, None))


def test_in_jupyter_the_table_changes_in_place(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page()
    kernel = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=page.display))
    with open_ledger(home) as ledger:
        move(ledger, run)
    first, *_, last = page.shown
    assert "pending" in first
    assert "running" in last
    assert "&lt;drone&gt;" in last
    assert "<drone>" not in last
    assert capsys.readouterr().err == ""


def test_elsewhere_each_change_is_a_line_on_stderr(
    run: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_ledger(home) as ledger:
        move(ledger, run)
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.endswith("running: it trains")


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A process that was started in the background ignores SIGINT; a notebook's kernel does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_interrupting_sets_the_stop_event_and_waits_for_the_end() -> None:
    main = threading.main_thread().ident
    assert main is not None

    async def work(stop: asyncio.Event) -> str:
        await asyncio.sleep(0.2)  # until the cell's thread waits for this one
        signal.pthread_kill(main, signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 30)
        return "at its end"

    assert Notebook().run(work) == ("at its end", True)


async def test_it_works_where_a_loop_runs_already() -> None:
    async def work(stop: asyncio.Event) -> bool:
        return stop.is_set()

    assert Notebook().run(work) == (False, False)
