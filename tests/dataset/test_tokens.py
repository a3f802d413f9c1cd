from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from orchestrator.dataset.tokens import (
    _REMEMBERED_TEXTS,
    _remembered_text,
    count_example,
    count_messages,
    count_text,
    encoding_for,
    rendered_functions,
    sequence_lengths,
)
from orchestrator.dataset.toollists import Reader

MODEL = "gpt-4.1-mini"


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def function(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"name": name, "parameters": parameters, **({"description": description} if description else {})}


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        (None, "o200k_base"),
        ("gpt-4.1-mini-2025-04-14", "o200k_base"),
        ("gpt-4o", "o200k_base"),
        ("some-open-model", "o200k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:org:drone:abc", "cl100k_base"),
        ("gpt-4o-mini-2024-07-18.ft-0123-drone", "o200k_base"),
    ],
)
def test_the_encoding_follows_the_base_of_the_model(model: str | None, encoding: str) -> None:
    assert encoding_for(model) == encoding


HELLO_HI = [{"role": "system", "content": "Hello"}, user("Hi there")]
KINDS = [
    {"type": "object", "properties": {"kind": {"type": "string"}, name: {"type": kind}}}
    for name, kind in (("baz", "boolean"), ("qux", "number"), ("idk", "string"))
]
AMOUNT = {
    "type": "object",
    "required": ["name", "unit", "amount"],
    "properties": {
        "name": {"type": "string"},
        "unit": {"enum": ["grams", "ml", "cups", "pieces", "teaspoons"], "type": "string"},
        "amount": {"type": "number"},
    },
}
RECIPE = function(
    "get_recipe",
    ingredients={"type": "array", "items": AMOUNT},
    instructions={
        "type": "array",
        "items": {"type": "string"},
        "description": "Steps to prepare the recipe (no numbering)",
    },
    time_to_cook={"type": "number", "description": "Total time to prepare the recipe in minutes"},
)
RECIPE["parameters"]["required"] = ["ingredients", "instructions", "time_to_cook"]
PROS = {"type": "array", "items": {"type": "string"}, "description": "Write 3 points why this text is well written"}
QUALITY = {"type": "object", "properties": {"pros": PROS}}
YES_NO = {"type": "string", "enum": ["Yes", "No"]}
BELOW = {
    "yesNoField": {**YES_NO, "description": "description5"},
    "howIsInteresting": {"type": "string", "description": "description6"},
    "scoreInteresting": {"type": "number", "description": "description7"},
    "isInteresting": {**YES_NO, "description": "description8"},
}
DESCRIBED_BELOW = function("function", "desctiption1", mainField={"type": "string", "description": "description3"})
DESCRIBED_BELOW["parameters"]["properties"]["field number one"] = {
    "type": "object",
    "description": "description4",
    "properties": BELOW,
}


# Prompt tokens that the API reported for gpt-3.5-turbo, as published with openai-chat-tokens (2023).
@pytest.mark.parametrize(
    ("messages", "functions", "billed"),
    [
        ([user("hello")], None, 8),
        ([user("hello world"), {"role": "function", "name": "do_stuff", "content": "{}"}], None, 15),
        ([user("hello")], [function("foo")], 31),
        ([user("hello")], [function("foo", "Do a foo")], 36),
        ([{"role": "system", "content": "Hello"}, user("Hi there")], [function("do_stuff")], 35),
        ([{"role": "system", "content": "Hello:"}, user("Hi there")], [function("do_stuff")], 35),
        (HELLO_HI, [function("do_stuff", foo={"anyOf": [KINDS[0]]})], 52),
        (HELLO_HI, [function("do_stuff", foo={"anyOf": KINDS})], 80),
        (HELLO_HI, [function("do_stuff", foo={"anyOf": [{"type": "string"}, {"type": "number"}]})], 44),
        ([user("hello")], [RECIPE], 106),
        ([user("hello")], [function("function", "description", quality=QUALITY)], 46),
        ([user("hello")], [DESCRIBED_BELOW], 96),
    ],
)
def test_prompt_tokens_equal_those_that_were_billed(messages: Any, functions: Any, billed: int) -> None:
    assert count_messages(messages, functions, "gpt-3.5-turbo") == billed


def test_tools_and_bare_definitions_count_the_same() -> None:
    definition = function("climb", "Climb.", metres={"type": "integer"})
    wrapped = [{"type": "function", "function": definition}]
    assert count_messages([user("x")], wrapped, MODEL) == count_messages([user("x")], [definition], MODEL)


