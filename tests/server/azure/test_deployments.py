"""Deployments by the clock: made, not ready, answering, expired, deleted; and their quotas."""

from __future__ import annotations

import json
import shutil

import openai
import pytest
from starlette.testclient import TestClient
from support.trainers import HERE

from orchestrator.server import worker
from orchestrator.server.app import Settings, create_app
from orchestrator.server.azure.access import Tokens
from orchestrator.server.settings import AzureSettings
from orchestrator.server.store import Store

BASE = "gpt-4.1-mini-2025-04-14"
DAY = 86_400
DEPLOYING, WARMING = 40, 20
READY = DEPLOYING + WARMING
EXAMPLE = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes"}]}
LINES = "\n".join(json.dumps(EXAMPLE).replace("hello", f"hello {number}") for number in range(10))
JOB = {"model": BASE, "suffix": "drone", "hyperparameters": {"n_epochs": 1}}
ACCOUNT = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ftorch/providers/"
    "Microsoft.CognitiveServices/accounts/ftorch"
)
REGION = ACCOUNT.partition("/resourceGroups")[0] + "/providers/Microsoft.CognitiveServices/locations"
VERSION = "api-version=2025-09-01"


class Manager:
    """Speaks to the management API of a resource."""

    def __init__(self, app, http, clock, identity="somebody"):
        folder = app.state.context.store.folder
        self.http = http
        self._issue = lambda: Tokens(folder, 3600, clock).issue("https://management.azure.com/", identity)[0]

    async def ask(self, method, place, **more):
        headers = {"authorization": f"Bearer {self._issue()}"}
        url = place if "?" in place else f"{place}?{VERSION}"
        return await self.http.request(method, url, headers=headers, **more)

    async def put(self, name, model, *, sku="Standard", capacity=50, format="OpenAI", **extra):
        body = {
            "sku": {"name": sku, "capacity": capacity},
            "properties": {"model": {"format": format, "name": model, "version": "1", **extra}},
        }
        return await self.ask("PUT", f"{ACCOUNT}/deployments/{name}", json=body)

    async def get(self, name):
        return await self.ask("GET", f"{ACCOUNT}/deployments/{name}")

    async def delete(self, name):
        return await self.ask("DELETE", f"{ACCOUNT}/deployments/{name}")

    async def state(self, name):
        return (await self.get(name)).json()["properties"]["provisioningState"]


