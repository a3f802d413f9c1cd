"""Deployments through Microsoft's own management library, against a real HTTP peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from support.azure_resource import BASE, SUBSCRIPTION, AzureResource, azure_resource

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import management, open_management
from orchestrator.endpoints.azure.models import arm_model, model_format, model_name
from orchestrator.endpoints.management import Management, WantedDeployment, manages
from orchestrator.errors import (
    AzureMissing,
    DeploymentRefused,
    DeploymentsNotConfigured,
    DeployQuotaFull,
    DeployRoleMissing,
    DeploySignInFailed,
    EndpointUnreachable,
)


@pytest.fixture(scope="module")
def resource(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureResource]:
    with azure_resource(tmp_path_factory.mktemp("resource")) as served:
        yield served


@pytest.fixture
def config(resource: AzureResource, monkeypatch: pytest.MonkeyPatch) -> EndpointConfig:
    for name, value in resource.environment.items():
        monkeypatch.setenv(name, value)
    return EndpointConfig(
        "azure-sim",
        "azure",
        base_url=resource.address,
        arm_url=resource.address,
        api_key_env="SIM_KEY",
        subscription_id=SUBSCRIPTION,
        resource_group="ftorch",
        account="ftorch",
        source="ftorch.toml",
    )


@pytest.fixture
async def arm(config: EndpointConfig) -> AsyncIterator[Management]:
    async with open_management(config) as opened:
        yield opened


async def state_after(arm: Management, name: str, passing: str) -> str | None:
    """What the deployment is when it is no more `passing`."""
    for _ in range(50):
        found = await arm.get(name)
        if found is None or found.state != passing:
            return found.state if found else None
        await asyncio.sleep(0.05)
    return passing


async def test_a_deployment_lives_and_ends(arm: Management, resource: AzureResource) -> None:
    assert await arm.get("mine") is None
    await arm.put(WantedDeployment("mine", resource.model, "Standard", 50))
    found = await arm.get("mine")
    assert found is not None
    assert (found.name, found.model, found.sku, found.capacity) == ("mine", resource.model, "Standard", 50)
    assert found.created_at is not None
    assert await state_after(arm, "mine", "Creating") == "Succeeded"
    assert "mine" in [each.name for each in await arm.all()]
    await arm.delete("mine")
    assert await state_after(arm, "mine", "Deleting") is None


async def test_asking_twice_makes_one_and_ending_twice_is_no_error(
    arm: Management, resource: AzureResource
) -> None:
    wanted = WantedDeployment("twice", resource.model, "DeveloperTier", 10)
    await arm.put(wanted)
    await arm.put(wanted)
    assert [each.name for each in await arm.all()].count("twice") == 1
    await arm.delete("twice")
    await arm.delete("twice")
    await arm.delete("never-there")


async def test_a_base_model_is_deployed_by_its_name_and_version(arm: Management) -> None:
    await arm.put(WantedDeployment("base", BASE, "GlobalStandard", 10))
    found = await arm.get("base")
    assert found is not None
    assert found.model == BASE
    await arm.delete("base")


async def test_a_full_quota_says_what_is_in_use(arm: Management, resource: AzureResource) -> None:
    with pytest.raises(DeployQuotaFull) as caught:
        await arm.put(WantedDeployment("big", resource.model, "Standard", 900))
    assert "OpenAI.Standard.gpt-4.1-mini-finetune 0 of 250" in str(caught.value)
    assert "--capacity" in str(caught.value)


async def test_the_room_that_is_left_is_told_for_each_kind_of_hosting(
    arm: Management, resource: AzureResource
) -> None:
    await arm.put(WantedDeployment("taken", resource.model, "Standard", 240))
    room = await arm.room(resource.model)
    await arm.delete("taken")
    assert room is not None
    assert room.region == "swedencentral"
    assert room.by_sku == {"Standard": 10, "GlobalStandard": 250, "DeveloperTier": 250}


async def test_of_a_model_without_a_known_version_no_room_is_told(arm: Management) -> None:
    assert await arm.room("Ministral-3B.ft-1-drone") is None


async def test_a_sku_that_does_not_fit_names_the_option(arm: Management) -> None:
    with pytest.raises(DeploymentRefused, match="--sku"):
        await arm.put(WantedDeployment("base", BASE, "DeveloperTier", 10))


async def test_a_missing_role_is_named(config: EndpointConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "openai-contributor")
    async with open_management(config) as arm:
        with pytest.raises(DeployRoleMissing, match="Cognitive Services Contributor"):
            await arm.put(WantedDeployment("mine", BASE, "GlobalStandard", 10))


async def test_a_key_of_the_resource_does_not_sign_in(
    config: EndpointConfig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    async with open_management(config) as arm:
        with pytest.raises(DeploySignInFailed, match="not with the resource's key"):
            await arm.all()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("wrong", [{"account": "another"}, {"resource_group": "another"}])
async def test_a_wrong_resource_names_the_keys_to_look_at(config: EndpointConfig, wrong: dict[str, str]) -> None:
    async with open_management(replace(config, **wrong)) as arm:  # type: ignore[arg-type]
        with pytest.raises(DeploymentRefused, match="check subscription_id, resource_group and account"):
            await arm.all()


async def test_a_wrong_resource_is_not_taken_for_a_missing_deployment(config: EndpointConfig) -> None:
    async with open_management(replace(config, account="another")) as arm:
        with pytest.raises(DeploymentRefused):
            await arm.get("mine")


async def test_an_account_that_is_away_is_unreachable(config: EndpointConfig) -> None:
    async with open_management(replace(config, arm_url="http://127.0.0.1:9")) as arm:
        with pytest.raises(EndpointUnreachable):
            await arm.all()


async def test_without_the_resources_place_the_missing_keys_are_named(config: EndpointConfig) -> None:
    halfway = replace(config, account=None, resource_group=None)
    assert not manages(halfway)
    with pytest.raises(DeploymentsNotConfigured, match="resource_group and account are not set"):
        async with open_management(halfway):
            pass


async def test_without_the_library_the_extra_is_named(
    config: EndpointConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "find_spec", lambda name: None if "mgmt" in name else object())
    with pytest.raises(AzureMissing, match=r"pip install .azure-identity"):
        async with open_management(config):
            pass


@pytest.mark.parametrize(
    ("model", "spelling"),
    [
        ("gpt-4.1-mini-2025-04-14.ft-1-x", "OpenAI"),
        ("gpt-oss-20b.ft-1-x", "Microsoft"),
        ("Ministral-3B.ft-1-x", "Mistral AI"),
        ("Llama-3.3-70B-Instruct.ft-1-x", "Meta"),
        ("Qwen-3-32B.ft-1-x", "Alibaba"),
    ],
)
def test_a_model_has_its_makers_format(model: str, spelling: str) -> None:
    assert model_format(model) == spelling


@pytest.mark.parametrize("model", [BASE, "gpt-4.1-mini-2025-04-14.ft-1-x", "gpt-35-turbo-0125", "Ministral-3B"])
def test_a_models_name_goes_there_and_back(model: str) -> None:
    sent = arm_model(model)
    assert model_name(sent.name, sent.version or "7") == model
