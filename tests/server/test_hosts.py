"""What a web page makes a browser send to a served endpoint is refused."""

from __future__ import annotations

import httpx2
import pytest

from orchestrator.server.app import create_app
from orchestrator.server.hosts import guarded
from orchestrator.server.settings import AzureSettings, Settings

PATHS = ["/v1/files", "/openai/v1/files", "/openai/files?api-version=2024-10-21", "/health"]


@pytest.fixture
def answer(tmp_path):
    """What one request with these headers is answered by an endpoint that listens on `host`."""
    app = create_app(tmp_path / "endpoint", settings=Settings(azure=AzureSettings()))

    async def answer(path="/v1/files", method="GET", *, listens="127.0.0.1", allowed=(), **headers):
        transport = httpx2.ASGITransport(app=guarded(app, listens, allowed))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=named)

    return answer


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:9000", "[::1]:8000", "localhost.:80"])
async def test_loopback_answers_to_its_names_on_any_port(answer, path, host):
    assert (await answer(path, host=host)).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2"),
        *("", "a@localhost", "localhost:x", "localhost/..", "[::1", "::1", "evil.example#localhost"),
    ],
)
async def test_another_host_name_is_misdirected(answer, path, host):
    refused = await answer(path, host=host)
    assert refused.status_code == 421
    assert refused.json()["error"]["code"] == "host_not_allowed"
    assert "--allow-host NAME" in refused.json()["error"]["message"]


async def test_an_allowed_name_is_answered(answer):
    assert (await answer(host="tuner.example", allowed=["tuner.example"])).status_code == 200
    assert (await answer(host="gpu-box:8000", listens="gpu-box")).status_code == 200
    assert (await answer(host="gpu-box:8000", listens="other")).status_code == 421


async def test_a_server_on_every_address_answers_to_addresses(answer):
    """A page can't have an address for its name, unless it came from there."""
    for host in ("192.168.1.5:8000", "[2001:db8::1]:8000", "localhost:8000"):
        assert (await answer(host=host, listens="0.0.0.0")).status_code == 200
    assert (await answer(host="evil.example:8000", listens="0.0.0.0")).status_code == 421


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:8000"},
    ],
)
async def test_another_site_is_refused_and_gets_no_cors(answer, path, method, headers):
    refused = await answer(path, method, **headers)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "cross_site_request"
    assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_a_request_of_the_same_origin_and_one_typed_in_are_answered(answer):
    assert (await answer(origin="http://127.0.0.1:8000", sec_fetch_site="same-origin")).status_code == 200
    assert (await answer(sec_fetch_site="none")).status_code == 200
