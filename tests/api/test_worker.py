"""What a worker does with errors: each is logged once, ends nothing else, and is tried again after a pause."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from orchestrator.api import health, worker
from orchestrator.api.chores import Chore, ChoreThread
from orchestrator.api.workerhost import StopSignal, WorkerHost
from orchestrator.errors import DatabaseError, EndpointUnreachable, KeyRefused
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import runs as store


@dataclass
class Clock:
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Work:
    """A worker on endpoints that fail as `errors` says; a cycle is a look for what is due."""

    runs: worker._Runs
    clock: Clock
    errors: dict[str, BaseException | None] = field(default_factory=dict)
    begun: list[tuple[float, str]] = field(default_factory=list)

    async def stand_by(self, *place: Any, **_: Any) -> None:
        name = place[2]
        self.begun.append((self.clock.now, name))
        error = self.errors.get(name)
        if error is not None:
            raise error

    def cycles(self, count: int, seconds: float = 2.0) -> list[bool]:
        """What the looks returned, with this pause after each."""

        async def look() -> list[bool]:
            answered = []
            for _ in range(count):
                answered.append(self.runs._look(asyncio.Event()))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                self.clock.now += seconds
            return answered

        return asyncio.run(look())

    def times(self, name: str) -> list[float]:
        return [at for at, each in self.begun if each == name]


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with open_ledger(create=True) as found:
        yield found


@pytest.fixture
def work(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Work:
    clock = Clock()
    found = Work(worker._Runs(ledger, WorkerHost(StopSignal())), clock)
    monkeypatch.setattr(worker, "time", clock)
    monkeypatch.setattr(worker, "stand_by", found.stand_by)
    return found


@pytest.fixture
def busy(ledger: Ledger, make_run: Callable[..., store.Run]) -> None:
    """Unfinished runs on two endpoints."""
    with ledger.database.write() as connection:
        for name in ("one", "two"):
            store.add(connection, make_run(endpoint=name), "submitted")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


def unreachable() -> EndpointUnreachable:
    return EndpointUnreachable("one can't be reached")


@pytest.mark.usefixtures("busy")
def test_an_endpoint_that_fails_is_tried_after_pauses_that_grow_and_others_at_once(work: Work) -> None:
    work.errors["one"] = unreachable()
    work.cycles(200)
    times = work.times("one")
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0]
    assert len(work.times("two")) == 200


@pytest.mark.usefixtures("busy")
def test_what_only_a_person_ends_is_tried_every_five_minutes(work: Work) -> None:
    work.errors["one"] = KeyRefused("one refused the key")
    work.cycles(400)
    assert work.times("one") == [0.0, 300.0, 600.0]


@pytest.mark.usefixtures("busy")
def test_an_error_is_logged_once_until_it_changes_or_passes(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    for error in (unreachable(), KeyRefused("one refused the key"), None, unreachable()):
        work.errors["one"] = error
        work.cycles(3, seconds=400)
    assert len(said(caplog)) == 3
    assert {each.__dict__["endpoint"] for each in caplog.records if each.levelno == logging.ERROR} == {"one"}


@pytest.mark.usefixtures("busy")
def test_a_disk_that_fails_is_named_with_what_to_do_and_without_a_traceback(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.errors["one"] = OSError(28, "No space left on device", "/data/.ftorch/missing.json")
    work.cycles(5)
    (message,) = said(caplog)
    assert message.startswith("/data/.ftorch/missing.json can't be read or written: No space left on device. Free")
    assert not any(each.exc_info for each in caplog.records)


@pytest.mark.usefixtures("busy")
def test_a_fault_of_ours_on_one_endpoint_ends_no_other(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    work.errors["one"] = ZeroDivisionError()
    assert work.cycles(4) == [True] * 4
    assert work.times("one") == [0.0, 2.0, 6.0]
    assert len(work.times("two")) == 4
    assert said(caplog)[0] == "unexpected error on one"


def test_a_lost_database_is_said_once_and_is_no_sign_of_life(
    work: Work, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_connection: object) -> list[str]:
        raise DatabaseError(place="postgresql://team", problem="the server is gone")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(store, "busy_endpoints", lost)
            assert work.cycles(3) == [False] * 3
        assert work.cycles(1) == [True]
    assert said(caplog) == ["The database postgresql://team can't be used: the server is gone."] * 2


def test_a_sweep_without_unfinished_runs_is_taken_up_and_let_go(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Sweep:
        sweep_id: str
        endpoint: str

    sweeps = [Sweep("s1", "one")]
    monkeypatch.setattr(worker, "supervisors", lambda _ledger: list(sweeps))
    work.cycles(10)
    assert work.times("one") == [0.0]
    assert [each.sweep_id for each in work.runs._sweeps["one"]] == ["s1"]
    sweeps.clear()
    work.cycles(10)
    assert work.runs._sweeps["one"] == []


class Passes(StopSignal):
    """Lets a thread do so many passes, and records the pauses before them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left, self.pauses = count, list[float]()

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.left -= 1
        return self.left < 0


def passed(ledger: Ledger, count: int, do: Callable[..., bool]) -> list[float]:
    stop = Passes(count)
    ChoreThread("batches", Chore(do), ledger, stop).run()
    return stop.pauses


def test_a_kind_of_work_that_fails_is_tried_again_after_pauses_that_grow(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_ledger: Ledger, _host: object) -> bool:
        raise ZeroDivisionError

    assert passed(ledger, 10, fails)[:9] == [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]
    assert "unexpected error in batches" in said(caplog)


def test_a_kind_of_work_whose_disk_fails_names_the_place(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_ledger: Ledger, _host: object) -> bool:
        raise OSError(30, "Read-only file system")

    passed(ledger, 3, fails)
    home = ledger.workspace.home
    assert said(caplog) == [
        f"{home} can't be read or written: Read-only file system. Free some disk space, or make it usable for this "
        "user. The worker tries again, and nothing that is recorded is lost."
    ]


def test_a_worker_is_alive_while_it_looks_and_ready_while_its_database_answers() -> None:
    clock = Clock()
    pulse = health.Pulse(clock.monotonic)
    assert (pulse.is_alive, pulse.is_ready) == (True, False)
    pulse.beat(True)
    clock.now = health.LATE_SECONDS - 1
    pulse.beat(False)
    assert (pulse.is_alive, pulse.is_ready) == (True, True)
    clock.now += 2
    assert (pulse.is_alive, pulse.is_ready) == (True, False)
    clock.now += health.LATE_SECONDS
    assert (pulse.is_alive, pulse.is_ready) == (False, False)


def test_probes_of_a_stuck_worker_are_answered_with_503() -> None:
    clock = Clock()
    with health.answering("127.0.0.1", 0, health.Pulse(clock.monotonic), CollectorRegistry()) as address:
        clock.now = 2 * health.LATE_SECONDS
        for path, words in (("healthz", "stuck"), ("readyz", "the database does not answer")):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(f"{address}/{path}", timeout=10)
            assert (answer.value.code, answer.value.read().decode()) == (503, f"{words}\n")
