"""An evaluation that slept, was killed, or asks a model that does not come."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.evaluation import MakeRow

from orchestrator.endpoints.openai import OpenAIEndpoint
from orchestrator.errors import ModelNotThere, RequestRefused, TurnLost
from orchestrator.evaluation import session
from orchestrator.evaluation.locks import asking_lock_names, hold_turn
from orchestrator.evaluation.plan import EvaluationOptions, Plan, plan_evaluation
from orchestrator.evaluation.session import ask_missing, wait_for_new_models
from orchestrator.ledger import Ledger, open_ledger
from orchestrator.reports.progress import asking_progress
from orchestrator.store import locks

CASES = 6
Request = Mapping[str, Any]


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    (home / "ftorch.toml").write_text("")
    with open_ledger(home, create=True) as opened:
        yield opened


@pytest.fixture
def planned(ledger: Ledger, make_row: MakeRow, write_cases: Callable[..., Path]) -> Plan:
    rows = [make_row(("book_table", {"place": "Roma"}), id=f"case{number}") for number in range(CASES)]
    for row in rows:
        row["messages"][0]["content"] = f"Book a table, please: {row['id']}"
    found = plan_evaluation(ledger, ("gpt-x",), EvaluationOptions(write_cases(*rows), "local"))
    return replace(found, settings=found.settings.model_copy(update={"max_concurrency": 1}))


class Asked:
    """Keeps what is asked, and does something after the second question."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None] = lambda: None) -> None:
        self.keys: list[str] = []
        original = OpenAIEndpoint.chat

        async def chat(endpoint: OpenAIEndpoint, request: Request, once: str) -> Request:
            self.keys.append(once)
            answer = await original(endpoint, request, once)
            if len(self.keys) == 2:
                then()
            return answer

        monkeypatch.setattr(OpenAIEndpoint, "chat", chat)


def test_an_evaluation_that_slept_past_its_lease_asks_nothing_more(
    ledger: Ledger, planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = asking_lock_names(planned)
    slept = 0.0

    def sleep_while_another_asks() -> None:
        nonlocal slept
        slept = 3600.0
        with ledger.database.write() as connection:
            now = time.time() + slept
            assert locks.claim(connection, names, "another:1:0", now + 30, now) == {}
            locks.release(connection, "another:1:0")

    asked = Asked(monkeypatch, sleep_while_another_asks)
    with hold_turn(ledger, names, clock=lambda: time.time() + slept) as turn, pytest.raises(TurnLost):
        asyncio.run(ask_missing(ledger, planned, turn=turn))
    assert len(asked.keys) == 2
    left = plan_evaluation(ledger, ("gpt-x",), EvaluationOptions(planned.cases.path, "local"))
    assert left.missing == CASES - 2  # what was answered is kept


def test_an_evaluation_that_slept_alone_goes_on(
    ledger: Ledger, planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = 0.0

    def sleep() -> None:
        nonlocal slept
        slept = 3600.0

    asked = Asked(monkeypatch, sleep)
    with hold_turn(ledger, asking_lock_names(planned), clock=lambda: time.time() + slept) as turn:
        asyncio.run(ask_missing(ledger, planned, turn=turn))
    assert len(asked.keys) == CASES


def test_a_killed_evaluation_asks_again_by_the_same_keys(
    ledger: Ledger, planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lost:
        first = Asked(lost)
        lost.setattr(session._Recorder, "_flush", lambda _recorder: None)  # killed before an answer is written
        asyncio.run(ask_missing(ledger, planned))
    second = Asked(monkeypatch)
    asyncio.run(ask_missing(ledger, planned))
    assert first.keys == second.keys
    assert len(set(first.keys)) == CASES


class Missing:
    """An endpoint that has not got a model yet, for so many questions."""

    def __init__(self, questions: int, status: int = 404, code: str = "model_not_found") -> None:
        self.left, self.status, self.code = questions, status, code
        self.name = "host"
        self.capabilities = type("Capabilities", (), {"charges": True})

    async def chat(self, _request: Request, _once: str) -> Request:
        self.left -= 1
        if self.left < 0:
            return {"choices": [{}]}
        facts = {"status": self.status, "code": self.code, "message": "no such model."}
        raise RequestRefused(endpoint="host", problem="no such model", **facts)


def waited_for(endpoint: Any, planned: Plan, finished_at: float) -> str:
    """What was shown while the new model was waited for."""
    new = replace(planned, candidates=[replace(planned.candidates[0], finished_at=finished_at)])
    shown = io.StringIO()
    with asking_progress(1, Console(file=shown, width=200)) as listener:
        asyncio.run(wait_for_new_models(endpoint, new, listener, asyncio.Event()))
    return shown.getvalue()


@pytest.mark.parametrize(("status", "code"), [(404, "model_not_found"), (424, ""), (400, "DeploymentNotReady")])
def test_a_new_model_is_waited_for_and_the_line_says_until_when(
    planned: Plan, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    monkeypatch.setattr(session, "_PROBE_SECONDS", 0.01)
    finished_at = time.time()
    shown = waited_for(Missing(3, status, code), planned, finished_at)
    until = datetime.fromtimestamp(finished_at + session.NEW_MODEL_SECONDS).astimezone()
    assert shown == f"waiting for gpt-x, which is new (no such model); asking again until {until:%H:%M}\n"


def test_a_new_model_that_never_comes_ends_the_wait_with_its_reason(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PROBE_SECONDS", 0.05)
    monkeypatch.setattr(session, "NEW_MODEL_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(
        ModelNotThere, match=r"The new model gpt-x on .* did not answer by \d\d:\d\d: no such model\. It"
    ):
        waited_for(Missing(10_000), planned, time.time())
    assert time.monotonic() - began < 5
