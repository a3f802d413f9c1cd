"""Refusals of the management API, over the library and a real socket: read as those of every other host."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestrator.config import EndpointConfig
from orchestrator.endpoints import open_management
from orchestrator.endpoints.management import Management
from orchestrator.errors import (
    DeploymentRefused,
    DeployRoleMissing,
    EndpointBusy,
    EndpointError,
    EndpointUnreachable,
    ProxyRefused,
)

IDENTITY = {"access_token": "token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
Answer = tuple[int, bytes, dict[str, str]]
LOST: Answer = (0, b"", {})
"""No answer: the connection is closed."""


class Peer:
    """Hands out a token, and refuses everything else as a test says."""

    def __init__(self) -> None:
        self.answer: Answer = (500, b"", {})
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_sign_in = self.path.startswith("/msi/token")
                if not is_sign_in and peer.answer is LOST:
                    return
                status, body, headers = (200, json.dumps(IDENTITY).encode(), {}) if is_sign_in else peer.answer
                self.send_response_only(status)  # without a Date
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_CONNECT(self) -> None:
                self.send_response(407, "Proxy Authentication Required")
                self.send_header("content-length", "0")
                self.end_headers()

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
def config(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> EndpointConfig:
    monkeypatch.setenv("SIM_KEY", "resource-key-0123456789")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{peer.address}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    return EndpointConfig(
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


@pytest.fixture
async def arm(config: EndpointConfig) -> AsyncIterator[Management]:
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


async def test_a_role_that_is_missing_on_a_linked_scope_is_not_asked_for_on_the_resource(refusal):
    message = "it may write deployments, and may not read models on the linked scope '/subscriptions/y'"
    error = await refusal(403, {"error": {"code": "LinkedAuthorizationFailed", "message": message}})
    assert isinstance(error, DeployRoleMissing)
    assert "This identity may change deployments" in str(error)
    assert "assigned to it there" in str(error)
    assert "Cognitive Services Contributor" not in str(error)


async def test_a_lost_answer_is_told_in_plain_words(peer, arm):
    peer.answer = LOST
    with pytest.raises(EndpointUnreachable) as caught:
        await arm.all()
    said = "the connection to its management failed: Remote end closed connection without response"
    assert caught.value.facts["problem"] == said


async def test_a_proxy_that_asks_for_a_password_is_not_waited_out(peer, config, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", peer.address)
    monkeypatch.setenv("NO_PROXY", "")
    async with open_management(replace(config, arm_url="https://management.example")) as arm:
        with pytest.raises(ProxyRefused, match="407 Proxy Authentication Required; write the user and password"):
            await arm.all()


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
