"""The line to an endpoint: repeated on passing trouble, and errors that say what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.chat import connection as lines
from orchestrator.chat.connection import open_connection
from orchestrator.chat.targets import Target
from orchestrator.config import find_workspace
from orchestrator.endpoints.retries import Retries
from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, NoAnswer, RequestRefused
from orchestrator.store.runs import Run

ANSWER: dict[str, list[Any]] = {"choices": []}


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., Run]) -> Callable[..., Any]:
    """Asks an endpoint that has these troubles first; returns the answer and the keys of the requests."""

    def make(*troubles: Exception, finished_at: float = 0.0) -> tuple[Mapping[str, Any], list[str]]:
        left, keys = list(troubles), []

        async def chat(request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
            keys.append(once)
            if left:
                raise left.pop(0)
            return ANSWER

        @asynccontextmanager
        async def opened(*_: Any) -> AsyncIterator[Any]:
            yield SimpleNamespace(chat=chat)

        async def no_sleep(_: float) -> None:
            await asyncio.sleep(0)

        monkeypatch.setattr(lines, "open_endpoint", opened)
        monkeypatch.setattr(lines, "Retries", lambda: Retries(sleep=no_sleep))
        run = make_run(finished_at=finished_at)
        target = Target("ft:x", find_workspace().endpoint("local"), run, frozenset())
        with open_connection(target, home) as line:
            return line.ask({"model": "ft:x"}), keys

    return make


def unreachable(**facts: Any) -> EndpointUnreachable:
    return EndpointUnreachable(endpoint="local", problem="reset", **facts)


def test_passing_trouble_is_tried_again_under_the_same_key(ask: Callable[..., Any]) -> None:
    busy = EndpointBusy(endpoint="local", problem="slow down", retry_after=0.1)
    answer, keys = ask(unreachable(), busy)
    assert answer == ANSWER
    assert (len(keys), len(set(keys))) == (3, 1)
    assert ask()[1] != ask()[1]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (unreachable(), "gave no answer: reset. Try again later."),
        (KeyRefused(endpoint="local", problem="no", api_key_env="MY_KEY"), "no. Set a valid key in MY_KEY."),
        (RequestRefused(endpoint="local", problem="too long", status=400), "gave no answer: too long."),
    ],
)
def test_lasting_trouble_says_what_to_do(trouble: Exception, said: str, ask: Callable[..., Any]) -> None:
    with pytest.raises(NoAnswer) as caught:
        ask(*[trouble] * 9)
    assert str(caught.value).endswith(said)


def test_a_model_that_is_minutes_old_may_not_be_there_yet(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    unknown = RequestRefused(endpoint="local", problem="no such model", status=404)
    with pytest.raises(NoAnswer, match="can take a few minutes to appear"):
        ask(unknown, finished_at=950.0)
    with pytest.raises(NoAnswer) as caught:
        ask(unknown, finished_at=100.0)
    assert str(caught.value).endswith("no such model.")
