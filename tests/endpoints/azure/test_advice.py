"""Azure's refusals come with the way out: its own messages seldom name one."""

from __future__ import annotations

import time
from dataclasses import replace
from unittest.mock import Mock

import httpx2
import pytest

from orchestrator.endpoints.azure import endpoint as opening
from orchestrator.endpoints.azure.signin import EntraSignIn
from orchestrator.errors import (
    EndpointBusy,
    EndpointUnreachable,
    KeyRefused,
    NetworkRefused,
    RequestRefused,
    RoleMissing,
    SignInRefused,
    TokenUnfit,
)


def refusal(status, message, code=None, **headers):
    """As Azure writes it: without type and param."""
    return httpx2.Response(status, json={"error": {"code": code, "message": message}}, headers=headers)


async def told(endpoint):
    with pytest.raises(RequestRefused) as caught:
        await endpoint.jobs()
    return str(caught.value)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (
            refusal(404, "Resource not found", "404"),
            'check base_url = https://res.openai.azure.com and api = "v1"',
        ),
        (
            refusal(400, "api-version query parameter is not allowed when using /v1 path", "BadRequest"),
            'check api = "v1": set "v1", or the date of an existing version, such as "2024-10-21"',
        ),
        (refusal(404, "API version not supported", "BadRequest"), 'check api = "v1"'),
        (
            refusal(400, "The specified base model does not support fine-tuning.", "invalidPayload"),
            "not every region trains every model",
        ),
        (refusal(400, "The model x is no longer available for fine-tuning.", "ModelDeprecated"), "concepts/models"),
        (refusal(403, "The client has no permission …", "LinkedAuthorizationFailed"), "ask for a role there"),
        (
            refusal(400, "The provided training data failed RAI checks for harm types: [violence].", "BadRequest"),
            "Azure checks training data",
        ),
    ],
)
async def test_a_refusal_names_the_next_step(answer, advice, azure, wire):
    wire.answers(answer)
    message = await told(await azure())
    assert advice in message
    assert answer.json()["error"]["message"] in message


@pytest.mark.parametrize(
    ("answer", "kind", "advice"),
    [
        (refusal(403, "Access denied due to Virtual Network/Firewall rules.", "403"), NetworkRefused, "Networking"),
        (
            refusal(403, "Public access is disabled. Please configure private endpoint.", "403"),
            NetworkRefused,
            "only from its private network",
        ),
        (
            refusal(400, "Token tenant 1 does not match resource tenant.", "BadRequest"),
            TokenUnfit,
            "az login --tenant TENANT",
        ),
        (
            refusal(403, "Key based authentication is disabled for this resource.", "AuthenticationTypeDisabled"),
            KeyRefused,
            'auth = "entra"',
        ),
        (
            refusal(400, "Please provide a custom subdomain for token authentication.", "BadRequest"),
            TokenUnfit,
            "--custom-domain NAME",
        ),
    ],
)
async def test_what_concerns_the_whole_account_holds_its_runs(answer, kind, advice, azure, wire):
    wire.answers(answer)
    with pytest.raises(kind) as caught:
        await (await azure()).jobs()
    assert advice in str(caught.value)
    assert answer.json()["error"]["message"] in str(caught.value)
    assert "ftorch resume" in str(caught.value)
    assert "the key in :" not in str(caught.value)
    assert "Sign in to the tenant of the resource" not in str(caught.value)


async def test_a_job_that_is_not_there_is_no_wrong_address(azure, wire):
    wire.answers(refusal(404, "Fine-tuning job not found.", "notFound"))
    assert "base_url" not in await told(await azure())


async def test_a_resource_that_no_name_server_knows_is_told_with_its_address(azure, wire):
    wire.answers(httpx2.ConnectError("[Errno -2] Name or service not known"))
    with pytest.raises(EndpointUnreachable) as caught:
        await (await azure()).jobs()
    advice = "(base_url = https://res.openai.azure.com); there may be no resource of that name: check base_url"
    assert advice in str(caught.value)
    assert caught.value.facts["sent"] is False


async def test_a_refused_key_is_named_by_its_variable(azure, wire):
    wire.answers(refusal(401, "Access denied due to invalid subscription key or wrong API endpoint.", "401"))
    with pytest.raises(KeyRefused, match="refused the key in AZURE_OPENAI_API_KEY") as caught:
        await (await azure()).jobs()
    assert type(caught.value) is KeyRefused
    assert len(wire.requests) == 1


