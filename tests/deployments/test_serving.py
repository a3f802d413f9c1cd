"""Models that answer while an evaluation asks them, and what is left afterwards, also after a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.deploying import MODEL, Rig
from support.fake_account import FakeAccount

from orchestrator.deployments import serving as serving_module
from orchestrator.deployments.serving import leftovers, notes, serving
from orchestrator.deployments.uses import live_users
from orchestrator.endpoints.management import Room, WantedDeployment
from orchestrator.errors import DeploymentFailed, DeploymentRefused
from orchestrator.store import deployments as store, records
from orchestrator.store.records import Model
from orchestrator.store.runs import Run

BASE = "gpt-4.1-mini-2025-04-14"


@pytest.fixture(autouse=True)
def _in_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account in memory, in the place of a connection."""

    @asynccontextmanager
    async def open_context(*_: Any) -> AsyncIterator[Any]:
        yield rig.context()

    monkeypatch.setattr(serving_module, "open_context", open_context)
    monkeypatch.setattr(time, "time", rig.clock.now)


def serve(rig: Rig, *models: str, **options: Any) -> Any:
    return serving(rig.ledger, rig.config, models, **options)


async def test_a_model_without_a_deployment_gets_one_for_as_long(rig: Rig, account: FakeAccount) -> None:
    async with serve(rig, MODEL, BASE) as called:
        assert {account.there[name].wanted.model for name in called.values()} == {MODEL, BASE}
        assert account.there[called[MODEL]].wanted.sku == "DeveloperTier"
        assert account.there[called[BASE]].wanted.sku == "GlobalStandard"
    assert account.there == {}
    assert {each.state for each in rig.all()} == {"undeployed"}


async def test_it_is_called_after_the_models_run(
    rig: Rig, account: FakeAccount, run_of_azure: Callable[..., Run]
) -> None:
    run = run_of_azure()
    with rig.ledger.database.write() as connection:
        records.add_model(connection, Model("azure", MODEL, run.id, run.model, 1.0))
    async with serve(rig, MODEL) as called:
        assert called == {MODEL: f"drone-{run.id}-eval"}
    [recorded] = rig.all()
    assert (recorded.run_id, recorded.temporary) == (run.id, True)


