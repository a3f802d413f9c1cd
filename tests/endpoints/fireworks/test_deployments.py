"""Deployments on Fireworks: their hardware and price are known before they are made, and names are ours."""

from __future__ import annotations

import httpx2
import pytest
from support.fireworks_host import ACCOUNT, BASE, SERVERLESS
from support.fireworks_wire import Fireworks

from orchestrator.endpoints.fireworks.deployments import FireworksDeployments
from orchestrator.endpoints.management import WantedDeployment, called_name, gpus_of
from orchestrator.errors import DeploymentRefused

MODEL = f"accounts/{ACCOUNT}/models/qwen3-8b-ft-drone-7pw2v6vb"
DEFAULT, OTHER = "1xH200_141GB", "2xH100_80GB"


@pytest.fixture
def account(fireworks: Fireworks) -> FireworksDeployments:
    return FireworksDeployments(fireworks.endpoint)


def wanted(sku: str = DEFAULT, *, temporary: bool = False) -> WantedDeployment:
    return WantedDeployment("mine", MODEL, sku, 1, temporary=temporary)


async def test_hardware_is_asked_for_and_nothing_is_made(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    assert await account.sku_for(MODEL) == DEFAULT
    assert fireworks.state.deployments == {}


async def test_a_deployment_is_made_stopped_when_idle_and_named_by_us(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted())
    made = fireworks.state.deployments["mine"]
    assert (made["minReplicaCount"], made["maxReplicaCount"], "autoscalingPolicy" in made) == (0, 1, False)
    found = await account.get("mine")
    assert found is not None
    assert (found.model, found.state, found.sku, found.capacity) == (MODEL, "Succeeded", DEFAULT, 1)


async def test_one_for_an_evaluation_is_stopped_as_soon_as_possible(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted(temporary=True))
    assert fireworks.state.deployments["mine"]["autoscalingPolicy"] == {"scaleToZeroWindow": "300s"}


async def test_a_request_for_one_that_is_there_makes_no_second(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted())
    await account.put(wanted())
    assert [*fireworks.state.deployments] == ["mine"]
    assert fireworks.wire.asked("POST", "/deployments")[-1]["status"] == 409


@pytest.mark.parametrize("status", [400, 429])
async def test_a_full_quota_is_refused_with_a_way_out_and_not_waited_for(
    fireworks: Fireworks, account: FireworksDeployments, status: int
) -> None:
    said = {"code": 8, "message": "quota for NVIDIA_H200_141GB is 0, need 1", "details": []}
    fireworks.wire.instead.append(
        lambda asked: httpx2.Response(status, json=said) if asked.method == "POST" else None
    )
    for call in (account.sku_for(MODEL), account.put(wanted())):
        with pytest.raises(DeploymentRefused, match="remove a deployment, or ask Fireworks for more processors"):
            await call


async def test_a_web_page_does_not_say_that_a_deployment_is_gone(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted())
    fireworks.wire.instead.append(lambda _asked: httpx2.Response(404, html="<html><title>404</title></html>"))
    with pytest.raises(DeploymentRefused, match="a web page, not the API, answered"):
        await account.get("mine")


async def test_other_hardware_is_found_among_the_shapes(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted(OTHER))
    asked = fireworks.wire.asked("POST", "/deployments")[-1]["body"]["deploymentShape"]
    assert asked == "accounts/fireworks/deploymentShapes/fast/versions/v1"
    assert (await account.all())[0].sku == OTHER


async def test_hardware_that_no_shape_has_is_refused_with_those_that_do(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    with pytest.raises(DeploymentRefused, match=f"no 9xT4 for .*, but {DEFAULT}, {OTHER}"):
        await account.put(wanted("9xT4"))
    assert fireworks.state.deployments == {}


async def test_a_removed_one_is_gone_and_its_name_free(fireworks: Fireworks, account: FireworksDeployments) -> None:
    await account.put(wanted())
    await account.delete("mine")
    await account.get("mine")
    assert await account.get("mine") is None
    await account.delete("mine")
    await account.put(wanted())
    assert (await account.get("mine")) is not None


async def test_one_that_somebody_deleted_softly_is_not_there(
    fireworks: Fireworks, account: FireworksDeployments
) -> None:
    await account.put(wanted())
    fireworks.state.deployments["mine"]["state"] = "DELETED"
    assert await account.get("mine") is None
    assert await account.all() == []


@pytest.mark.parametrize(("model", "answers"), [(SERVERLESS, True), (BASE, False), (MODEL, False)])
async def test_only_shared_base_models_answer_without_one(
    account: FireworksDeployments, model: str, answers: bool
) -> None:
    assert await account.answers(model) is answers


async def test_a_refusal_has_the_hosts_reason(fireworks: Fireworks, account: FireworksDeployments) -> None:
    fireworks.state.deployment_problem = "the model is not ready"
    with pytest.raises(DeploymentRefused, match="the model is not ready"):
        await account.put(wanted())


def test_requests_call_it_by_the_account_of_its_model() -> None:
    assert called_name(MODEL, "mine") == f"accounts/{ACCOUNT}/deployments/mine"
    assert called_name("gpt-4.1-mini-2025-04-14.ft-1-x", "mine") == "mine"


@pytest.mark.parametrize(("sku", "gpus"), [(OTHER, (2, "H100_80GB")), ("Standard", None), ("default", None)])
def test_a_sku_may_be_hardware(sku: str, gpus: tuple[int, str] | None) -> None:
    assert gpus_of(sku) == gpus
