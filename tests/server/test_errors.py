"""What is answered when nothing can be answered."""

from __future__ import annotations

import logging

import httpx2
import pytest

from orchestrator.server.app import Settings, create_app


def _is_error(answer, status):
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"].startswith("req_")
    return answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/files/", 404),
        ("PUT", "/files", 405),
        ("DELETE", "/fine_tuning/jobs", 405),
        ("GET", "/files/file-none", 404),
        ("GET", "/files/file-none/content", 404),
        ("DELETE", "/files/file-none", 404),
        ("GET", "/fine_tuning/jobs/ftjob-none", 404),
        ("GET", "/fine_tuning/jobs/ftjob-none/events", 404),
        ("GET", "/fine_tuning/jobs/ftjob-none/checkpoints", 404),
        ("POST", "/fine_tuning/jobs/ftjob-none/cancel", 404),
        ("POST", "/uploads/upload_none/cancel", 404),
        ("GET", "/models/ft:none", 404),
        ("GET", "/fine_tuning/jobs?limit=0", 400),
        ("GET", "/fine_tuning/jobs?limit=x", 400),
        ("GET", "/fine_tuning/jobs?after=ftjob-none", 400),
        ("GET", "/files?order=up", 400),
    ],
)
async def test_every_refusal_is_an_error_object_with_a_request_id(http, method, path, status):
    _is_error(await http.request(method, path), status)


async def test_the_root_has_no_routes(app):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://local") as bare:
        _is_error(await bare.get("/files"), 404)
        assert (await bare.get("/health")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"model": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000, b"1" * 5000],
)
@pytest.mark.parametrize("path", ["/fine_tuning/jobs", "/chat/completions", "/uploads"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(http, path, body):
    error = _is_error(await http.post(path, content=body, headers={"content-type": "application/json"}), 400)
    assert "request's body" in error["message"]


async def test_a_body_of_another_type_is_refused(http):
    error = _is_error(
        await http.post("/chat/completions", content=b"{}", headers={"content-type": "text/plain"}), 415
    )
    assert "text/plain" in error["message"]


async def test_a_broken_multipart_body_is_a_bad_request(http):
    headers = {"content-type": "multipart/form-data; boundary=b"}
    for body in (
        b"",
        b"nonsense",
        b"--b\r\nContent-Disposition: form-data; name=purpose\r\n\r\nfine-tune\r\n--b--\r\n",
    ):
        _is_error(await http.post("/files", content=body, headers=headers), 400)


async def test_the_key_is_demanded_where_one_is_set(tmp_path):
    app = create_app(tmp_path, settings=Settings(api_key="right"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://local") as bare:
        assert "didn't provide" in _is_error(await bare.get("/v1/models"), 401)["message"]
        wrong = _is_error(await bare.get("/v1/models", headers={"authorization": "Bearer wrong"}), 401)
        assert wrong["code"] == "invalid_api_key"
        assert "wrong" not in wrong["message"]
        assert (await bare.get("/v1/models", headers={"authorization": "Bearer right"})).status_code == 200
        assert (await bare.get("/health")).status_code == 200


async def test_a_fault_of_the_endpoint_is_a_500_and_never_leaves_it_as_an_exception(app, http, caplog):
    app.state.context.store.models.all = None
    with caplog.at_level(logging.CRITICAL):
        error = _is_error(await http.get("/models"), 500)
    assert error["type"] == "server_error"


async def test_a_full_disk_is_told(app, http, monkeypatch, caplog):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orchestrator.server.store.blobs.shutil.copyfileobj", full)
    with caplog.at_level(logging.CRITICAL):
        answer = await http.post("/files", files={"file": ("f", b"x")}, data={"purpose": "fine-tune"})
    assert "No space left" in _is_error(answer, 500)["message"]
    assert list((app.state.context.store.folder / "blobs").iterdir()) == []
