"""`orchestrator.ask`, as a notebook calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import ask
from orchestrator.chat.conversation import Fate
from orchestrator.chat.targets import Target
from orchestrator.config import find_workspace
from orchestrator.errors import CallNotAllowed, NoSuchTool
from orchestrator.store.runs import Run

WISH = 'Please light the room "kitchen"'


@pytest.fixture(autouse=True)
def project(home: Path) -> None:
    (home / "ftorch.toml").write_text("")


async def light_room(room: str) -> dict[str, str]:
    """Light a room.

    Args:
        room: The room to light.
    """
    await asyncio.sleep(0)
    return {"room": room, "light": "on"}


async def test_a_request_is_answered_where_a_loop_runs_already() -> None:
    reply = ask("gpt-4.1-mini", WISH, tools=[light_room], yes_to=["light_room"], endpoint="local")
    [outcome] = reply.outcomes
    assert (outcome.fate, outcome.arguments, outcome.text) == (
        Fate.EXECUTED,
        {"room": "kitchen"},
        '{"room":"kitchen","light":"on"}',
    )
    assert "on" in reply.text


def test_nothing_is_executed_that_was_not_allowed() -> None:
    with pytest.raises(CallNotAllowed, match=r'light_room\(room="kitchen"\)'):
        ask("gpt-4.1-mini", WISH, tools=[light_room], endpoint="local")
    with pytest.raises(NoSuchTool, match="none; give Python functions with --tools"):
        ask("gpt-4.1-mini", WISH, yes_to=["light_room"], endpoint="local")


def test_what_is_not_as_in_training_warns(monkeypatch: pytest.MonkeyPatch, make_run: Callable[..., Run]) -> None:
    target = Target("gpt-4.1-mini", find_workspace().endpoint("local"), make_run(), frozenset())
    monkeypatch.setattr("orchestrator.api.chat.find_target", lambda *_: target)
    with pytest.warns(UserWarning, match="the training file jobs/drone/train.jsonl was moved or deleted"):
        assert ask("drone", "Hi").text