async def test_a_deployment_there_is_is_used_and_stays(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed(name="mine")
    async with serve(rig, MODEL) as called:
        assert called == {MODEL: "mine"}
    assert rig.reread(deployed).state == "deployed"
    assert rig.reread(deployed).last_used_at is not None
    assert account.made == ["mine"]


@pytest.mark.parametrize("model", [BASE, "gpt-4.1-mini", "standing"])
async def test_one_made_elsewhere_is_used_and_left_alone(rig: Rig, account: FakeAccount, model: str) -> None:
    account.add("standing", BASE)
    async with serve(rig, model) as called:
        assert called == {model: "standing"}
    assert list(account.there) == ["standing"]
    assert rig.all() == []


async def test_with_keep_it_stays(rig: Rig, account: FakeAccount) -> None:
    async with serve(rig, MODEL, keep=True) as called:
        pass
    assert list(account.there) == [called[MODEL]]
    [kept] = rig.all()
    assert (kept.state, kept.temporary) == ("deployed", False)


async def test_an_error_inside_removes_it_too(rig: Rig, account: FakeAccount) -> None:
    with pytest.raises(ValueError, match="inside"):
        async with serve(rig, MODEL):
            raise ValueError("inside")
    assert account.there == {}


async def test_a_deployment_that_fails_ends_it_and_takes_the_others_away(rig: Rig, account: FakeAccount) -> None:
    put = account.put

    async def refuse_the_base(wanted: WantedDeployment) -> None:
        if wanted.model == BASE:
            facts: dict[str, Any] = {"status": 400, "code": "X", "param": None, "message": "no"}
            raise DeploymentRefused(endpoint="azure", problem="not in this region", **facts)
        await put(wanted)

    account.put = refuse_the_base  # type: ignore[method-assign]
    with pytest.raises(DeploymentFailed, match="not in this region"):
        async with serve(rig, MODEL, BASE):
            pass
    assert account.there == {}


async def test_the_last_of_two_that_use_it_removes_it(rig: Rig, account: FakeAccount) -> None:
    async with serve(rig, MODEL) as first:
        async with serve(rig, MODEL) as second:
            assert first == second
        assert list(account.there) == [first[MODEL]]
    assert account.there == {}
    assert len(account.made) == 1


async def test_one_that_vanished_is_made_anew(rig: Rig, account: FakeAccount) -> None:
    await rig.deployed(name="mine")
    account.there.clear()
    async with serve(rig, MODEL) as called:
        assert called[MODEL] != "mine"
        assert called[MODEL] in account.there


async def test_one_of_an_evaluation_that_vanished_is_made_anew(rig: Rig, account: FakeAccount) -> None:
    await rig.deployed(temporary=True)
    account.there.clear()
    async with serve(rig, MODEL) as called:
        assert list(account.there) == [called[MODEL]]
    assert [each.state for each in rig.all()] == ["undeployed", "undeployed"]


async def test_another_model_under_the_recorded_name_is_not_asked_in_its_place(
    rig: Rig, account: FakeAccount
) -> None:
    await rig.deployed(name="mine")
    account.add("mine", "gpt-4o-2024-08-06")
    async with serve(rig, MODEL) as called:
        assert called[MODEL] != "mine"
    assert list(account.there) == ["mine"]


async def test_stopping_removes_what_was_made(rig: Rig, account: FakeAccount) -> None:
    stop = asyncio.Event()
    account.warm_up = 10_000
    put = account.put

    async def then_stop(wanted: WantedDeployment) -> None:
        await put(wanted)
        stop.set()

    account.put = then_stop  # type: ignore[method-assign]
    async with serve(rig, MODEL, stop=stop):
        pass
    assert account.there == {}


async def test_what_a_dead_evaluation_left_is_to_be_removed(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed(temporary=True)
    with rig.ledger.database.write() as connection:
        store.use(connection, deployed.id, "elsewhere:1:0", rig.clock.now() + 30)
    assert leftovers(rig.ledger) == []
    rig.clock.pass_(31)
    found = leftovers(rig.ledger)
    assert [(each.id, each.requested_action) for each in found] == [(deployed.id, "remove")]
    await rig.drive(*found)
    assert account.there == {}


async def test_what_a_dead_evaluation_left_is_used_by_the_next_one_and_removed(
    rig: Rig, account: FakeAccount
) -> None:
    left = await rig.deployed(temporary=True)
    async with serve(rig, MODEL) as called:
        assert called == {MODEL: left.name}
    assert account.there == {}
    assert account.made == [left.name]


async def test_what_is_on_its_way_is_left_to_do_and_what_rests_is_not(rig: Rig, account: FakeAccount) -> None:
    await rig.deployed(name="rests")
    waiting = rig.record(name="waits")
    assert [each.id for each in leftovers(rig.ledger)] == [waiting.id]
    assert leftovers(rig.ledger, ["another-run"]) == []


async def test_nobody_is_said_to_use_it_afterwards(rig: Rig) -> None:
    async with serve(rig, MODEL, keep=True):
        [deployed] = rig.all()
        with rig.ledger.database.read() as connection:
            assert len(live_users(connection, deployed.id, rig.clock.now())) == 1
    with rig.ledger.database.read() as connection:
        assert store.users(connection, deployed.id, 0.0) == []


def test_what_will_be_made_is_said_before_with_its_cost(rig: Rig) -> None:
    [said] = notes(rig.ledger, rig.config, [MODEL])
    assert "DeveloperTier, hosted at no charge" in said
    assert "removed afterwards" in said
    [kept] = notes(rig.ledger, rig.config, [MODEL], keep=True)
    assert "it is kept (--keep), until Azure removes it after 24 hours" in kept
    rig.record()
    assert notes(rig.ledger, rig.config, [MODEL]) == []


async def test_too_little_room_is_warned_of_only_where_a_deployment_is_made(rig: Rig, account: FakeAccount) -> None:
    account.left = Room("eastus2", {"DeveloperTier": 10})
    async with serve(rig, MODEL):
        pass
    [warning] = rig.heard.warnings
    assert warning.startswith(f"{MODEL}: eastus2 has room for only 10,000 tokens a minute of DeveloperTier")
    await rig.deployed(name="mine")
    async with serve(rig, MODEL):
        pass
    assert len(rig.heard.warnings) == 1