async def test_a_missing_role_stops_the_work_and_loses_nothing(azure, wire, job_request):
    wire.answers(refusal(403, "The caller is forbidden to do this.", "forbidden"))
    with pytest.raises(RoleMissing, match=r'"Cognitive Services OpenAI\s+Contributor".*ftorch resume'):
        await (await azure()).create(job_request)


@pytest.mark.parametrize("status", [400, 403, 409, 429])
async def test_a_full_queue_is_waited_for_and_the_use_is_told(status, azure, wire, job_request):
    statuses = ["running", "pending", "pending", "created", "succeeded", "failed"]
    jobs = {"data": [{"id": f"ftjob-{number}", "status": status} for number, status in enumerate(statuses)]}
    wire.answers(
        refusal(status, "The queue of training jobs is full.", "quotaExceeded"), httpx2.Response(200, json=jobs)
    )
    with pytest.raises(EndpointBusy) as caught:
        await (await azure()).create(job_request)
    assert "it has 6 jobs, 1 of them running and 3 waiting" in str(caught.value)
    assert caught.value.facts["retry_after"] == 60


async def test_a_full_queue_is_waited_for_as_long_as_azure_says(azure, wire, job_request):
    full = refusal(429, "Too many jobs.", "quotaExceeded", **{"retry-after": "7"})
    wire.answers(full, httpx2.Response(200, json={"data": []}))
    with pytest.raises(EndpointBusy) as caught:
        await (await azure()).create(job_request)
    assert caught.value.facts["retry_after"] == 7


async def test_a_rate_limit_is_no_full_queue(azure, wire, job_request):
    wire.answers(refusal(429, "Requests are being sent too fast.", "tooManyRequests", **{"retry-after": "3"}))
    with pytest.raises(EndpointBusy) as caught:
        await (await azure()).create(job_request)
    assert "it has" not in str(caught.value)
    assert (caught.value.facts["retry_after"], len(wire.requests)) == (3, 1)


async def test_full_storage_is_waited_for_at_an_upload_too(azure, wire, tmp_path):
    from support.contents import content_of

    (tmp_path / "a.jsonl").write_text("{}\n")
    wire.answers(refusal(403, "The resource holds 100 files.", "quotaExceeded"))
    with pytest.raises(EndpointBusy, match="The resource holds 100 files"):
        await (await azure()).upload(content_of(tmp_path / "a.jsonl"), "a.jsonl")


async def test_the_key_is_taken_out_of_what_azure_says(azure, wire, azure_config):
    wire.answers(refusal(400, "bad key azure-key-0123456789 in the request", "invalidPayload"))
    assert "[key]" in await told(await azure())
    assert replace(azure_config).api_key_env == "AZURE_OPENAI_API_KEY"


@pytest.fixture
def entra(azure, monkeypatch):
    """Opens the endpoint with a token of Entra ID."""
    identity = Mock(get_token=lambda *_: Mock(token="token", expires_on=time.time() + 3600))
    monkeypatch.setattr(opening, "EntraSignIn", lambda config: EntraSignIn(config, lambda: identity))

    async def open_(**settings):
        return await azure(auth="entra", api_key_env=None, **settings)

    return open_


def wrong_audience(audience):
    """As quoted in https://github.com/microsoft/agent-framework/issues/7201."""
    said = f"Unauthorized. Access token is missing, invalid, audience is incorrect ({audience}), or have expired."
    return httpx2.Response(401, json={"statusCode": 401, "message": said})


async def test_a_token_for_another_audience_names_the_scope_to_set(entra, wire):
    wire.answers(wrong_audience("https://ai.azure.com"))
    with pytest.raises(TokenUnfit, match=r'set scope = "https://ai\.azure\.com/\.default" in ftorch\.toml'):
        await (await entra()).jobs()
    assert len(wire.requests) == 2  # renewed once: Azure says the same of a token that has expired


async def test_an_expired_token_is_no_reason_to_set_a_scope(entra, wire):
    wire.answers(wrong_audience("https://cognitiveservices.azure.com"))
    with pytest.raises(SignInRefused) as caught:
        await (await entra()).jobs()
    assert "scope" not in str(caught.value)


async def test_a_key_at_the_address_of_a_project_is_told_what_to_use_instead(azure, wire):
    wire.answers(wrong_audience("https://ai.azure.com"))
    endpoint = await azure(base_url="https://res.services.ai.azure.com/api/projects/flight")
    with pytest.raises(KeyRefused, match=r'takes tokens, not keys: set auth = "entra" in ftorch\.toml'):
        await endpoint.jobs()