@pytest.fixture
def manager(app, http, clock):
    return Manager(app, http, clock)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store in which a model was trained."""
    store = Store(tmp_path_factory.mktemp("trained"))
    file = store.files.add("train.jsonl", "fine-tune", store.blobs.put(LINES.encode()), 1)
    app = create_app(store.folder, settings=Settings(azure=AzureSettings()))
    with TestClient(app, base_url="http://resource") as http:
        job = http.post("/openai/v1/fine_tuning/jobs", json={**JOB, "training_file": file.id}).json()
    worker.work(store, job["id"], 1, HERE, has_slot=True)
    return store


@pytest.fixture
def app(trained, tmp_path, resource):
    """A resource with that store."""
    shutil.copytree(trained.folder, tmp_path / "resource")
    return resource(deploying_seconds=DEPLOYING, warming_seconds=WARMING)


@pytest.fixture
def tuned(trained, app):
    """The name of its model."""
    return next(model.name for model in trained.models.all() if ":ckpt-step-" not in model.name)


def ask_with(client):
    async def ask(name):
        answer = await client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "Climb to 12 metres"}]
        )
        return answer.model

    return ask


async def test_a_fine_tuned_model_answers_by_its_deployment_and_no_other_name(client, manager, clock, tuned):
    ask = ask_with(client)
    with pytest.raises(openai.NotFoundError) as missing:
        await ask(tuned)
    assert missing.value.code == "DeploymentNotFound"
    assert (await manager.put("drone", tuned)).status_code == 201
    clock.pass_(READY)
    assert await ask("drone") == tuned
    with pytest.raises(openai.NotFoundError):
        await ask(tuned)


async def test_a_checkpoint_is_deployed_by_its_id_alone(app, speak, manager, clock, tuned):
    models = app.state.context.store.models
    name = next(model.name for model in models.all() if ":ckpt-step-" in model.name)
    identity = models.checkpoint_id(name)
    made = await manager.put("earlier", identity)
    assert (made.status_code, made.json()["properties"]["model"]["name"]) == (201, identity)
    assert (await manager.put("by-name", name)).json()["error"]["code"] == "DeploymentModelNotSupported"
    clock.pass_(READY)
    assert await ask_with(speak(app, "v1"))("earlier") == name


async def test_succeeded_is_not_ready(app, speak, manager, clock, tuned):
    ask = ask_with(speak(app, "2024-10-21"))
    await manager.put("drone", tuned)
    assert await manager.state("drone") == "Creating"
    clock.pass_(DEPLOYING)
    assert await manager.state("drone") == "Succeeded"
    with pytest.raises(openai.NotFoundError):
        await ask("drone")
    clock.pass_(WARMING / 2)
    with pytest.raises(openai.RateLimitError) as early:
        await ask("drone")
    assert 0 < int(early.value.response.headers["retry-after"]) <= WARMING / 2
    clock.pass_(WARMING / 2)
    assert await ask("drone") == tuned


async def test_the_operation_says_how_far_it_is(manager, clock, tuned):
    made = await manager.put("drone", tuned)
    place = made.headers["azure-asyncoperation"]
    assert made.headers["retry-after"] == "4"
    assert (await manager.ask("GET", place)).json()["status"] == "Creating"
    clock.pass_(DEPLOYING)
    assert (await manager.ask("GET", place)).json()["status"] == "Succeeded"


async def test_a_deleted_deployment_is_silent_at_once_and_keeps_its_name_for_a_while(
    app, speak, manager, clock, tuned
):
    await manager.put("drone", tuned)
    clock.pass_(READY)
    gone = await manager.delete("drone")
    assert gone.status_code == 202
    assert await manager.state("drone") == "Deleting"
    with pytest.raises(openai.NotFoundError):
        await ask_with(speak(app, "v1"))("drone")
    again = await manager.put("drone", tuned)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "RequestConflict")
    clock.pass_(20)
    assert (await manager.ask("GET", gone.headers["location"])).json()["status"] == "Succeeded"
    assert (await manager.get("drone")).status_code == 404
    assert (await manager.put("drone", tuned)).status_code == 201


async def test_deleting_what_is_not_there_is_no_error(manager):
    assert (await manager.delete("nothing")).status_code == 204


async def test_the_same_put_again_changes_nothing_and_another_capacity_that_alone(manager, tuned):
    first = (await manager.put("drone", tuned, capacity=50)).json()
    again = await manager.put("drone", tuned, capacity=50)
    assert again.status_code == 200
    assert again.json()["systemData"]["createdAt"] == first["systemData"]["createdAt"]
    changed = (await manager.put("drone", tuned, capacity=70)).json()
    assert changed["sku"] == {"name": "Standard", "capacity": 70}
    assert [each["name"] for each in (await manager.ask("GET", f"{ACCOUNT}/deployments")).json()["value"]] == [
        "drone"
    ]


async def test_a_name_does_not_pass_to_another_model(manager, tuned):
    await manager.put("drone", tuned)
    other = await manager.put("drone", "gpt-4.1-mini")
    assert other.status_code == 409


async def test_a_deployment_that_nobody_calls_is_deleted_after_15_days(app, speak, manager, clock, tuned):
    ask = ask_with(speak(app, "v1"))
    await manager.put("drone", tuned)
    clock.pass_(14 * DAY)
    assert await ask("drone") == tuned
    clock.pass_(14 * DAY)
    assert await ask("drone") == tuned
    clock.pass_(16 * DAY)
    with pytest.raises(openai.NotFoundError):
        await ask("drone")
    assert (await manager.get("drone")).status_code == 404


async def test_a_developer_deployment_lives_for_a_day_however_much_it_is_called(app, speak, manager, clock, tuned):
    ask = ask_with(speak(app, "v1"))
    await manager.put("drone", tuned, sku="DeveloperTier")
    clock.pass_(DAY - 60)
    assert await ask("drone") == tuned
    clock.pass_(61)
    with pytest.raises(openai.NotFoundError):
        await ask("drone")


async def test_a_quota_that_is_used_up_says_how_much_is_used(manager, tuned):
    assert (await manager.put("one", tuned, capacity=200)).status_code == 201
    refused = await manager.put("two", tuned, capacity=100)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InsufficientQuota")
    assert "current available capacity 50. Its current usage is 200 and its limit is 250" in refused.text
    assert (await manager.put("two", tuned, capacity=100, sku="GlobalStandard")).status_code == 201
    usages = (await manager.ask("GET", f"{REGION}/swedencentral/usages")).json()["value"]
    used = {each["name"]["value"]: each["currentValue"] for each in usages if each["currentValue"]}
    assert used == {
        "OpenAI.Standard.gpt-4.1-mini-finetune": 200,
        "OpenAI.GlobalStandard.gpt-4.1-mini-finetune": 100,
    }


async def test_so_many_deployments_and_no_more(resource, to, clock, tuned):
    app = resource(deployments=2)
    few = Manager(app, to(app), clock)
    for name in ("one", "two"):
        assert (await few.put(name, tuned, capacity=1)).status_code == 201
    refused = await few.put("three", tuned, capacity=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InsufficientQuota")
    assert (await few.put("base", "gpt-4.1-mini", capacity=1)).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"format": "openai"}, "DeploymentModelNotSupported"),
        ({"model": f"{BASE}.ft-0-nothing"}, "DeploymentModelNotSupported"),
        ({"model": "gpt-5"}, "DeploymentModelNotSupported"),
        ({"sku": "Free"}, "BadRequest"),
        ({"capacity": 0}, "BadRequest"),
        ({"source": "/subscriptions/other"}, "InvalidResourceProperties"),
        ({"model": "gpt-4.1-mini", "sku": "DeveloperTier"}, "InvalidResourceProperties"),
        ({"name": "x" * 65}, "InvalidResourceProperties"),
    ],
)
async def test_what_can_not_be_deployed_is_refused(manager, tuned, wrong, code):
    wanted = {"name": "drone", "model": tuned, **wrong}
    refused = await manager.put(wanted.pop("name"), wanted.pop("model"), **wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(("model", "format"), [("gpt-oss-20b", "Microsoft"), ("Ministral-3B", "Mistral AI")])
async def test_an_open_weight_model_is_deployed_in_its_makers_name(manager, model, format):
    assert (await manager.put("open", model, format=format)).status_code == 201
    assert (await manager.put("other", model, format="OpenAI")).status_code == 400


async def test_a_region_without_the_model_does_not_deploy_it(resource, to, clock):
    app = resource(location="brazilsouth")
    there = Manager(app, to(app), clock)
    assert (await there.put("base", "gpt-4.1-mini")).json()["error"]["code"] == "DeploymentModelNotSupported"
    listed = (await there.ask("GET", f"{REGION}/brazilsouth/models")).json()["value"]
    assert "gpt-4.1-mini" not in {each["model"]["name"] for each in listed}


async def test_the_account_is_shown_and_its_models_listed(manager, tuned):
    account = (await manager.ask("GET", ACCOUNT)).json()
    assert (account["location"], account["properties"]["endpoint"]) == ("swedencentral", "http://resource/")
    models = (await manager.ask("GET", f"{ACCOUNT}/models")).json()["value"]
    found = next(model for model in models if model["name"] == tuned)
    assert found["baseModel"]["name"] == "gpt-4.1-mini"


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (ACCOUNT.replace("0001", "0009"), "SubscriptionNotFound"),
        (ACCOUNT.replace("resourceGroups/ftorch", "resourceGroups/other"), "ResourceGroupNotFound"),
        (ACCOUNT.replace("accounts/ftorch", "accounts/other"), "ResourceNotFound"),
        (f"{ACCOUNT.replace('accounts/ftorch', 'accounts/other')}/deployments/x", "ParentResourceNotFound"),
        (f"{ACCOUNT}/deployments/x", "ResourceNotFound"),
    ],
)
async def test_what_is_not_there_is_named(manager, place, code):
    answer = await manager.ask("GET", place)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


async def test_a_request_without_a_version_is_refused(manager):
    answer = await manager.ask("GET", f"{ACCOUNT}?x=1")
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"


async def test_management_takes_tokens_for_itself_alone_and_asks_for_the_role(app, http, clock, manager, tuned):
    assert (await http.get(f"{ACCOUNT}?{VERSION}")).json()["error"]["code"] == "AuthenticationFailed"
    data, _ = Tokens(app.state.context.store.folder, 60, clock).issue("https://cognitiveservices.azure.com", "x")
    answer = await http.get(f"{ACCOUNT}?{VERSION}", headers={"authorization": f"Bearer {data}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    trainer = Manager(app, http, clock, "openai-contributor")
    refused = await trainer.put("drone", tuned)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert (await trainer.ask("GET", ACCOUNT)).status_code == 200
