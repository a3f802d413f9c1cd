"""Exchanges with the management API of our own server, played back through Microsoft's library."""

from __future__ import annotations

import pytest
from support.arm_story import CASSETTES, MODEL, deployment_life, taped


@pytest.fixture
def recorded() -> str:
    return (CASSETTES / "deployment_life.yaml").read_text()


async def no_wait(_seconds: float) -> None:
    pass


async def test_a_recorded_life_is_read_as_it_was() -> None:
    with taped(is_recording=False):
        story = await deployment_life("http://account.test", no_wait)
    assert story.before is None
    assert story.made is not None
    assert (story.made.name, story.made.model) == ("story", MODEL)
    assert (story.made.sku, story.made.capacity) == ("GlobalStandard", 10)
    assert [each.name for each in story.listed] == ["story"]
    assert list(dict.fromkeys(story.states)) == ["Creating", "Succeeded", "Deleting"]
    assert story.after is None


async def test_another_body_is_not_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.arm_story.MODEL", "gpt-4.1-nano-2025-04-14")
    with taped(is_recording=False), pytest.raises(Exception, match="differ in body"):
        await deployment_life("http://account.test", no_wait)


@pytest.mark.parametrize("secret", ["uthorization", "Bearer", "eyJ", "127.0.0.1"])
def test_nothing_secret_is_kept(recorded: str, secret: str) -> None:
    assert secret not in recorded
