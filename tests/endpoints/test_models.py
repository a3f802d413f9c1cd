"""Which models an endpoint has, as far as it tells."""

from __future__ import annotations

import httpx2
import pytest

GONE = {"error": {"message": "The model 'x' does not exist", "code": "model_not_found", "param": "model"}}


async def test_a_model_is_there_or_is_said_not_to_be(connect, wire):
    wire.answers(httpx2.Response(200, json={"id": "gpt", "object": "model"}))
    assert await (await connect()).has_model("gpt") is True
    assert wire.requests[0].url.path == "/v1/models/gpt"
    wire.answers(httpx2.Response(404, json=GONE))
    wire._answers.popleft()
    assert await (await connect()).has_model("x") is False


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_a_host_without_this_route_tells_nothing(status, connect, wire):
    wire.answers(httpx2.Response(status, json={"detail": "Not Found"}) if status != 501 else httpx2.Response(404))
    assert await (await connect()).has_model("gpt") is None


async def test_the_models_that_it_lists(connect, wire):
    wire.answers(httpx2.Response(200, json={"object": "list", "data": [{"id": "b"}, {"id": "a"}, {}]}))
    assert await (await connect()).models() == ["b", "a"]


async def test_a_host_without_a_list_has_none_to_name(connect, wire):
    wire.answers(httpx2.Response(404, json={"detail": "Not Found"}))
    assert await (await connect()).models() == []
