"""Calls and definitions that are written as text, and parameters in other types than those of JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.rows import TOOL

from orchestrator.dataset.convert import Conversion
from orchestrator.errors import RowsNotConverted

Convert = Callable[..., tuple[Conversion, list[Any]]]

ASKED = {"role": "user", "content": "Up and down"}
HERMES = (
    "You are a function calling AI model. You are provided with function signatures within <tools></tools> "
    "XML tags. Be kind. Here are the available tools: <tools> {tools} </tools> Use the following "
    "pydantic model json schema "
    "for each tool call you will make: {{'title': 'FunctionCall', 'type': 'object', 'properties': {{'arguments': "
    "{{'title': 'Arguments', 'type': 'object'}}, 'name': {{'title': 'Name', 'type': 'string'}}}}, 'required': "
    "['arguments', 'name']}} For each function call return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags as follows:\n<tool_call>\n{{'arguments': <args-dict>, 'name': "
    "<function-name>}}\n</tool_call>"
)


def called(row: dict[str, Any], place: int) -> list[tuple[str, Any]]:
    calls = [call["function"] for call in row["messages"][place]["tool_calls"]]
    return [(call["name"], json.loads(call["arguments"])) for call in calls]


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_hermes_tools_calls_and_results_are_read_and_the_rest_of_the_system_text_stays(
    convert: Convert, write: Callable[[Any], str]
) -> None:
    calls = [{"arguments": {"metres": 5}, "name": "climb"}, {"arguments": {"metres": 1}, "name": "climb"}]
    answer = "Going. " + "\n".join(f"<tool_call>\n{write(call)}\n</tool_call>" for call in calls)
    results = "".join(f"<tool_response>\n{text}\n</tool_response>\n" for text in ("at 5", "at 1"))
    turns = [
        {"from": "system", "value": HERMES.format(tools=write([TOOL]))},
        {"from": "human", "value": "Up and down"},
        {"from": "gpt", "value": answer},
        {"from": "tool", "value": results},
        {"from": "gpt", "value": "Done."},
    ]
    _, [written] = convert([{"conversations": turns}])
    assert written["tools"] == [TOOL]
    assert written["messages"][0] == {"role": "system", "content": "Be kind."}
    assert written["messages"][2]["content"] == "Going."
    assert called(written, 2) == [("climb", {"metres": 5}), ("climb", {"metres": 1})]
    linked = [(message["tool_call_id"], message["content"]) for message in written["messages"][3:5]]
    ids = [call["id"] for call in written["messages"][2]["tool_calls"]]
    assert linked == list(zip(ids, ("at 5", "at 1"), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "[climb(metres=5), climb(metres=1)]",
        '[{"name": "climb", "arguments": {"metres": 5}}, {"name": "climb", "arguments": {"metres": 1}}]',
        '[TOOL_CALLS] [{"name": "climb", "arguments": {"metres": 5}}, '
        '{"name": "climb", "arguments": {"metres": 1}}]',
    ],
)
def test_calls_of_declared_functions_in_text_are_tool_calls(convert: Convert, text: str) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": text}], "tools": [TOOL]}
    _, [written] = convert([row])
    assert called(written, 1) == [("climb", {"metres": 5}), ("climb", {"metres": 1})]


@pytest.mark.parametrize("text", ["sing(loud=True)", "[1, 2]", "climb (a hill)", '{"name": "x"}', "f()"])
def test_text_that_names_no_declared_function_stays_text(convert: Convert, text: str) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": text}], "tools": [TOOL]}
    assert convert([row])[1] == [row]


def test_a_call_between_tags_that_cannot_be_read_is_refused(convert: Convert) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": "<tool_call>{climb</tool_call>"}]}
    with pytest.raises(RowsNotConverted, match="a call is not valid JSON"):
        convert([row])


def test_answers_that_are_no_calls_are_never_taken_for_a_function_name(convert: Convert) -> None:
    with pytest.raises(RowsNotConverted, match=r'"answers" holds no calls.*--answer-column answers'):
        convert([{"query": "Capital of France?", "answers": "Paris"}])


def test_tools_inside_a_cell_are_kept_or_the_row_is_refused(convert: Convert) -> None:
    reply = {"role": "assistant", "content": "Done."}
    _, [written] = convert([{"input": {"messages": [ASKED], "tools": [TOOL]}, "output": reply}])
    assert written == {"messages": [ASKED, reply], "tools": [TOOL]}
    with pytest.raises(RowsNotConverted, match="holds tools beside its messages"):
        convert([{"prompt": {"messages": [ASKED], "tools": [TOOL]}, "completion": "Done."}])


def test_several_choices_of_a_response_are_refused(convert: Convert) -> None:
    choices = [{"message": {"role": "assistant", "content": text}} for text in "ab"]
    with pytest.raises(RowsNotConverted, match="holds 2 choices"):
        convert([{"messages": [ASKED], "response": {"choices": choices}}])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("FLOAT", {"type": "number"}),
        ("OBJECT", {"type": "object"}),
        ("dict", {"type": "object"}),
        ("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("List[str]", {"type": "array", "items": {"type": "string"}}),
        ("list[list[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ("Tuple[float, float]", {"type": "array", "items": {"type": "number"}}),
        ("Optional[bool]", {"type": "boolean"}),
        ("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}),
        ("any", {}),
        ("datetime", {"type": "datetime"}),
    ],
)
def test_types_of_python_and_gemini_become_json_schema(convert: Convert, given: str, expected: Any) -> None:
    parameters = {"type": "dict", "properties": {"a": {"type": given}}}
    row = {"messages": [ASKED], "tools": [{"name": "f", "parameters": parameters}]}
    done, [written] = convert([row, row])[0], convert([row])[1]
    assert written["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"a": expected}}
    assert [change.lines for change in done.changes if change.what.startswith(f'type "{given}"')] in ([2], [])


def test_bare_parameters_become_an_object_whose_optional_ones_are_not_required(convert: Convert) -> None:
    parameters = {
        "city": {"type": "str", "description": "City."},
        "days": {"type": "int, optional", "default": 1},
        "type": {"type": "str", "default": "a"},
    }
    _, [written] = convert([{"messages": [ASKED], "tools": [{"name": "f", "parameters": parameters}]}])
    framed = written["tools"][0]["function"]["parameters"]
    assert framed["required"] == ["city"]
    assert framed["properties"]["days"] == {"type": "integer", "default": 1}
    assert framed["properties"]["type"] == {"type": "string", "default": "a"}


def test_a_schema_that_is_json_schema_keeps_its_bytes(convert: Convert) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": "Done."}], "tools": [TOOL]}
    done, rows = convert([row])
    assert (rows, done.changes) == ([row], ())


def test_calls_in_the_answers_of_preference_data_are_read(convert: Convert) -> None:
    answers = {
        "preferred_output": [{"role": "assistant", "content": "[climb(metres=5)]"}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }
    _, [row] = convert([{"input": {"messages": [ASKED], "tools": [TOOL]}, **answers}])
    [answer] = row["preferred_output"]
    assert called({"messages": [answer]}, 0) == [("climb", {"metres": 5})]
    assert row["non_preferred_output"] == answers["non_preferred_output"]
