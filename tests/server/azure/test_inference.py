"""Asking models: base models at once, each deployment as fast as its capacity allows."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from orchestrator.server.azure.deployments import RateLimits
from orchestrator.server.azure.errors import AzureError
from orchestrator.server.store.records import Deployment

QUESTION = [{"role": "user", "content": "Climb to 12 metres"}]


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-oss-20b"])
async def test_a_base_model_answers_by_its_name_in_every_version(client, name, tools):
    answer = await client.chat.completions.create(model=name, messages=QUESTION, tools=tools)
    assert answer.choices[0].message.tool_calls[0].function.name == "take_off"


@pytest.mark.parametrize("name", ["gpt-5", "drone", "gpt-4.1-mini-2030-01-01", "gpt-4.1-mini.ft-0-x"])
async def test_any_other_name_is_no_deployment(client, name):
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model=name, messages=QUESTION)
    assert missing.value.code == "DeploymentNotFound"


async def test_a_region_without_the_model_does_not_answer_for_it(resource, speak):
    client = speak(resource(location="brazilsouth"), "v1")
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION)


async def test_an_answer_can_be_streamed(client):
    stream = await client.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION, stream=True)
    text = [part.choices[0].delta.content or "" async for part in stream]
    assert "".join(text)


async def test_a_wrong_request_is_refused_in_the_words_of_azure(http):
    answer = await http.post("/openai/v1/chat/completions", json={"model": "gpt-4.1-mini", "messages": []})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidPayload")


async def test_harmful_prompts_are_filtered(client):
    harmful = [{"role": "user", "content": "ftorch-harmful:violence"}]
    with pytest.raises(openai.BadRequestError) as filtered:
        await client.chat.completions.create(model="gpt-4.1-mini", messages=harmful)
    assert filtered.value.code == "content_filter"
    body: Any = filtered.value.body
    assert body["innererror"] == {"code": "ResponsibleAIPolicyViolation"}


def _deployment(capacity: int) -> Deployment:
    return Deployment("drone", 0, 0, None, None, "Standard", capacity, "OpenAI", "m.ft-1", "1", None)


def _body(tokens: int) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "x" * (4 * tokens - 60)}]}


def test_capacity_one_is_about_one_request_a_minute():
    now = [100.0]
    limits = RateLimits(lambda: now[0])
    limits.admit(_deployment(1), _body(800))
    now[0] += 20
    with pytest.raises(AzureError, match="retry after 40 seconds") as refused:
        limits.admit(_deployment(1), _body(800))
    assert refused.value.headers == {"retry-after": "40"}
    now[0] += 40
    limits.admit(_deployment(1), _body(800))


def test_a_refused_request_does_not_count_and_a_larger_capacity_takes_more():
    now = [100.0]
    limits = RateLimits(lambda: now[0])
    for _ in range(2):
        limits.admit(_deployment(2), _body(900))
    for _ in range(5):
        with pytest.raises(Exception, match="rate limit of 2 thousand tokens"):
            limits.admit(_deployment(2), _body(900))
    limits.admit(_deployment(3), _body(900))


def test_what_may_be_answered_counts_as_well():
    limits = RateLimits(lambda: 100.0)
    limits.admit(_deployment(1), {**_body(100), "max_completion_tokens": 800})
    with pytest.raises(Exception, match="rate limit"):
        limits.admit(_deployment(1), _body(200))


def test_many_small_requests_are_limited_by_their_number():
    limits = RateLimits(lambda: 100.0)
    for _ in range(6):
        limits.admit(_deployment(1), {"messages": []})
    with pytest.raises(Exception, match="rate limit"):
        limits.admit(_deployment(1), {"messages": []})


def test_one_request_larger_than_the_capacity_is_let_through_alone():
    limits = RateLimits(lambda: 100.0)
    limits.admit(_deployment(1), _body(5000))
    with pytest.raises(Exception, match="rate limit"):
        limits.admit(_deployment(1), _body(1))
