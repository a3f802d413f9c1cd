"""A process is killed at every place of a deployment's life; another one goes on, and the account has it once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.deploying import MODEL, Rig, make_rig
from support.fake_account import FakeAccount
from support.fake_endpoint import FakeClock, Fault, unreachable

from orchestrator.deployments.states import State
from orchestrator.engine import crashpoints
from orchestrator.engine.crashpoints import DEPLOYMENT_POINTS
from orchestrator.engine.worker import LEASE_SECONDS
from orchestrator.store.database import Database
from orchestrator.store.deployments import DEPLOYMENTS, Deployment

PUT_FAULTS = {
    "answered": None,
    "answer lost": Fault(unreachable(), lands=True),
    "request lost": Fault(unreachable(), lands=False),
}
_REFUSALS = ("before-commit-deployment-failed", "after-commit-deployment-failed")


KillAt = Callable[[str], "Killer"]


class KilledError(BaseException):
    """Nothing catches it, and nothing more of that process takes effect."""


class Killer:
    """Ends a worker at a place; what its `finally` blocks would still do does not happen, as with SIGKILL."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.has_killed = False
        self.is_buried = False
        """The dead worker's `finally` blocks are through; from here on others work."""

    @property
    def is_dying(self) -> bool:
        return self.has_killed and not self.is_buried

    def __call__(self, name: str) -> None:
        if name == self.place and not self.has_killed:
            self.has_killed = True
            raise KilledError


@pytest.fixture
def rig(database: Database, tmp_path: Path) -> Rig:
    account = FakeAccount(FakeClock())
    account.add("somebody-elses", "gpt-4o-2024-08-06")
    return make_rig(database, account, tmp_path)


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> KillAt:
    """Arms a killer for a place."""
    release = DEPLOYMENTS.release

    def arm(place: str) -> Killer:
        killer = Killer(place)

        def release_if_alive(connection: Connection, owner: str) -> None:
            if not killer.is_dying:
                release(connection, owner)

        monkeypatch.setattr(crashpoints, "armed", killer)
        monkeypatch.setattr(DEPLOYMENTS, "release", release_if_alive)
        return killer

    return arm


async def _drive_through_a_kill(rig: Rig, killer: Killer, deployment: Deployment) -> Deployment:
    try:
        await rig.drive(deployment)
    except KilledError:
        killer.is_buried = True
        rig.clock.pass_(LEASE_SECONDS + 1)
        await rig.drive(deployment)
    return rig.reread(deployment)


@pytest.mark.parametrize("fault", PUT_FAULTS)
@pytest.mark.parametrize("place", [each for each in DEPLOYMENT_POINTS if each not in _REFUSALS])
async def test_a_kill_anywhere_makes_and_removes_a_deployment_once(
    rig: Rig, kill_at: KillAt, place: str, fault: str
) -> None:
    account, armed = rig.account, kill_at(place)
    if PUT_FAULTS[fault] is not None:
        account.fault("put", PUT_FAULTS[fault])
    deployed = await _drive_through_a_kill(rig, armed, rig.record(name="mine"))
    assert (deployed.state, account.made) == (State.DEPLOYED, ["mine"])

    rig.request_removal(deployed)
    removed = await _drive_through_a_kill(rig, armed, deployed)
    assert (removed.state, account.removed) == (State.UNDEPLOYED, ["mine"])
    assert armed.has_killed, "this place was never passed"
    assert list(account.there) == ["somebody-elses"]
    assert rig.history(removed) == ["deploying", "deployed", "undeploying", "undeployed"]


@pytest.mark.parametrize("place", ["before-deployment-put", "after-deployment-put", *_REFUSALS])
async def test_a_kill_around_a_refusal_ends_as_a_failure(rig: Rig, kill_at: KillAt, place: str) -> None:
    rig.account.life = ("Creating", "Failed")
    failed = await _drive_through_a_kill(rig, kill_at(place), rig.record(name="mine"))
    assert (failed.state, failed.error_code) == (State.FAILED, "not_provisioned")
    assert list(rig.account.there) == ["somebody-elses"]


async def test_a_kill_never_takes_over_what_somebody_made_meanwhile(rig: Rig, kill_at: KillAt) -> None:
    armed = kill_at("before-commit-deployment-intent")
    recorded = rig.record(name="mine")
    with pytest.raises(KilledError):
        await rig.drive(recorded)
    rig.account.add("mine", "gpt-4o-2024-08-06")
    armed.is_buried = True
    rig.clock.pass_(LEASE_SECONDS + 1)
    await rig.drive(recorded)
    assert rig.reread(recorded).state == State.FAILED
    assert (rig.account.count("put"), rig.account.there["mine"].wanted.model) == (0, "gpt-4o-2024-08-06")


async def test_a_sleeper_that_wakes_up_removes_nothing_that_was_made_anew(rig: Rig) -> None:
    """It slept in the middle of a removal; meanwhile another process removed it, and made it again."""
    deployed = await rig.deployed(name="mine")
    rig.request_removal(deployed)
    look, has_slept = rig.account.get, asyncio.Event()

    async def sleep_once(name: str) -> object:
        found = await look(name)
        if not has_slept.is_set():
            has_slept.set()
            rig.clock.pass_(LEASE_SECONDS + 1)
            await rig.drive(deployed)
            rig.clock.pass_(60)
            again = rig.record(name="mine")
            await rig.drive(again)
        return found

    rig.account.get = sleep_once  # type: ignore[method-assign, assignment]
    await rig.drive(deployed)
    assert rig.account.made == ["mine", "mine"]
    assert [(each.state, each.model) for each in rig.all() if not each.is_over] == [(State.DEPLOYED, MODEL)]
    assert "mine" in rig.account.there


@pytest.mark.parametrize("place", ["before-deployment-delete", "before-deployment-put"])
async def test_a_sleeper_that_wakes_up_sends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """It slept right before its request until its lease had run out, and another one took its work over."""
    deployed = await rig.deployed(name="mine") if "delete" in place else rig.record(name="mine")
    if "delete" in place:
        rig.request_removal(deployed)

    def oversleep(name: str) -> None:
        if name == place:
            monkeypatch.setattr(crashpoints, "armed", None)
            rig.clock.pass_(LEASE_SECONDS + 1)
            now = rig.clock.now()
            with rig.ledger.database.write() as connection:
                DEPLOYMENTS.claim(connection, "another:1:0", now + LEASE_SECONDS, now, ids=[deployed.id])
            requests.append(rig.account.count(place.rpartition("-")[2]))

    requests: list[int] = []
    monkeypatch.setattr(crashpoints, "armed", oversleep)
    work = asyncio.ensure_future(rig.drive(deployed))
    while not requests:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rig.account.count(place.rpartition("-")[2]) == requests[0] == 0
    await work
