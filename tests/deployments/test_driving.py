"""Bringing deployments to where they are wanted, whatever the account answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from support.deploying import MODEL, Rig
from support.fake_account import FakeAccount
from support.fake_endpoint import Fault, unreachable

from orchestrator.deployments import steps
from orchestrator.deployments.recording import SAME_NAME_SECONDS
from orchestrator.deployments.uses import IN_USE, begin_using
from orchestrator.endpoints.management import WantedDeployment
from orchestrator.errors import (
    DeploymentRefused,
    DeployQuotaFull,
    DeployRoleMissing,
    EndpointBusy,
    EndpointUnreachable,
    KeyRefused,
    RequestRefused,
    RoleMissing,
)
from orchestrator.store import records
from orchestrator.store.deployments import DEPLOYMENTS
from orchestrator.store.records import Checkpoint
from orchestrator.store.runs import Run
from orchestrator.store.schema import deployments

FACTS: dict[str, Any] = {"endpoint": "azure", "status": 400, "code": "Some", "param": None, "message": "no"}


def clock_at(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%H:%M}"


async def test_a_deployment_is_deployed_only_when_it_answers(rig: Rig, account: FakeAccount) -> None:
    account.warm_up = 3
    deployed = await rig.deployed()
    assert rig.history(deployed) == ["deploying", "deployed"]
    assert account.count("chat") == 4
    assert deployed.provisioned_at is not None
    assert deployed.deployed_at > deployed.provisioned_at


async def test_it_is_asked_for_as_it_was_recorded(rig: Rig, account: FakeAccount) -> None:
    recorded = await rig.deployed(name="mine", sku="GlobalStandard", capacity=7)
    assert account.there["mine"].wanted == WantedDeployment("mine", MODEL, "GlobalStandard", 7)
    assert recorded.name == "mine"


async def test_the_wait_is_told_once_for_each_reason(rig: Rig, account: FakeAccount) -> None:
    account.life, account.warm_up = ("Creating", "Creating", "Creating", "Succeeded"), 3
    await rig.deployed()
    requested = rig.all()[0].requested_at
    provisioned = rig.all()[0].provisioned_at
    assert requested is not None
    assert provisioned is not None
    assert rig.heard.notes == [
        "requested; Azure is provisioning it",
        f"Azure says Creating; looking until {clock_at(requested + steps.PROVISION_SECONDS)}",
        "Azure says Succeeded, but it does not answer yet: not there yet; "
        f"asking until {clock_at(provisioned + steps.READY_SECONDS)}",
    ]
    assert rig.heard.moves == ["deployed"]


async def test_removing_asks_once_and_waits_until_it_is_gone(rig: Rig, account: FakeAccount) -> None:
    account.departure = 3
    removed = await rig.remove(await rig.deployed())
    assert removed.state == "undeployed"
    assert removed.finished_at is not None
    assert account.count("delete") == 1
    assert account.there == {}


async def test_a_name_that_somebody_else_uses_is_left_alone(rig: Rig, account: FakeAccount) -> None:
    account.add("mine", "gpt-4o-2024-08-06")
    failed = await rig.deployed(name="mine")
    assert failed.state == "failed"
    assert "gpt-4o-2024-08-06" in failed.error_message
    assert "--name" in failed.error_message
    assert account.count("put") == 0
    assert account.there["mine"].wanted.model == "gpt-4o-2024-08-06"


async def test_the_same_model_under_a_used_name_is_left_alone_too(rig: Rig, account: FakeAccount) -> None:
    account.add("mine", MODEL)
    assert (await rig.deployed(name="mine")).state == "failed"
    assert account.count("put") == 0


async def test_a_refusal_fails_with_azures_words_and_nothing_is_made(rig: Rig, account: FakeAccount) -> None:
    account.fault("put", DeploymentRefused(problem="the sku is not there", **FACTS))
    failed = await rig.deployed()
    assert failed.state == "failed"
    assert "the sku is not there" in failed.error_message
    assert failed.error_code == "Some"
    assert account.made == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DeployQuotaFull(problem="no room", use="OpenAI.Standard 240 of 250", **FACTS), "240 of 250"),
        (DeployRoleMissing(problem="not allowed", **FACTS), "Cognitive Services Contributor"),
    ],
)
async def test_missing_quota_and_roles_are_named(rig: Rig, account: FakeAccount, error: Any, said: str) -> None:
    account.fault("put", error)
    assert said in (await rig.deployed()).error_message


def new_role() -> DeployRoleMissing:
    message = "no authorization. If access was recently granted, please refresh your credentials."
    facts = {**FACTS, "status": 403, "code": "AuthorizationFailed", "message": message}
    return DeployRoleMissing(problem=message, **facts)


async def test_a_role_that_was_just_granted_is_waited_for(rig: Rig, account: FakeAccount) -> None:
    account.fault("put", new_role(), new_role())
    until = clock_at(rig.clock.now() + steps.NEW_ROLE_SECONDS)
    assert (await rig.deployed()).state == "deployed"
    assert account.count("put") == 3
    assert any(note.endswith(f"asking again until {until}") for note in rig.heard.notes)


async def test_a_role_that_never_comes_is_named_after_some_minutes(rig: Rig, account: FakeAccount) -> None:
    account.fault("put", *[new_role() for _ in range(500)])
    began = rig.clock.now()
    failed = await rig.deployed()
    assert failed.state == "failed"
    assert "Cognitive Services Contributor" in failed.error_message
    assert steps.NEW_ROLE_SECONDS <= rig.clock.now() - began < steps.NEW_ROLE_SECONDS + 200


async def test_an_answer_that_is_lost_makes_no_second_deployment(rig: Rig, account: FakeAccount) -> None:
    account.fault("put", Fault(unreachable(), lands=True))
    assert (await rig.deployed()).state == "deployed"
    assert len(account.made) == 1


async def test_a_request_that_is_lost_is_sent_again(rig: Rig, account: FakeAccount) -> None:
    account.fault("put", Fault(unreachable(), lands=False))
    assert (await rig.deployed()).state == "deployed"
    assert (account.count("put"), len(account.made)) == (2, 1)


async def test_a_refusal_after_a_lost_answer_leaves_nothing_running(rig: Rig, account: FakeAccount) -> None:
    """The quota may be full because the first request has arrived."""
    account.fault("put", Fault(unreachable(), lands=False), DeployQuotaFull(problem="no room", use="", **FACTS))
    recorded = rig.record()
    landing = asyncio.create_task(_land_late(rig, account, recorded.name))
    await rig.drive(recorded)
    await landing
    failed = rig.reread(recorded)
    assert (failed.state, account.there) == ("failed", {})
    assert "no room" in failed.error_message


async def _land_late(rig: Rig, account: FakeAccount, name: str) -> None:
    while account.count("put") < 2:
        await asyncio.sleep(0)
    account.add(name, MODEL)


async def test_a_request_on_its_way_when_its_process_died_is_waited_for_and_removed(
    rig: Rig, account: FakeAccount
) -> None:
    recorded = rig.record()
    with rig.ledger.database.write() as connection:
        values = {"requested_at": rig.clock.now()}
        connection.execute(deployments.update().where(deployments.c.id == recorded.id).values(**values))
    rig.request_removal(recorded)
    driving = asyncio.create_task(rig.drive(recorded))
    while account.count("get") < 2:
        assert not driving.done()
        await asyncio.sleep(0)
    account.add(recorded.name, MODEL)
    await driving
    assert account.there == {}
    assert account.removed == [recorded.name]


async def test_another_model_put_under_our_name_is_noticed(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed()
    account.add(deployed.name, "gpt-4o-2024-08-06")
    await rig.drive(deployed)
    ended = rig.reread(deployed)
    assert ended.state == "undeployed"
    assert "gpt-4o-2024-08-06" in ended.reason
    assert deployed.name in account.there


async def test_a_checkpoint_is_asked_for_by_its_id_and_known_again(
    rig: Rig, account: FakeAccount, run_of_azure: Callable[..., Run]
) -> None:
    """Microsoft's page on deploying: a checkpoint's id stands where a model's name does."""
    run, model = run_of_azure(), f"{MODEL}:ckpt-step-90"
    with rig.ledger.database.write() as connection:
        saved = [("ftchkpt-e559", 90, model), ("ftchkpt-148a", 100, MODEL)]
        rows = [Checkpoint(run.id, identity, step, name, {}, 0.0) for identity, step, name in saved]
        records.add_checkpoints(connection, rows)
    earlier, last = rig.record(model, name="earlier"), rig.record(MODEL, name="last")
    await rig.drive(earlier, last)
    asked = {name: made.wanted.account_model for name, made in account.there.items()}
    assert asked == {"earlier": "ftchkpt-e559", "last": MODEL}
    assert [rig.reread(each).state for each in (earlier, last)] == ["deployed", "deployed"]
    assert (await rig.remove(earlier)).state == "undeployed"
    assert list(account.there) == ["last"]