def test_definitions_are_rendered_with_comments_options_and_nesting() -> None:
    place = {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}
    definition = function(
        "fly", "Fly.", mode={"enum": ["fast", "slow"]}, to={**place, "description": "Where."}, via={"type": "array"}
    )
    definition["parameters"]["required"] = ["mode"]
    assert rendered_functions([definition]).splitlines() == [
        "namespace functions {",
        "",
        "// Fly.",
        "type fly = (_: {",
        'mode: "fast" | "slow",',
        "// Where.",
        "to?: {",
        "  lat: number,",
        "},",
        "via?: any[],",
        "}) => any;",
        "",
        "} // namespace functions",
    ]


def test_each_shortening_of_the_definitions_saves_tokens() -> None:
    full = function("climb", "Climb to a height above the ground.", metres={"type": "integer"})
    bare = function("climb", metres={"type": "integer"})
    counts = [count_messages([user("Up.")], tools, MODEL) for tools in ([full], [bare], [function("climb")], None)]
    assert counts == sorted(set(counts), reverse=True)


def test_an_example_counts_its_prompt_its_definitions_and_its_calls() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "climb", "arguments": '{"metres": 5}'}}
    row = {"messages": [user("Up."), {"role": "assistant", "tool_calls": [call]}], "tools": [function("climb")]}
    prompt = count_messages([user("Up.")], row["tools"], MODEL)
    assert count_example(row, MODEL) - prompt > count_text('{"metres": 5}', MODEL)


def test_a_preference_example_counts_both_of_its_conversations() -> None:
    answers = {
        key: [{"role": "assistant", "content": text}]
        for key, text in (("preferred_output", "Yes."), ("non_preferred_output", "No, never, not at all."))
    }
    row = {"input": {"messages": [user("Up?")]}, **answers}
    shorter, longer = sequence_lengths(row, MODEL)
    assert shorter == count_example({"messages": [user("Up?"), *answers["preferred_output"]]}, MODEL)
    assert longer > shorter
    assert count_example(row, MODEL) == shorter + longer


def test_parts_and_images_count() -> None:
    text = count_messages([user("Look.")], None, MODEL)
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
    assert count_messages([user([{"type": "text", "text": "Look."}])], None, MODEL) == text
    assert count_messages([user([{"type": "text", "text": "Look."}, image])], None, MODEL) == text + 85


@pytest.mark.parametrize("text", ["", "half \ud83d", "\0", "<|endoftext|>", "é" * 1000])
def test_any_text_has_a_count(text: str) -> None:
    assert count_text(text, MODEL) >= bool(text)


def test_the_tokenizer_is_loaded_only_when_something_is_counted() -> None:
    program = "import orchestrator.dataset.checking.checks, sys; sys.exit('rs_bpe' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_list_of_tools_that_was_seen_before_counts_as_it_did_the_first_time() -> None:
    rows = [
        {"messages": [{"role": "system", "content": f"You fly drone {number}."}, user("Up.")], "tools": tools}
        for number in range(3)
        for tools in ([function("climb")], [function("climb"), function("dive", "Go down.", to={"type": "string"})])
    ]
    reader = Reader()
    for _ in range(2):
        read = [reader.parse(json.dumps(row).encode())[0] for row in rows]
        assert [count_example(row, MODEL) for row in read] == [count_example(row, MODEL) for row in rows]


def test_the_same_tools_count_differently_for_models_of_another_encoding() -> None:
    row = {"messages": [user("Höhe über Grund: fünfzig")], "tools": [function("climb", "Über Grund steigen.")]}
    shared = Reader()
    shared.parse(json.dumps(row).encode())
    parsed = shared.parse(json.dumps(row).encode())[0]
    assert count_example(parsed, "gpt-3.5-turbo") == count_example(row, "gpt-3.5-turbo")
    assert count_example(parsed, "gpt-3.5-turbo") != count_example(parsed, MODEL)


def test_a_system_message_that_differs_on_every_line_does_not_fill_the_memory() -> None:
    for number in range(_REMEMBERED_TEXTS + 10):
        count_messages([{"role": "system", "content": f"You fly drone {number}."}], None, MODEL)
    assert _remembered_text.cache_info().currsize == _REMEMBERED_TEXTS


def test_definitions_that_no_json_writer_takes_have_a_count() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"inner": schema}}
    assert count_messages([user("Up.")], [{"name": "climb", "parameters": schema}], MODEL) > 20
    assert (
        count_messages([user("Up.")], [function("climb", "half \ud83d", to={"description": "\ud83d"})], MODEL) > 20
    )
