"""Chat completions of the base model and of what a request may ask for."""

from __future__ import annotations

import json

import openai
import pytest

from orchestrator.dataset.tokens import count_messages, count_text

MODEL = "gpt-4.1-mini"
CLIMB = [{"role": "user", "content": "Please start the flight and climb to 40 metres"}]


@pytest.fixture
def ask(client, tools):
    async def ask(messages=CLIMB, **extra):
        return await client.chat.completions.create(model=MODEL, messages=messages, **{"tools": tools, **extra})

    return ask


async def test_the_base_model_calls_the_tool_whose_words_fit(ask):
    choice = (await ask()).choices[0]
    call = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("take_off", {"altitude": 40})
    assert call.id.startswith("call_")
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)


async def test_usage_counts_real_tokens(ask, tools):
    answer = await ask(n=2)
    call = answer.choices[0].message.tool_calls[0].function
    spent = 2 * (count_text(call.name, MODEL) + count_text(call.arguments, MODEL))
    asked = count_messages(CLIMB, tools, MODEL)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (asked, spent)
    assert answer.usage.total_tokens == asked + spent


async def test_tool_choice_is_obeyed(ask):
    silent = (await ask(tool_choice="none")).choices[0]
    assert silent.message.tool_calls is None
    assert (bool(silent.message.content), silent.finish_reason) == (True, "stop")
    small_talk = [{"role": "user", "content": "What is your favourite colour?"}]
    assert (await ask(small_talk, tool_choice="required")).choices[0].message.tool_calls
    named = {"type": "function", "function": {"name": "land"}}
    assert (await ask(tool_choice=named)).choices[0].message.tool_calls[0].function.name == "land"
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    assert (await ask(tool_choice=allowed)).choices[0].message.tool_calls[0].function.name == "land"


async def test_without_parallel_calls_there_is_one_call(ask):
    both = [{"role": "user", "content": "Climb to 40 metres and then end the flight, land"}]
    assert len((await ask(both, parallel_tool_calls=False)).choices[0].message.tool_calls) == 1


async def test_legacy_functions_are_answered_in_their_own_way(client, tools):
    functions = [tool["function"] for tool in tools]
    answer = await client.chat.completions.create(model=MODEL, messages=CLIMB, functions=functions)
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.function_call.name) == ("function_call", "take_off")
    assert choice.message.tool_calls is None
    forced = await client.chat.completions.create(
        model=MODEL, messages=CLIMB, functions=functions, function_call={"name": "land"}
    )
    assert forced.choices[0].message.function_call.name == "land"


async def test_a_tool_result_is_answered_in_text(ask):
    call = (await ask()).choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": '{"altitude": 40}'}
    answer = (await ask([*CLIMB, call.model_dump(exclude_none=True), result])).choices[0]
    assert (answer.finish_reason, answer.message.tool_calls) == ("stop", None)
    assert answer.message.content


@pytest.mark.parametrize("limit", [1, 3, 6])
async def test_an_answer_is_cut_at_max_tokens(ask, limit):
    for extra in ({}, {"tool_choice": "none"}):
        answer = await ask(max_completion_tokens=limit, **extra)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens <= limit


async def test_a_stop_sequence_ends_the_text(ask):
    whole = (await ask(tool_choice="none")).choices[0].message.content
    word, later = whole.split()[2], whole.split()[5]
    cut = (await ask(tool_choice="none", stop=[later, word, "never said"])).choices[0]
    assert cut.message.content == whole[: whole.index(word)]
    assert cut.finish_reason == "stop"


async def test_the_fingerprint_is_that_of_the_weights(training, ask, submit, reach):
    done = await reach(training, (await submit(training)).id, "succeeded")
    tuned = await training.chat.completions.create(model=done.fine_tuned_model, messages=CLIMB)
    base = await ask()
    assert base.system_fingerprint == (await ask(seed=5)).system_fingerprint != tuned.system_fingerprint


async def test_text_parts_are_read_and_images_are_refused(ask):
    parts = [{"type": "text", "text": CLIMB[0]["content"]}]
    assert (await ask([{"role": "user", "content": parts}])).choices[0].message.tool_calls
    picture = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    with pytest.raises(openai.BadRequestError, match="text only") as refused:
        await ask([{"role": "user", "content": picture}])
    assert refused.value.param == "messages[0].content[0].type"


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "land", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "done"}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [RESULT]}, "messages[0].tool_call_id"),
        ({"messages": [CALL, {"role": "user", "content": "and?"}]}, "messages[1].role"),
        ({"messages": [CALL]}, "messages[0].role"),
        ({"messages": [CALL, RESULT, RESULT]}, "messages[2].tool_call_id"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "fly"}}}, "tool_choice"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"extra_body": {"topp": 1}}, "topp"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_parameter(ask, extra, param):
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(**extra)
    assert refused.value.param == param


async def test_the_stream_adds_up_to_the_answer(ask):
    for extra in ({}, {"tool_choice": "none"}):
        whole = (await ask(**extra)).choices[0]
        texts, names, arguments, reasons = "", "", "", []
        async for chunk in await ask(stream=True, **extra):
            delta = chunk.choices[0].delta
            texts += delta.content or ""
            for call in delta.tool_calls or []:
                names += call.function.name or ""
                arguments += call.function.arguments
            reasons.append(chunk.choices[0].finish_reason)
        assert reasons == [None] * (len(reasons) - 1) + [whole.finish_reason]
        assert texts == (whole.message.content or "")
        if whole.message.tool_calls:
            function = whole.message.tool_calls[0].function
            assert (names, arguments) == (function.name, function.arguments)


async def test_the_stream_brings_the_usage_when_asked(ask):
    whole = (await ask()).usage
    chunks = [chunk async for chunk in await ask(stream=True, stream_options={"include_usage": True})]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1].usage, chunks[-1].choices) == (whole, [])


async def test_the_sdk_assembles_the_stream(client, tools):
    async with client.chat.completions.stream(model=MODEL, messages=CLIMB, tools=tools) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.name == "take_off"
