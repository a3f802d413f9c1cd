"""Too little room for a deployment is said before it is requested, with what there is room for."""

from __future__ import annotations

import pytest
from support.deploying import MODEL, Rig
from support.fake_account import FakeAccount

from orchestrator.deployments import recording
from orchestrator.deployments.recording import Planned, Terms
from orchestrator.deployments.room import shortage
from orchestrator.deployments.subjects import Subject
from orchestrator.endpoints.management import Room
from orchestrator.errors import DeployRoleMissing


def planned(rig: Rig, sku: str = "Standard", capacity: int = 50) -> Planned:
    return recording.plan(Subject(rig.config, MODEL, None), Terms("mine", sku, capacity))


async def test_enough_room_and_an_account_that_does_not_say_are_nothing_to_tell(
    rig: Rig, account: FakeAccount
) -> None:
    for room in (None, Room("eastus2", {}), Room("eastus2", {"Standard": 50})):
        account.left = room
        assert await shortage(account, planned(rig)) is None


@pytest.mark.parametrize(
    ("by_sku", "said"),
    [
        (
            {"Standard": 10, "GlobalStandard": 250, "DeveloperTier": 20},
            "eastus2 has room for only 10,000 tokens a minute of Standard for this model, and 50,000 are "
            "requested: lower the capacity to 10, use GlobalStandard (room for 250,000), or request more quota in "
            "the portal",
        ),
        (
            {"Standard": 0},
            "eastus2 has room for no tokens a minute of Standard for this model, and 50,000 are requested: "
            "request more quota in the portal",
        ),
    ],
)
async def test_too_little_room_comes_with_the_ways_out(
    rig: Rig, account: FakeAccount, by_sku: dict[str, float], said: str
) -> None:
    account.left = Room("eastus2", by_sku)
    assert await shortage(account, planned(rig)) == said


async def test_an_account_that_refuses_the_look_is_asked_for_the_deployment_anyway(
    rig: Rig, account: FakeAccount
) -> None:
    facts = {"status": 403, "code": "AuthorizationFailed", "param": None, "message": "no"}
    account.fault("room", DeployRoleMissing(endpoint="azure", problem="no role", **facts))
    assert await shortage(account, planned(rig)) is None
