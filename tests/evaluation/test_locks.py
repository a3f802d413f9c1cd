"""Whose turn it is to ask a model, between two that share a database."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine.worker import LEASE_SECONDS, new_owner
from orchestrator.errors import TurnLost
from orchestrator.evaluation import locks as asking_locks
from orchestrator.evaluation.locks import hold_locks, hold_turn
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.store import locks

MODELS = ("ask gpt-x on local",)


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


def test_the_second_waits_says_so_once_and_goes_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_locks, "LOOK_SECONDS", 0.01)
    order: list[str] = []
    told = threading.Event()

    def wait_for_it() -> None:
        def hear(said: str) -> None:
            order.append(said)
            told.set()

        with hold_locks(ledger, MODELS, hear) as has_waited:
            order.append(f"second {has_waited}")

    with hold_locks(ledger, MODELS) as has_waited:
        other = threading.Thread(target=wait_for_it)
        other.start()
        assert told.wait(10)
        order.append(f"first {has_waited}")
    other.join()
    assert order[0].endswith("is about to ask gpt-x on local; waiting, to avoid paying twice")
    assert order[1:] == ["first False", "second True"]


def test_other_models_are_asked_at_the_same_time(ledger: Ledger) -> None:
    with hold_locks(ledger, MODELS), hold_locks(ledger, ["ask gpt-y on local"]) as has_waited:
        assert has_waited is False


def test_a_turn_is_kept_while_it_lasts_and_given_back_after_an_error(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_locks, "LEASE_SECONDS", 0.15)

    def expires_at() -> float:
        with ledger.database.read() as connection:
            return float(connection.exec_driver_sql("SELECT max(expires_at) FROM claims").scalar_one())

    def fail_later() -> None:
        with hold_locks(ledger, MODELS):
            first = expires_at()
            assert threading.Event().wait(0.3) is False
            assert expires_at() > first
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_later()
    with ledger.database.read() as connection:
        assert locks.owners(connection) == []


def test_a_turn_that_ran_out_while_the_machine_slept_is_taken_up_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_locks, "LEASE_SECONDS", 0.15)
    with hold_locks(ledger, MODELS):
        with ledger.database.write() as connection:
            connection.exec_driver_sql("UPDATE claims SET expires_at = 1.0")
        assert threading.Event().wait(0.3) is False
        with ledger.database.write() as connection:
            assert locks.claim(connection, MODELS, "another", time.time() + 30, time.time()) != {}


def test_one_that_was_killed_is_not_waited_for(ledger: Ledger) -> None:
    machine = new_owner(random.SystemRandom()).rsplit(":", 2)[0]
    with ledger.database.write() as connection:
        locks.claim(connection, MODELS, f"{machine}:999999999:00000000", 4e9, 0.0)
    with hold_locks(ledger, MODELS) as has_waited:
        assert has_waited is False


def test_one_that_slept_while_another_had_the_turn_asks_nothing_more(ledger: Ledger) -> None:
    now = time.time()
    with hold_turn(ledger, MODELS, clock=lambda: now) as turn:
        turn.require()
        now += LEASE_SECONDS + 1
        with ledger.database.write() as connection:
            assert locks.claim(connection, MODELS, "another:1:0", now + 30, now) == {}
            locks.release(connection, "another:1:0")
        for _ in range(2):  # also after the other one is done
            with pytest.raises(TurnLost, match="asked nothing more"):
                turn.require()


def test_a_turn_that_nobody_took_meanwhile_goes_on(ledger: Ledger) -> None:
    now = time.time()
    with hold_turn(ledger, MODELS, clock=lambda: now) as turn:
        now += 3600
        turn.require()
        with ledger.database.write() as connection:
            assert locks.claim(connection, MODELS, "another:1:0", now + 30, now) != {}


def test_a_clock_that_was_set_back_is_no_proof_of_the_turn(ledger: Ledger) -> None:
    now = time.time()
    with hold_turn(ledger, MODELS, clock=lambda: now) as turn:
        with ledger.database.write() as connection:
            assert locks.claim(connection, MODELS, "another:1:0", 9e9, now + 100) == {}
        now -= 100
        with pytest.raises(TurnLost):
            turn.require()
