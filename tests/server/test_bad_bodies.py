"""Whatever a client sends, the endpoint answers; it never breaks."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from orchestrator.server.app import create_app

NAMES = (
    *("model", "messages", "role", "content", "tools", "type", "function", "name", "parameters", "tool_choice"),
    *("functions", "function_call", "tool_calls", "id", "arguments", "tool_call_id", "stream", "stop", "n"),
    *("training_file", "method", "hyperparameters", "n_epochs", "supervised", "dpo", "beta", "suffix", "seed"),
    *("filename", "bytes", "purpose", "mime_type", "part_ids", "metadata", "max_tokens", "expires_after"),
    *("properties", "enum", "required", "description"),
)
WORDS = [
    "user",
    "assistant",
    "tool",
    "function",
    "auto",
    "required",
    "object",
    "fine-tune",
    "supervised",
    "gpt-4.1",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
calls = st.fixed_dictionaries({"id": st.just("c"), "type": st.just("function"), "function": values})
message = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"]), "content": values},
    optional={"tool_calls": st.lists(calls, max_size=2), "tool_call_id": st.just("c"), "name": values},
)
function = st.fixed_dictionaries(
    {"name": st.sampled_from(["land", "auto", "f"])}, optional={"parameters": values, "description": scalars}
)
chats = st.fixed_dictionaries(
    {"model": st.just("gpt-4.1"), "messages": st.lists(message, max_size=4) | values},
    optional={
        "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": function}), max_size=3),
        "tool_choice": st.sampled_from(["auto", "required", "none"]) | values,
        "stream": st.booleans(),
        "n": values,
        "stop": values,
        "max_tokens": st.integers(0, 9),
    },
)
speakable_chats = st.fixed_dictionaries(
    {
        "model": st.just("gpt-4.1"),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=30)}), min_size=1
        ),
        "tools": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.just("function"),
                    "function": st.fixed_dictionaries(
                        {"name": st.sampled_from(["land", "f"])},
                        optional={
                            "parameters": st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
                            "description": st.text(max_size=9),
                        },
                    ),
                }
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={"tool_choice": st.sampled_from(["auto", "required"])},
)
REQUESTS = st.one_of(
    st.tuples(st.just("/chat/completions"), chats),
    st.tuples(st.just("/chat/completions"), speakable_chats),
    st.tuples(
        st.sampled_from(["/chat/completions", "/fine_tuning/jobs", "/uploads", "/uploads/u/complete"]),
        st.dictionaries(st.sampled_from(NAMES), values, max_size=8) | values,
    ),
)


_CALL_WITHOUT_FUNCTION = {"role": "system", "content": None, "tool_calls": [{"id": "c", "function": True}]}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    return create_app(tmp_path_factory.mktemp("endpoint"))


@example(request=("/chat/completions", {"model": "gpt-4.1", "messages": [_CALL_WITHOUT_FUNCTION]}))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS)
def test_no_json_body_breaks_the_endpoint(endpoint, request):
    path, body = request

    async def send():
        transport = httpx2.ASGITransport(app=endpoint)
        async with httpx2.AsyncClient(transport=transport, base_url="http://local/v1") as client:
            headers = {"content-type": "application/json"}
            return await client.post(path, content=json.dumps(body), headers=headers)

    answer = asyncio.run(send())
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
