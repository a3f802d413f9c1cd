"""A chat request: what is sent, and that it is sent once whatever comes back."""

from __future__ import annotations

import json

import httpx2
import pytest

from orchestrator.errors import EndpointBusy, EndpointUnreachable, KeyRefused, RequestRefused

ASKED = {"model": "gpt", "messages": [{"role": "user", "content": "Zürich"}], "host_option": [1]}
FAULTS = {
    "429": (httpx2.Response(429, headers={"retry-after": "7"}), EndpointBusy),
    "500": (httpx2.Response(500), EndpointUnreachable),
    "no JSON": (httpx2.Response(200, content=b"<h1>hello</h1>"), EndpointUnreachable),
    "no UTF-8": (httpx2.Response(200, content=b'{"choices": "\xff"}'), EndpointUnreachable),
    "no object": (httpx2.Response(200, json=[1, 2]), EndpointUnreachable),
    "no such model": (httpx2.Response(404), RequestRefused),
    "401": (httpx2.Response(401), KeyRefused),
    "reset": (httpx2.ReadError("reset"), EndpointUnreachable),
}


async def test_the_request_goes_as_it_is_with_a_key_of_its_own(connect, wire):
    wire.answers(httpx2.Response(200, json={"choices": []}))
    assert await (await connect()).chat(ASKED, "abc:0") == {"choices": []}
    (sent,) = wire.requests
    assert (sent.method, sent.url.path) == ("POST", "/v1/chat/completions")
    assert json.loads(sent.content) == ASKED
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotency-key"] == "abc:0"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failed_request_is_left_to_who_asks(fault, connect, wire):
    answer, error = FAULTS[fault]
    wire.answers(answer)
    with pytest.raises(error) as caught:
        await (await connect()).chat(ASKED, "abc:0")
    assert len(wire.requests) == 1
    assert wire.slept == []
    if error is EndpointBusy:
        assert caught.value.facts["retry_after"] == 7.0