async def test_an_account_that_never_answered_is_the_users_to_look_at(rig: Rig, account: FakeAccount) -> None:
    account.fault("get", unreachable())
    recorded = rig.record()
    with pytest.raises(EndpointUnreachable):
        await rig.drive(recorded)
    assert rig.reread(recorded).lease_owner is None


async def test_a_busy_account_is_left_alone_for_as_long_as_it_says(rig: Rig, account: FakeAccount) -> None:
    account.fault("get", EndpointBusy(endpoint="azure", problem="slower", retry_after=90.0))
    before = rig.clock.now()
    assert (await rig.deployed()).state == "deployed"
    assert rig.clock.now() - before >= 90
    assert rig.heard.warnings == ["slower; trying again in 90 s"]


async def test_what_azure_could_not_provision_is_removed_and_failed(rig: Rig, account: FakeAccount) -> None:
    account.life = ("Creating", "Failed")
    failed = await rig.deployed()
    assert rig.history(failed) == ["deploying", "undeploying", "failed"]
    assert failed.error_code == "not_provisioned"
    assert account.there == {}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test need not go through a quarter of an hour of looks."""
    monkeypatch.setattr(steps, "READY_SECONDS", 20.0)


@pytest.mark.usefixtures("impatient")
async def test_one_that_never_answers_is_told_and_stays(rig: Rig, account: FakeAccount) -> None:
    account.warm_up = 10_000
    waiting = await rig.deployed()
    assert waiting.state == "deploying"
    assert "does not answer yet" in waiting.reason
    assert rig.clock.now() - waiting.provisioned_at > steps.READY_SECONDS
    assert len(account.there) == 1


def refused(status: int, code: str) -> RequestRefused:
    facts = {**FACTS, "status": status, "code": code, "message": "not ready"}
    return RequestRefused(problem=f"not ready (HTTP {status})", **facts)


@pytest.mark.parametrize(
    "error",
    [
        refused(400, "DeploymentNotReady"),
        refused(403, "Forbidden"),
        refused(424, "FailedDependency"),
        RoleMissing(problem="no role", api_key_env="", **{**FACTS, "status": 403}),
        EndpointBusy(problem="loading", retry_after=None, **FACTS),
    ],
)
async def test_only_a_completion_is_an_answer(rig: Rig, account: FakeAccount, error: Exception) -> None:
    account.warm_up = 0
    account.fault("chat", error, error)
    deployed = await rig.deployed()
    assert deployed.state == "deployed"
    assert account.count("chat") == 3
    assert any("does not answer yet" in note for note in rig.heard.notes)


async def test_an_answer_without_a_choice_is_no_completion(
    rig: Rig, account: FakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[dict[str, Any]] = [{}, {"error": {"message": "loading"}}, {"choices": []}, {"choices": [{}]}]

    async def chat(_request: Any, _once: str) -> dict[str, Any]:
        return answers.pop(0)

    monkeypatch.setattr(account, "chat", chat)
    assert (await rig.deployed()).state == "deployed"
    assert answers == []


async def test_a_refused_key_is_not_waited_out(rig: Rig, account: FakeAccount) -> None:
    account.fault("chat", KeyRefused(problem="bad key", api_key_env="KEY", **{**FACTS, "status": 401}))
    with pytest.raises(KeyRefused):
        await rig.deployed()


async def test_a_disabled_one_ends_the_wait_with_its_reason(rig: Rig, account: FakeAccount) -> None:
    account.life = ("Creating", "Disabled")
    waiting = await rig.deployed()
    assert waiting.state == "deploying"
    assert waiting.reason.startswith("Azure has disabled it")
    assert account.count("delete") == 0
    account.life = ("Succeeded",)
    await rig.drive(waiting)
    assert rig.reread(waiting).state == "deployed"


async def test_one_that_moves_is_waited_for_until_a_deadline(
    rig: Rig, account: FakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PROVISION_SECONDS", 60.0)
    account.life = ("Creating", "Moving")
    waiting = await rig.deployed()
    assert (waiting.state, waiting.reason) == ("deploying", "Azure still says Moving, 1 minutes after the request")
    assert waiting.requested_at is not None
    assert any(note.startswith("Azure says Moving; looking until ") for note in rig.heard.notes)
    assert 60 <= rig.clock.now() - waiting.requested_at < 90


def unsupported() -> DeploymentRefused:
    facts = {**FACTS, "code": "DeploymentModelNotSupported", "message": "the model is not supported"}
    return DeploymentRefused(problem="the model is not supported", **facts)


async def test_a_model_that_azure_does_not_know_yet_is_asked_for_again(
    rig: Rig, account: FakeAccount, run_of_azure: Callable[..., Run]
) -> None:
    run = run_of_azure(finished_at=rig.clock.now() - 100)
    account.fault("put", unsupported(), unsupported())
    recorded = rig.record(run=run)
    await rig.drive(recorded)
    assert rig.reread(recorded).state == "deployed"
    assert account.count("put") == 3
    until = clock_at(rig.clock.now() + 500)
    assert any(note.endswith(f"asking again until {until}") for note in rig.heard.notes)


async def test_a_model_that_azure_never_gets_to_know_fails_ten_minutes_after_its_training(
    rig: Rig, account: FakeAccount, run_of_azure: Callable[..., Run]
) -> None:
    run = run_of_azure(finished_at=rig.clock.now() - 570)
    account.fault("put", *[unsupported() for _ in range(100)])
    recorded = rig.record(run=run)
    began = rig.clock.now()
    await rig.drive(recorded)
    failed = rig.reread(recorded)
    assert (failed.state, failed.error_code) == ("failed", "DeploymentModelNotSupported")
    assert rig.clock.now() - began < 30 + rig.config.settling_seconds + 60


async def test_a_model_trained_long_ago_is_not_asked_for_again(
    rig: Rig, account: FakeAccount, run_of_azure: Callable[..., Run]
) -> None:
    account.fault("put", unsupported())
    recorded = rig.record(run=run_of_azure(finished_at=rig.clock.now() - 601))
    await rig.drive(recorded)
    assert rig.reread(recorded).state == "failed"
    assert account.count("put") == 1


async def test_one_that_was_removed_behind_our_back_is_noticed(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed()
    account.there.clear()
    await rig.drive(deployed)
    gone = rig.reread(deployed)
    assert gone.state == "undeployed"
    assert "no longer on the account" in gone.reason
    assert f"ftorch deployments create {MODEL}" in gone.reason


@pytest.mark.usefixtures("impatient")
async def test_one_that_vanishes_while_it_warms_up_is_not_made_again(rig: Rig, account: FakeAccount) -> None:
    account.warm_up = 10_000
    waiting = await rig.deployed()
    account.there.clear()
    await rig.drive(waiting)
    assert rig.reread(waiting).state == "undeployed"
    assert len(account.made) == 1


async def test_another_model_under_our_name_is_not_removed(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed(name="mine")
    account.add("mine", "gpt-4o-2024-08-06")
    assert (await rig.remove(deployed)).state == "undeployed"
    assert account.count("delete") == 0
    assert account.there["mine"].wanted.model == "gpt-4o-2024-08-06"


async def test_a_base_model_without_a_version_is_known_again(rig: Rig, account: FakeAccount) -> None:
    recorded = rig.record(model="gpt-4.1-mini")
    context = rig.context()
    put = account.put

    async def with_version(wanted: WantedDeployment) -> None:
        await put(WantedDeployment(wanted.name, "gpt-4.1-mini-2025-04-14", wanted.sku, wanted.capacity))

    account.put = with_version  # type: ignore[method-assign]
    await rig.drive(recorded, context=context)
    assert rig.reread(recorded).state == "deployed"


async def test_what_is_in_use_is_not_removed(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed()
    with rig.ledger.database.write() as connection:
        begin_using(connection, deployed.id, "elsewhere:1:0", rig.clock.now())
    kept = await rig.remove(deployed)
    assert (kept.state, kept.reason) == ("deployed", IN_USE)
    assert account.count("delete") == 0


async def test_a_user_whose_word_ran_out_does_not_count(rig: Rig, account: FakeAccount) -> None:
    deployed = await rig.deployed()
    with rig.ledger.database.write() as connection:
        begin_using(connection, deployed.id, "elsewhere:1:0", rig.clock.now())
    rig.clock.pass_(60)
    assert (await rig.remove(deployed)).state == "undeployed"


async def test_a_wish_to_remove_wins_over_the_wait_for_an_answer(rig: Rig, account: FakeAccount) -> None:
    account.warm_up = 10_000
    recorded = rig.record()
    work = asyncio.ensure_future(rig.drive(recorded))
    while account.count("chat") < 2:
        await asyncio.sleep(0)
    rig.request_removal(recorded)
    await work
    assert rig.reread(recorded).state == "undeployed"
    assert account.there == {}


async def test_one_withdrawn_before_the_request_asks_for_nothing(rig: Rig, account: FakeAccount) -> None:
    removed = await rig.remove(rig.record())
    assert (removed.state, removed.reason) == ("undeployed", "withdrawn before anything was made")
    assert account.calls == []


async def test_a_name_rests_after_a_removal(rig: Rig, account: FakeAccount) -> None:
    first = await rig.remove(await rig.deployed(name="mine"))
    asked_at: list[float] = []
    put = account.put

    async def timed(wanted: WantedDeployment) -> None:
        asked_at.append(rig.clock.now())
        await put(wanted)

    account.put = timed  # type: ignore[method-assign]
    second = await rig.deployed(name="mine")
    assert second.state == "deployed"
    assert asked_at[0] - first.finished_at >= SAME_NAME_SECONDS


async def test_two_workers_ask_for_it_once(rig: Rig, account: FakeAccount) -> None:
    recorded = rig.record()
    await asyncio.gather(rig.drive(recorded), rig.drive(recorded))
    assert rig.reread(recorded).state == "deployed"
    assert account.count("put") == 1


async def test_stopping_early_loses_nothing(rig: Rig, account: FakeAccount, monkeypatch: Any) -> None:
    from orchestrator.deployments.driving import drive

    stop = asyncio.Event()
    recorded = rig.record()
    put = account.put

    async def then_stop(wanted: WantedDeployment) -> None:
        await put(wanted)
        stop.set()

    monkeypatch.setattr(account, "put", then_stop)
    await drive(rig.context(), [recorded.id], stop)
    assert rig.reread(recorded).state == "deploying"
    monkeypatch.setattr(account, "put", put)
    await rig.drive(recorded)
    assert rig.reread(recorded).state == "deployed"
    assert len(account.made) == 1


async def test_a_worker_that_lost_its_lease_writes_nothing(rig: Rig, account: FakeAccount) -> None:
    recorded = rig.record()
    sleeper = rig.context()
    put: Callable[..., Any] = account.put

    async def oversleep(wanted: WantedDeployment) -> None:
        await put(wanted)
        rig.clock.pass_(3600)
        with rig.ledger.database.write() as connection:
            now = rig.clock.now()
            DEPLOYMENTS.claim(connection, "another:1:0", now + 30, now, ids=[recorded.id])

    account.put = oversleep  # type: ignore[method-assign]
    work = asyncio.ensure_future(rig.drive(recorded, context=sleeper))
    while not account.made:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rig.reread(recorded).reason == "requesting it"
    account.put = put  # type: ignore[method-assign]
    await work
    assert rig.reread(recorded).state == "deployed"
