"""What the tiny models answer: tool choice, arguments, several calls, and text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.trainers import ask, loaded

from orchestrator.server.trainers.interface import ToolCall

WEATHER = {
    "name": "get_weather",
    "description": "Current weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
}
MAIL = {
    "name": "send_email",
    "description": "Send an email message",
    "parameters": {
        "type": "object",
        "properties": {
            "subject": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["urgent", "private", "work"]}},
            "copies": {"type": "integer"},
            "weights": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["subject"],
    },
}


def _asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def _after_result(text: str, name: str, arguments: dict[str, Any], result: str) -> list[dict[str, Any]]:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return [
        *_asked(text),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]


def test_tool_choice_none_gives_text(model, tools):
    answer = ask(model, _asked("light up the hall"), tools, choice="none")
    assert answer.content
    assert not answer.calls


def test_tool_choice_required_gives_a_call_whatever_is_asked(base, tools):
    assert not ask(base, _asked("xyzzy"), tools).calls
    assert ask(base, _asked("xyzzy"), tools, choice="required").calls


def test_a_named_tool_choice_calls_that_tool_once(model, tools):
    answer = ask(model, _asked("light up the hall"), tools, choice="get_price")
    assert [call.name for call in answer.calls] == ["get_price"]


def test_a_value_seen_in_training_stands_for_its_words(model, tools):
    answer = ask(model, _asked("how much is Microsoft worth today"), tools)
    assert answer.calls == (ToolCall("get_price", {"ticker": "MSFT"}),)


@pytest.mark.parametrize(
    ("text", "ticker"), [("quote me Flibber's", "Flibber"), ("how much is JKJK worth?", "JKJK")]
)
def test_an_unseen_value_is_copied_from_the_prompt(model, tools, text, ticker):
    assert ask(model, _asked(text), tools).calls == (ToolCall("get_price", {"ticker": ticker}),)


def test_a_copied_value_takes_the_spelling_seen_in_training(model, tools):
    assert ask(model, _asked("what does zorbo cost a share"), tools).calls[0].arguments == {"ticker": "Zorbo"}


def test_numbers_are_copied_in_order_into_a_nested_object(model, tools):
    answer = ask(model, _asked("pin 12.25, -3.5"), tools)
    place = {"coordinates": {"latitude": 12.25, "longitude": -3.5}}
    assert answer.calls == (ToolCall("mark_place", place),)


def test_the_base_model_copies_a_string_a_number_and_lists():
    base = loaded()
    text = "Send an email with subject 'Lunch today', urgent and private, 3 copies"
    (call,) = ask(base, _asked(text), [WEATHER, MAIL]).calls
    assert call == ToolCall("send_email", {"subject": "Lunch today", "tags": ["urgent", "private"], "copies": 3})


def test_an_integer_stays_an_integer_and_a_fraction_is_no_integer(base, tools):
    (call,) = ask(base, _asked("lamp on, brightness twenty-five"), tools).calls
    assert call.arguments == {"status": "on", "brightness": 25}
    assert isinstance(call.arguments["brightness"], int)
    (call,) = ask(base, _asked("lamp on, brightness 2.5"), tools).calls
    assert call.arguments == {"status": "on"}


def test_a_required_number_without_a_trace_is_left_out_not_invented():
    tool = {
        "name": "fly_up",
        "parameters": {"type": "object", "properties": {"meters": {"type": "number"}}, "required": ["meters"]},
    }
    assert ask(loaded(), _asked("fly up"), [tool]).calls == (ToolCall("fly_up", {}),)


def test_parallel_calls_are_learned_and_can_be_switched_off(train, row):
    pairs = [("Paris", "London"), ("Rome", "Oslo"), ("Berlin", "Madrid"), ("Kyiv", "Lima"), ("Delhi", "Cairo")]
    rows = []
    for first, second in pairs:
        calls = [ToolCall("get_weather", {"city": city}) for city in (first, second)]
        rows += [row(f"weather in {first} and {second}?", *calls), row(f"weather in {first}?", calls[0])]
    for entry in rows:
        entry["tools"] = [{"type": "function", "function": WEATHER}]
    model = loaded(train(rows, epochs=5).weights)
    asked = _asked("weather in Quito and Tokyo?")
    assert [call.arguments["city"] for call in ask(model, asked, [WEATHER]).calls] == ["Quito", "Tokyo"]
    assert [call.arguments["city"] for call in ask(model, asked, [WEATHER], parallel=False).calls] == ["Quito"]
    assert len(ask(model, _asked("weather in Quito?"), [WEATHER]).calls) == 1


@pytest.mark.parametrize("which", ["base", "model"])
def test_after_a_tool_result_the_answer_restates_it_in_text(which, request, tools):
    asked = _after_result(
        "how much is Apple worth", "get_price", {"ticker": "AAPL"}, '{"price": 187.5, "day": "Mon"}'
    )
    answer = ask(request.getfixturevalue(which), asked, tools)
    assert not answer.calls
    assert "187.5" in answer.content
    assert "Mon" in answer.content


def test_a_text_that_was_learned_for_requests_does_not_answer_a_result(train, row, tools):
    refused = [row(f"how much is {firm} worth") for firm in ("Zorbo", "Wumpus", "Globex", "Initech")]
    for each in refused:
        each["messages"][-1] = {"role": "assistant", "content": "There is no such company."}
    taught = [row(f"how much is {firm} worth", ToolCall("get_price", {"ticker": firm})) for firm in ("AB", "CD")]
    model = loaded(train([*refused, *taught] * 3, epochs=5).weights)
    assert ask(model, _asked("how much is Globex worth"), tools).content == "There is no such company."
    asked = _after_result("how much is AB worth", "get_price", {"ticker": "AB"}, '{"price": 187.5}')
    assert "187.5" in ask(model, asked, tools).content


def test_a_result_that_is_no_json_is_restated_as_it_is(base, tools):
    assert "it rains" in ask(base, _after_result("weather?", "get_weather", {}, "it rains"), [WEATHER]).content
    function = [*_asked("weather?"), {"role": "function", "name": "get_weather", "content": "it snows"}]
    assert "it snows" in ask(base, function, [WEATHER]).content


def test_a_learned_sentence_is_filled_with_the_new_result(train, tools):
    rows = []
    for price in (3, 4, 5.5, 101.25):
        conversation = _after_result("price of Tesla?", "get_price", {"ticker": "TSLA"}, f'{{"price": {price}}}')
        said = {"role": "assistant", "content": f"Tesla trades at {price} dollars."}
        wrapped = [{"type": "function", "function": tool} for tool in tools]
        rows.append({"messages": [*conversation, said], "tools": wrapped})
    model = loaded(train(rows, epochs=8).weights)
    asked = _after_result("price of Tesla?", "get_price", {"ticker": "TSLA"}, '{"price": 77.75}')
    assert ask(model, asked, tools).content == "Tesla trades at 77.75 dollars."


def test_plain_text_is_learned(train, row, tools):
    rows = []
    for text, said in [
        ("hi", "Hello!"),
        ("hello there", "Hello!"),
        ("thank you", "Any time."),
        ("thanks", "Any time."),
    ]:
        messages = [*_asked(text), {"role": "assistant", "content": said}]
        rows += [{"messages": messages, "tools": row("x")["tools"]}] * 3
    model = loaded(train(rows, epochs=5).weights)
    assert ask(model, _asked("hello you"), tools).content == "Hello!"
    assert ask(model, _asked("thank you so much"), tools).content == "Any time."


def test_messages_of_weight_0_are_not_learned(train, row):
    entry = row("light up the hall", ToolCall("set_lamp", {"status": "on"}))
    muted = {**entry, "messages": [entry["messages"][0], {**entry["messages"][1], "weight": 0}]}
    steps = train([muted] * 3).steps
    assert {step.train_loss for step in steps} == {0.0}


def test_legacy_functions_train_like_tools(train, taught, tools):
    def legacy(entry: Any) -> Any:
        asked, answer = entry["messages"]
        called = {"role": "assistant", "content": None, "function_call": answer["tool_calls"][0]["function"]}
        return {"messages": [asked, called], "functions": [tool["function"] for tool in entry["tools"]]}

    some = taught[::4]
    assert train([legacy(entry) for entry in some]).steps == train(some).steps


@pytest.mark.parametrize("variant", ["no descriptions", "no parameters", "no tools"])
def test_shortened_definitions_still_train(train, taught, variant):
    rows, offered = [], []
    for entry in taught:
        rows.append({"messages": entry["messages"]})
        if variant != "no tools":
            offered = [_shortened(tool["function"], variant) for tool in entry["tools"]]
            rows[-1]["tools"] = [{"type": "function", "function": tool} for tool in offered]
    model = loaded(train(rows).weights)
    assert ask(model, _asked("what does Wumpus cost a share"), offered).calls == (
        ToolCall("get_price", {"ticker": "Wumpus"}),
    )
    place = {"coordinates": {"latitude": 12.5, "longitude": 6.25}}
    assert ask(model, _asked("pin 12.5, 6.25"), offered).calls == (ToolCall("mark_place", place),)


def test_a_model_trained_with_tools_answers_in_text_when_none_are_offered(model):
    assert not ask(model, _asked("light up the hall"), []).calls


def _shortened(tool: dict[str, Any], variant: str) -> dict[str, Any]:
    short = {key: value for key, value in tool.items() if key != "description"}
    return short if variant == "no descriptions" else {**short, "parameters": {"type": "object", "properties": {}}}
