"""Which requests are let in: by API version, by key, by token and role."""

from __future__ import annotations

import openai
import pytest

from orchestrator.server.azure.access import Tokens

DATA = "https://cognitiveservices.azure.com"
JOBS = {
    "v1": "/openai/v1/fine_tuning/jobs",
    "2024-10-21": "/openai/fine_tuning/jobs?api-version=2024-10-21",
    "2025-04-01-preview": "/openai/fine_tuning/jobs?api-version=2025-04-01-preview",
}


def bearer(text):
    return {"authorization": f"Bearer {text}"}


@pytest.fixture
def tokens(app, clock):
    """Issues tokens as the resource of `app` does."""
    return Tokens(app.state.context.store.folder, 3600, clock)


async def test_a_path_without_its_version_is_not_found(http):
    answer = await http.get("/openai/fine_tuning/jobs")
    assert (answer.status_code, answer.json()) == (404, {"error": {"code": "404", "message": "Resource not found"}})


async def test_an_unknown_version_is_refused(http):
    answer = await http.get("/openai/files?api-version=2020-01-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert "API version not supported" in answer.text


async def test_the_azure_client_on_the_v1_path_is_told_that_no_version_is_allowed(app, speak):
    client = speak(app, "2024-10-21")
    client.base_url = "http://resource/openai/v1/"
    with pytest.raises(openai.BadRequestError, match="api-version query parameter is not allowed"):
        await client.fine_tuning.jobs.list()


async def test_an_unknown_path_is_not_found_in_the_words_of_azure(http):
    for place in ("/openai/nothing?api-version=2024-10-21", "/openai/v1/nothing"):
        answer = await http.get(place)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "404")


async def test_errors_have_no_type_and_no_param(http):
    answer = await http.get("/openai/v1/fine_tuning/jobs/ftjob-nothing")
    assert answer.status_code == 404
    inner = {"code": "fine_tune_not_found"}
    message = "Could not find fine tune: ftjob-nothing"
    assert answer.json() == {"error": {"code": "notFound", "message": message, "innererror": inner}}


async def test_a_resource_without_a_key_lets_everybody_in(http, version):
    assert (await http.get(JOBS[version])).status_code == 200


@pytest.mark.parametrize("wrong", [{}, {"api-key": "wrong"}, bearer("wrong"), {"authorization": "Basic x"}])
async def test_a_resource_with_a_key_asks_for_it(resource, to, version, wrong):
    http = to(resource(key="right"))
    answer = await http.get(JOBS[version], headers=wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")
    assert (await http.get(JOBS[version], headers={"api-key": "right"})).status_code == 200


async def test_v1_takes_the_key_as_a_bearer_and_dated_versions_do_not(resource, to, version):
    answer = await to(resource(key="right")).get(JOBS[version], headers=bearer("right"))
    assert answer.status_code == (200 if version == "v1" else 401)


async def test_a_key_with_two_dots_is_still_a_key(resource, to):
    http = to(resource(key="a.b.c"))
    assert (await http.get(JOBS["v1"], headers=bearer("a.b.c"))).status_code == 200


async def test_a_resource_can_be_closed_without_having_a_key(resource, to, clock):
    app = resource(signed_in_only=True)
    token, _ = Tokens(app.state.context.store.folder, 3600, clock).issue(DATA, "anybody")
    assert (await to(app).get(JOBS["v1"])).status_code == 401
    assert (await to(app).get(JOBS["v1"], headers=bearer(token))).status_code == 200


async def test_the_key_of_the_resource_guards_the_openai_paths_of_the_same_server_too(resource, to):
    http = to(resource(key="right"))
    assert (await http.get("/v1/models")).status_code == 401
    assert (await http.get("/v1/models", headers=bearer("right"))).status_code == 200


async def test_a_token_is_refused_when_its_time_is_over(http, tokens, clock, version):
    token, _ = tokens.issue(DATA, "anybody")
    assert (await http.get(JOBS[version], headers=bearer(token))).status_code == 200
    clock.pass_(3600)
    answer = await http.get(JOBS[version], headers=bearer(token))
    assert answer.status_code == 401
    assert "or have expired" in answer.json()["error"]["message"]


async def test_a_token_for_another_service_and_a_forged_one_are_refused(http, tokens):
    other, _ = tokens.issue("https://management.azure.com", "anybody")
    good, _ = tokens.issue(DATA, "anybody")
    forged = good[:-2] + ("AA" if good[-2:] != "AA" else "BB")
    for token in (other, forged, "a.b.c"):
        assert (await http.get(JOBS["v1"], headers=bearer(token))).status_code == 401


async def test_tokens_outlive_the_process_that_issued_them(resource, to, clock):
    first, second = resource(), resource()
    token, _ = Tokens(first.state.context.store.folder, 3600, clock).issue(DATA, "anybody")
    assert (await to(second).get(JOBS["v1"], headers=bearer(token))).status_code == 200
    secret = first.state.context.store.folder / "entra.key"
    assert secret.stat().st_mode & 0o777 == 0o600


CHAT = "/openai/v1/chat/completions"
RIGHTS = [
    ("openai-contributor", 200, 400, 400),
    ("openai-user", 200, 403, 400),
    ("no-role", 403, 403, 401),
    ("somebody-else", 200, 400, 400),
]


@pytest.mark.parametrize(("identity", "look", "train", "ask"), RIGHTS)
async def test_a_token_does_what_the_roles_of_its_identity_allow(http, tokens, identity, look, train, ask):
    """400 is the answer to an empty request that was let in."""
    headers = bearer(tokens.issue(DATA, identity)[0])
    assert (await http.get(JOBS["v1"], headers=headers)).status_code == look
    made = await http.post(JOBS["v1"], json={}, headers=headers)
    asked = await http.post(CHAT, json={}, headers=headers)
    assert (made.status_code, asked.status_code) == (train, ask)
    for refused in (made, asked):
        if refused.status_code in (401, 403):
            assert refused.json()["error"]["code"] == "PermissionDenied"
            assert identity in refused.json()["error"]["message"]


async def test_a_project_has_the_same_files_but_no_uploads_in_parts_and_no_dated_versions(http, clock, lines):
    project = "/api/projects/ftorch/openai"
    form = {"files": {"file": ("train.jsonl", lines(10))}, "data": {"purpose": "fine-tune"}}
    file = (await http.post(f"{project}/v1/files", **form)).json()
    assert (await http.get(f"/openai/v1/files/{file['id']}")).json()["bytes"] == file["bytes"]
    upload = {"filename": "a.jsonl", "bytes": 1, "purpose": "fine-tune", "mime_type": "text/jsonl"}
    assert (await http.post(f"{project}/v1/uploads", json=upload)).status_code == 404
    assert (await http.post("/openai/v1/uploads", json=upload)).status_code == 200
    assert (await http.get(f"{project}/files", params={"api-version": "2024-10-21"})).status_code == 404
    assert (await http.get("/api/projects/other/openai/v1/files")).status_code == 404
