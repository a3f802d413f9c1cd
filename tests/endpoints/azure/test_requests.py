"""What is sent to Azure: each dialect gets what it knows, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx2
import pytest
from support.azure_requests import API, violations
from support.contents import content_of

from orchestrator.endpoints.interface import JobRequest
from orchestrator.errors import RequestRefused

KEY = "azure-key-0123456789"
PROJECT = "https://res.services.ai.azure.com/api/projects/flight"
OLD, PREVIEW = API, "2025-04-01-preview"


def ok(value=None, status=200):
    return httpx2.Response(status, json=value or {"id": "x-1", "data": [], "file": {"id": "file-1"}})


def body(request):
    return json.loads(request.content)


@pytest.fixture
def dpo(job_request) -> JobRequest:
    return replace(job_request, method={"type": "dpo", "hyperparameters": {"n_epochs": 2, "beta": "auto"}})


# --- where to, and signed how ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    [
        f"https://res.openai.azure.com{rest}"
        for rest in ("", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/")
    ],
)
@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("v1", "https://res.openai.azure.com/openai/v1/fine_tuning/jobs/ftjob-1"),
        (OLD, f"https://res.openai.azure.com/openai/fine_tuning/jobs/ftjob-1?api-version={OLD}"),
    ],
)
async def test_an_address_may_be_copied_with_or_without_the_apis_path(base_url, api, expected, azure, wire):
    wire.answers(ok())
    await (await azure(base_url=base_url, api=api)).job("ftjob-1")
    assert str(wire.requests[0].url) == expected


@pytest.mark.parametrize("rest", ["", "/", "/openai", "/openai/v1", "/openai/v1/"])
async def test_the_address_of_a_project_may_be_copied_in_every_form(rest, azure, wire):
    wire.answers(ok())
    await (await azure(base_url=f"{PROJECT}{rest}")).job("ftjob-1")
    assert str(wire.requests[0].url) == f"{PROJECT}/openai/v1/fine_tuning/jobs/ftjob-1"


async def test_only_a_project_may_lack_uploads_in_parts(azure, wire):
    missing = httpx2.Response(404, json={"error": {"code": "404", "message": "Resource not found"}})
    wire.answers(missing, missing)
    assert await (await azure(base_url=PROJECT)).open_upload("train.jsonl", 200_000_000) is None
    with pytest.raises(RequestRefused):
        await (await azure()).open_upload("train.jsonl", 200_000_000)


async def test_v1_is_signed_as_the_plain_client_does_and_has_no_api_version(azure, wire):
    wire.answers(ok())
    await (await azure()).jobs()
    [request] = wire.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "api-version" not in request.url.params


async def test_a_dated_dialect_is_signed_by_its_own_header(azure, wire):
    wire.answers(ok())
    await (await azure(api=OLD)).jobs()
    [request] = wire.requests
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers


async def test_variables_of_the_sdk_that_are_set_by_chance_change_nothing(azure, wire, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "other-token")
    monkeypatch.setenv("OPENAI_API_VERSION", "1999-01-01")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://elsewhere.example")
    wire.answers(ok())
    await (await azure(api=OLD)).jobs()
    [request] = wire.requests
    assert request.url.host == "res.openai.azure.com"
    assert request.url.params["api-version"] == OLD
    assert (request.headers["api-key"], request.headers.get("authorization")) == (KEY, None)


# --- creating a job ----------------------------------------------------------------------------------------

PLAIN = {
    "model": "gpt-4.1-mini-2025-04-14",
    "training_file": "file-t",
    "validation_file": "file-v",
    "seed": 7,
    "suffix": "drone-ab12cd34",
}


@pytest.mark.parametrize(
    ("api", "told"),
    [
        ("v1", {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}}),
        (PREVIEW, {"method": {"type": "supervised"}, "hyperparameters": {"n_epochs": 3}}),
        (OLD, {"hyperparameters": {"n_epochs": 3}}),
    ],
)
async def test_each_dialect_is_told_the_method_in_its_own_way(api, told, azure, wire, job_request):
    """A hyperparameter that is "auto" is left out, and metadata are never sent."""
    wire.answers(ok())
    await (await azure(api=api)).create(replace(job_request, metadata={"ftorch_token": "01T"}))
    assert body(wire.requests[0]) == {**PLAIN, **told}


async def test_hyperparameters_that_are_all_auto_are_not_mentioned(azure, wire, job_request):
    wire.answers(ok())
    auto = {"type": "supervised", "hyperparameters": {"n_epochs": "auto"}}
    await (await azure(api=OLD)).create(replace(job_request, method=auto))
    assert body(wire.requests[0]) == PLAIN


@pytest.mark.parametrize(
    ("training_type", "spelled"),
    [
        ("Standard", "standard"),
        ("GlobalStandard", "globalStandard"),
        ("DataZoneStandard", "dataZoneStandard"),
        ("DeveloperTier", "developerTier"),
    ],
)
@pytest.mark.parametrize("api", ["v1", PREVIEW])
async def test_the_training_type_is_sent_as_azure_spells_it(api, training_type, spelled, azure, wire, job_request):
    wire.answers(ok())
    await (await azure(api=api)).create(replace(job_request, training_type=training_type))
    assert body(wire.requests[0])["trainingType"] == spelled


async def test_dpo_is_told_by_the_preview_and_by_v1(azure, wire, dpo):
    wire.answers(ok())
    await (await azure(api=PREVIEW)).create(dpo)
    await (await azure()).create(dpo)
    assert body(wire.requests[0])["method"] == {"type": "dpo"}
    assert body(wire.requests[1])["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2}}}


async def test_create_is_sent_once_whatever_comes_back(azure, wire, job_request):
    from orchestrator.errors import OutcomeUnknown

    wire.answers(httpx2.Response(500))
    for api in ("v1", OLD):
        with pytest.raises(OutcomeUnknown):
            await (await azure(api=api)).create(job_request)
    assert len(wire.requests) == 2


# --- calling a model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "path"),
    [("v1", "/openai/v1/chat/completions"), (OLD, "/openai/deployments/my%20drone/chat/completions")],
)
async def test_a_model_is_called_by_the_name_of_its_deployment(api, path, azure, wire):
    wire.answers(ok())
    await (await azure(api=api)).chat({"model": "my drone", "messages": []}, "once-1")
    assert wire.requests[0].url.raw_path.decode().split("?")[0] == path
    assert body(wire.requests[0])["model"] == "my drone"


# --- everything --------------------------------------------------------------------------------------------


async def test_every_request_of_the_old_dialect_is_one_that_it_knows(azure, wire, job_request, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    wire.answers(ok())
    endpoint, content = await azure(api=OLD), content_of(path)
    await endpoint.check()
    await endpoint.upload(content, "a.jsonl")
    await endpoint.open_upload("a.jsonl", 3)
    await endpoint.add_part("up-1", content)
    await endpoint.complete_upload("up-1", ["part-1"], "0" * 32, 3)
    await endpoint.cancel_upload("up-1")
    await endpoint.import_file("https://there/a.jsonl", "a.jsonl")
    await endpoint.find_files("a.jsonl")
    await endpoint.file("file-1")
    await endpoint.delete_file("file-1")
    await endpoint.create(replace(job_request, metadata={"a": "b"}, training_type="Standard"))
    await endpoint.job("ftjob-1")
    await endpoint.jobs(after="ftjob-1", metadata={"a": "b"})
    await endpoint.cancel("ftjob-1")
    await endpoint.events("ftjob-1")
    await endpoint.checkpoints("ftjob-1")
    with pytest.raises(RequestRefused, match="it is not a CSV"):
        await endpoint.result_rows("file-2")
    await endpoint.chat({"model": "drone", "messages": []}, "once-1")
    assert len(wire.requests) == 18
    assert [violation for request in wire.requests for violation in violations(request)] == []


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (
            httpx2.Request("GET", f"https://r/openai/files?api-version={OLD}&limit=1"),
            "/openai/files has no query limit",
        ),
        (httpx2.Request("GET", "https://r/openai/files"), f"/openai/files has no api-version {OLD}"),
        (httpx2.Request("POST", "https://r/openai/x"), f"POST /openai/x is no request of {OLD}"),
        (
            httpx2.Request(
                "POST",
                f"https://r/openai/fine_tuning/jobs?api-version={OLD}",
                json={"hyperparameters": {"n_epochs": "auto"}},
            ),
            "/openai/fine_tuning/jobs.hyperparameters.n_epochs is 'auto'",
        ),
        (
            httpx2.Request("POST", f"https://r/openai/fine_tuning/jobs?api-version={OLD}", json={"metadata": {}}),
            "/openai/fine_tuning/jobs has no field metadata",
        ),
    ],
)
def test_the_description_finds_what_the_version_does_not_know(request_, found):
    assert violations(request_) == [found]
