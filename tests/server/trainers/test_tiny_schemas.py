"""No schema, conversation or row makes the tiny trainer fail."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.trainers import ask, loaded, train

from orchestrator.server.trainers.interface import Hyperparameters

ODD_SCHEMAS: list[Any] = [
    None,
    {},
    {"type": "object"},
    {"type": "object", "properties": None},
    {"type": "object", "properties": {"a": {}}},
    {"type": "object", "properties": {"a": True, "b": None, "c": []}},
    {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": ["integer", "string"]}}, "required": ["missing", 3]},
    {"type": "object", "properties": {"a": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"oneOf": [{"const": 1}, {"const": 2}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"enum": ["x"]}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"enum": ["x", 2, None]}}},
    {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#"}}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}]}}},
    {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "frobnicate"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"enum": []}, "b": {"enum": [[1], {"x": 1}]}}, "required": ["a", "b"]},
    {
        "type": "object",
        "properties": {"été 🚁": {"type": "string", "enum": ["наверх", "", " "]}},
        "required": ["été 🚁"],
    },
    {"type": "object", "properties": {"a": {"type": "boolean", "default": False}}, "additionalProperties": False},
]
ODD_MESSAGES: list[Any] = [
    [],
    [{"role": "user"}],
    [{"role": "user", "content": None}],
    [{"role": "user", "content": ""}],
    [
        {
            "role": "user",
            "content": [{"type": "text", "text": "go 5"}, {"type": "image_url", "image_url": {"url": "x"}}],
        }
    ],
    [{"role": "user", "content": "\ud800 lone � İstanbul ß 🚁 ٣ ²"}],
    [{"role": "system", "content": "only a system message"}],
    [{"role": "assistant", "content": "hi"}, {"role": "assistant", "content": "again"}],
    [{"role": "tool", "tool_call_id": "none", "content": [{"type": "text", "text": '[1, {"a": null}]'}]}],
    [{"role": "user", "content": "x " * 5_000 + "9" * 500}],
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = [
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "items",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "default",
]
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "null", "odd"])
SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": TYPES}) | JSON,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": TYPES | st.lists(TYPES, max_size=2)},
            optional={
                "properties": st.dictionaries(st.text(max_size=6), inner, max_size=3),
                "required": st.lists(st.text(max_size=6), max_size=2),
                "items": inner,
                "anyOf": st.lists(inner, max_size=2),
                "allOf": st.lists(inner, max_size=2),
                "enum": st.lists(JSON, max_size=3),
                "$ref": st.sampled_from(["#", "#/properties", "x"]),
                "description": JSON,
            },
        )
        | st.dictionaries(st.sampled_from(KEYWORDS), JSON | inner, max_size=3)
    ),
    max_leaves=6,
)


def _exercised(schema: Any, text: str, arguments: Any) -> None:
    """Answer with this schema, learn from it, and answer again."""
    tool = {"name": "act", "description": "Act on it", "parameters": schema}
    call = {"id": "1", "type": "function", "function": {"name": "act", "arguments": json.dumps(arguments)}}
    asked = [{"role": "user", "content": text}]
    messages = [*asked, {"role": "assistant", "tool_calls": [call]}]
    rows = [{"messages": messages, "tools": [{"type": "function", "function": tool}]}] * 2
    with tempfile.TemporaryDirectory() as folder:
        weights = train(rows, rows, Hyperparameters(1, 1, 1.0), folder=Path(folder)).weights
        tuned = loaded(weights)
    for model in (loaded(), tuned):
        for choice in ("auto", "act"):
            json.dumps([dict(c.arguments) for c in ask(model, asked, [tool], choice=choice).calls])


@pytest.mark.parametrize("schema", ODD_SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_an_odd_schema_does_not_fail(schema):
    _exercised(schema, "act on 5 and 'this' 🚁", {"a": "x", "b": [1, {"c": None}]})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(SCHEMAS, st.text(max_size=30), st.dictionaries(st.text(max_size=4), JSON, max_size=3))
def test_no_schema_makes_it_fail(schema, text, arguments):
    _exercised(schema, text, arguments)


@pytest.mark.parametrize("messages", ODD_MESSAGES, ids=range(len(ODD_MESSAGES)))
def test_an_odd_conversation_gets_an_answer(model, base, tools, messages):
    for some in (model, base):
        answer = ask(some, messages, tools)
        assert answer.content or answer.calls


def test_128_tools_are_told_apart(base):
    tools = [{"name": f"start_engine_{word}", "description": f"Start the engine {word}"} for word in _words(128)]
    (call,) = ask(base, [{"role": "user", "content": f"please start {_words(128)[77]}"}], tools).calls
    assert call.name == f"start_engine_{_words(128)[77]}"


def test_tools_may_come_without_parameters_and_wrapped(base):
    wrapped = [{"type": "function", "function": {"name": "ring_bell"}}]
    assert ask(base, [{"role": "user", "content": "ring the bell"}], wrapped).calls[0].name == "ring_bell"


ODD_ROWS: list[Any] = [
    {"messages": []},
    {"messages": [{"role": "assistant", "content": "nobody asked"}]},
    {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "text", "text": "y"}]},
        ]
    },
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "refusal": "no"}]},
    {"messages": [{"role": "assistant", "function_call": {"name": "gone", "arguments": "{broken"}}]},
    {"messages": [{"role": "assistant", "function_call": {"name": "twice", "arguments": '"{\\"a\\": 1}"'}}]},
    {
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "other"}}]}],
        "tools": [{"name": "mine"}],
    },
    {"input": {"messages": [{"role": "user", "content": "x"}]}, "preferred_output": [], "non_preferred_output": []},
]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=range(len(ODD_ROWS)))
def test_an_odd_row_does_not_stop_the_training(train, taught, odd):
    rows = [*taught[::10], odd]
    assert train(rows, [odd]).steps[-1].step == 3 * len(rows)


TALK = st.lists(
    st.sampled_from(
        [
            {"role": "user", "content": "act on five"},
            {"role": "user", "content": "act"},
            {"role": "assistant", "content": "five"},
            *(
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": name, "arguments": given}}]}
                for name in ("act", "five")
                for given in ("{}", '{"n": 5}', '{"n": 6}')
            ),
            {"role": "tool", "tool_call_id": "1", "content": '{"five": 5}'},
        ]
    ),
    max_size=7,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(TALK, min_size=1, max_size=3), TALK, TALK)
def test_no_order_of_messages_makes_the_training_fail(train, conversations, preferred, other):
    tool = {"name": "act", "parameters": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}
    rows = [{"messages": talk, "functions": [tool]} for talk in conversations]
    given_pair = {"input": rows[0], "preferred_output": preferred, "non_preferred_output": other}
    assert train([*rows, given_pair], rows, epochs=1).steps


def _words(count: int) -> list[str]:
    syllables = ["ba", "do", "fi", "gu", "ke", "lo", "mi", "nu"]
    return [f"{a}{b}{c}x" for a in syllables for b in syllables for c in syllables][:count]
