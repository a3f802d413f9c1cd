"""Reaching an endpoint over a real socket: who gets the key, and who does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import pytest
from support.contents import content_of

from orchestrator.config import EndpointConfig
from orchestrator.dataset.checking.limits import ENDPOINT_TYPES
from orchestrator.endpoints import CLASSES, capabilities_of, open_endpoint
from orchestrator.endpoints.capabilities import CAPABILITIES
from orchestrator.endpoints.interface import EVERY_LORA_KEY
from orchestrator.endpointtables import DEFAULTS, EndpointType
from orchestrator.errors import EndpointNotUsable, EndpointUnreachable, RequestRefused
from orchestrator.jobfile.tables import Lora

KEY = "sk-canary-0123456789"


class Host:
    """A host that keeps what it is asked and, where told to, redirects."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.bodies: list[bytes] = []
        self.redirect_to: str | None = None
        host = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                host.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
                host.asked.append((self.command, self.headers.get("authorization")))
                self.send_response(307 if host.redirect_to else 200)
                if host.redirect_to:
                    self.send_header("location", host.redirect_to + self.path)
                body = b"" if host.redirect_to else b'{"id": "x", "data": []}'
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    hosts = [Host(), Host()]
    threads = [threading.Thread(target=host.server.serve_forever, args=(0.01,)) for host in hosts]
    for thread in threads:
        thread.start()
    yield hosts
    for host, thread in zip(hosts, threads, strict=True):
        host.server.shutdown()
        host.server.server_close()
        thread.join()


@pytest.fixture
def config(hosts, monkeypatch):
    monkeypatch.setenv("CANARY", KEY)
    return EndpointConfig("host", "compatible", base_url=f"{hosts[0].url}/v1", api_key_env="CANARY")


async def test_the_key_goes_to_the_host_of_the_base_url(hosts, config, tmp_path):
    async with open_endpoint(config, tmp_path) as endpoint:
        await endpoint.check()
    assert hosts[0].asked == [("GET", f"Bearer {KEY}")]


async def test_a_redirect_is_not_followed_with_key_or_data(hosts, config, tmp_path, request_):
    """The message names the address, so that the user can decide."""
    hosts[0].redirect_to = hosts[1].url
    (tmp_path / "a.jsonl").write_text("{}\n")
    async with open_endpoint(config, tmp_path) as endpoint:
        for call in (
            endpoint.check(),
            endpoint.job("ftjob-1"),
            endpoint.create(request_),
            endpoint.upload(content_of(tmp_path / "a.jsonl"), "a.jsonl"),
            endpoint.result_rows("file-1"),
        ):
            with pytest.raises(RequestRefused, match=hosts[1].url):
                await call
    assert hosts[1].asked == []
    assert len(hosts[0].asked) == 5


@pytest.mark.parametrize("value", [f"{KEY}\n", f"  {KEY} "])
async def test_white_space_around_a_key_is_not_sent(value, hosts, config, tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", value)
    async with open_endpoint(config, tmp_path) as endpoint:
        await endpoint.check()
    assert hosts[0].asked == [("GET", f"Bearer {KEY}")]


@pytest.mark.parametrize("value", ["sk-cän", "sk-a\nX-Evil: 1", "sk a", "\n"])
async def test_a_value_that_is_no_key_is_refused_without_showing_it(value, config, tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", value)
    with pytest.raises(EndpointNotUsable) as caught:
        async with open_endpoint(config, tmp_path):
            pass
    assert "CANARY" in str(caught.value)
    assert "sk" not in str(caught.value)


async def test_nobody_there_is_said_and_nothing_was_sent(hosts, config, tmp_path, request_):
    nobody = replace(config, base_url="http://127.0.0.1:9/v1")
    async with open_endpoint(nobody, tmp_path) as endpoint:
        with pytest.raises(EndpointUnreachable) as caught:
            await endpoint.create(request_)
    assert caught.value.facts["sent"] is False


async def test_a_host_without_keys_gets_a_stand_in(hosts, config, tmp_path):
    async with open_endpoint(replace(config, api_key_env=None), tmp_path) as endpoint:
        await endpoint.check()
    assert hosts[0].asked == [("GET", "Bearer none")]


def test_what_an_endpoint_can_do_is_known_without_connecting():
    local, openai, compatible = (
        capabilities_of(EndpointConfig("x", kind)) for kind in ("local", "openai", "compatible")
    )
    assert (local.charges, openai.charges, compatible.charges) == (False, True, True)
    assert (local.metadata, openai.metadata, compatible.metadata) == (True, True, False)
    assert (openai.accepts_auto, compatible.accepts_auto) == (True, False)
    assert (local.outlives_us, compatible.outlives_us) == (False, True)


def test_every_type_has_its_capabilities_limits_and_a_class():
    kinds = set(get_args(EndpointType))
    assert set(CAPABILITIES) == set(DEFAULTS) == set(ENDPOINT_TYPES) == kinds
    assert set(CLASSES) == kinds - {"local", "azure"}  # which are opened in other ways


def test_the_keys_of_lora_are_those_of_the_job_file():
    assert set(Lora.model_fields) - {"learning_rate"} == EVERY_LORA_KEY


async def test_nebius_takes_an_adapter_at_the_top_level_under_its_names(hosts, config, tmp_path, request_):
    method = {
        "type": "supervised",
        "hyperparameters": {"n_epochs": 2, "batch_size": "auto", "learning_rate": 0.0001, "lora_rank": 16},
    }
    nebius = replace(config, type="nebius", hyperparameters="top-level")
    async with open_endpoint(nebius, tmp_path) as endpoint:
        await endpoint.create(replace(request_, method=method))
    sent = json.loads(hosts[0].bodies[-1])
    assert sent["hyperparameters"] == {"n_epochs": 2, "learning_rate": 0.0001, "lora_r": 16, "lora": True}
    assert "method" not in sent
