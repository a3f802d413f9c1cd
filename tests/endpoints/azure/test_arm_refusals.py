"""Refusals of the management API, over the library and a real socket: read as those of every other host."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_management
from orchestrator.endpoints.management import Management
from orchestrator.errors import DeploymentRefused, EndpointBusy, EndpointError, EndpointUnreachable

IDENTITY = {"access_token": "token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
Answer = tuple[int, bytes, dict[str, str]]


class Peer:
    """Hands out a token, and refuses everything else as a test says."""

    def __init__(self) -> None:
        self.answer: Answer = (500, b"", {})
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_sign_in = self.path.startswith("/msi/token")
                status, body, headers = (200, json.dumps(IDENTITY).encode(), {}) if is_sign_in else peer.answer
                self.send_response_only(status)  # without a Date
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    thread = threading.Thread(target=peer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield peer
    peer.server.shutdown()
    thread.join()
    peer.server.server_close()


@pytest.fixture
async def arm(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Management]:
    monkeypatch.setenv("SIM_KEY", "resource-key-0123456789")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{peer.address}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    config = EndpointConfig(
        "azure-sim",
        "azure",
        base_url=peer.address,
        arm_url=peer.address,
        api_key_env="SIM_KEY",
        subscription_id="00000000-0000-0000-0000-000000000001",
        resource_group="ftorch",
        account="ftorch",
        source="ftorch.toml",
    )
    async with open_management(config) as opened:
        yield opened


@pytest.fixture
def refusal(peer: Peer, arm: Management) -> Callable[..., Any]:
    """The error that listing the deployments ends with after this answer."""

    async def refusal(status: int, body: Any, **headers: str) -> EndpointError:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        peer.answer = (status, content, {name.replace("_", "-"): value for name, value in headers.items()})
        with pytest.raises(EndpointError) as caught:
            await arm.all()
        return caught.value

    return refusal


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"code": "InvalidSku", "message": "No such sku."}}, "No such sku."),
        (
            {
                "error": {
                    "code": "X",
                    "message": "Invalid.",
                    "details": [{"target": "sku", "message": "No such sku."}],
                }
            },
            "Invalid; sku: No such sku.",
        ),
        ({"error": {"code": "X", "message": "No.", "innererror": {"code": "TooOld"}}}, "No; TooOld"),
        ({"message": "The gateway refuses it"}, "The gateway refuses it"),
        ({"error": "no such model"}, "no such model"),
        (b"<html><title>Blocked by IT</title></html>", 'a web page, not the API, answered: "Blocked by IT"'),
        (b"just a text", "just a text"),
        (b"a key resource-key-0123456789", "a key [key]"),
        (b"", "Bad Request"),
        (b"\xff\xfe\xff", "Bad Request"),
    ],
)
async def test_the_reason_is_told_whatever_its_shape(refusal, body, words):
    error = await refusal(400, body)
    assert isinstance(error, DeploymentRefused)
    assert error.facts["message"] == words


async def test_a_long_reason_is_told_in_short(refusal):
    assert len(str(await refusal(400, {"error": {"code": "X", "message": "y" * 100_000}}))) < 700


@pytest.mark.parametrize(("status", "kind"), [(429, EndpointBusy), (503, EndpointUnreachable)])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"x_ms_retry_after_ms": "1500", "Retry_After": "7"}, 1.5),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "Sat, 28 Nov 2026 14:00:30 GMT", "Date": "Sat, 28 Nov 2026 14:00:00 GMT"}, 30),
        ({}, None),
    ],
)
async def test_a_wait_is_read_as_everywhere(refusal, status, kind, headers, seconds):
    error = await refusal(status, {"error": {"code": "TooManyRequests", "message": "Slower."}}, **headers)
    assert type(error) is kind
    assert error.facts["retry_after"] == seconds
