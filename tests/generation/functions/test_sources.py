"""Functions are read from definitions, Python and training files, and bad ones are refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.functionsources import body, openapi, read, refusal

from orchestrator.errors import (
    FunctionUnusable,
    InvalidFunctions,
    LineUnreadable,
    ToolsUnusable,
    UsageError,
)
from orchestrator.generation.functions.sources import read_functions

SCHEMA = {
    "type": "object",
    "properties": {"height": {"type": "integer", "minimum": 0}, "mode": {"enum": ["slow", "fast"]}},
    "required": ["height"],
}
CLIMB = {"name": "climb", "description": "Climb.", "parameters": SCHEMA}
LAND = {"name": "land", "description": "Land."}
TOOL = {"type": "function", "function": CLIMB}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith(("drone", "tools_of_")):
            del sys.modules[name]


def tool(**changes: Any) -> dict[str, Any]:
    function = {key: value for key, value in {**CLIMB, **changes}.items() if value is not ...}
    return {"type": "function", "function": function}


# --- Tool definitions --------------------------------------------------------------------------------------------


FORMS = {
    "tools": [TOOL],
    "functions": [CLIMB],
    "request with tools": {"model": "m", "tools": [TOOL]},
    "request with functions": {"functions": [CLIMB]},
    "Responses API": [{"type": "function", **CLIMB}],
    "Anthropic": [{"name": "climb", "description": "Climb.", "input_schema": SCHEMA}],
    "Anthropic with type": [{"type": "custom", "name": "climb", "description": "Climb.", "input_schema": SCHEMA}],
    "MCP": {"tools": [{"name": "climb", "description": "Climb.", "inputSchema": SCHEMA}]},
    "MCP answer": {"result": {"tools": [{"name": "climb", "description": "Climb.", "inputSchema": SCHEMA}]}},
    "Gemini": {"tools": [{"functionDeclarations": [CLIMB]}]},
    "Bedrock": {
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "climb", "description": "Climb.", "inputSchema": {"json": SCHEMA}}}]
        }
    },
    "one tool": TOOL,
    "one function": CLIMB,
    "no type": [{"function": CLIMB}],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_every_form_of_a_definition_is_read_alike(form: str, suffix: str) -> None:
    text = json.dumps(FORMS[form], indent=1) if suffix == ".json" else yaml.safe_dump(FORMS[form], sort_keys=False)
    source = read(text, f"tools{suffix}")
    (function,) = source.functions
    assert (function.name, function.description, function.schema) == ("climb", "Climb.", SCHEMA)
    assert function.definition == TOOL
    assert (source.kind, source.origin) == ("tools", f"tools{suffix}")
    assert source.sha256 == read([TOOL], "plain.json").sha256


def test_types_of_python_and_gemini_become_those_of_json_schema() -> None:
    schema = {"type": "OBJECT", "properties": {"height": {"type": "float"}, "stops": {"type": "list[str]"}}}
    source = read([{**CLIMB, "parameters": schema}])
    properties = source.functions[0].schema["properties"]
    assert properties == {"height": {"type": "number"}, "stops": {"type": "array", "items": {"type": "string"}}}
    assert any('"float" written as "number"' in note for note in source.notes)


def test_the_file_decides_and_not_its_name() -> None:
    assert read([TOOL], "tools.txt").kind == "tools"
    assert read(json.dumps(CLIMB) + "\n" + json.dumps(LAND) + "\n", "tools.jsonl").kind == "tools"
    assert read(openapi({"/": {"get": {"operationId": "a"}}}), "train.jsonl").kind == "openapi"
    rows = "\n".join(json.dumps({"messages": [], "tools": [TOOL]}) for _ in range(2))
    assert read(rows, "tools.json").kind == "training"


def test_a_function_without_arguments_is_fine() -> None:
    empty = {"type": "object", "properties": {}}
    source = read([LAND, {"name": "up", "parameters": {}}, {"name": "down", "parameters": {"type": "object"}}])
    assert [function.schema for function in source.functions] == [empty, empty, empty]
    assert source.functions[0].definition["function"] == LAND, "left out it stays left out"
    assert source.functions[1].definition["function"]["parameters"] == empty, "services refuse {}"


def test_the_hash_is_of_the_definitions_alone() -> None:
    turned = {key: CLIMB[key] for key in reversed(CLIMB)}
    assert read([turned], "a.json").sha256 == read({"functions": [CLIMB]}, "b.json").sha256
    assert read([CLIMB, LAND]).sha256 != read([CLIMB]).sha256


def test_what_services_refuse_though_it_is_sound_is_noted() -> None:
    source = read([tool(parameters={"type": "object", "properties": {"tags": {"type": "array"}}}), LAND])
    assert any("tags" in note and 'an array needs "items"' in note for note in source.notes)
    assert any("1,024" in note for note in read([tool(description="x" * 1025)]).notes)


def test_a_tool_that_is_no_function_is_left_out_and_noted() -> None:
    source = read({"tools": [{"type": "web_search"}, TOOL]})
    assert [function.name for function in source.functions] == ["climb"]
    assert source.notes == ('/tools/0 ("web_search"): left out, not a function',)


# --- Wrong definitions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (tool(name=...), 'tools.json: /0: the function has no name. Add the key "name".'),
        ({"parameters": SCHEMA}, 'a function definition has no name. Give it a key "name".'),
        (tool(name=7), "the function's name is a number"),
        (tool(name="climb to"), 'the name is "climb to", but services accept'),
        (tool(name="climb to"), 'Rename the function, for example to "climb_to".'),
        (tool(name="ü" * 3), "Rename the function."),
        (tool(name="c" * 65), f'for example to "{"c" * 64}"'),
        (tool(description=["x"]), "function climb at /description: the description must be a string"),
        (tool(parameters=[1]), "function climb at /parameters: the parameters must be a JSON Schema object"),
        (tool(parameters={"type": "string", "properties": {}}), "function climb at /parameters/type"),
        (
            tool(parameters={"type": "object", "properties": {"a/b": {"type": "foo"}}}),
            "function climb at /parameters/properties/a~1b/type: the parameters are not a valid JSON Schema",
        ),
        (
            tool(parameters={"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}),
            "not a valid JSON Schema",
        ),
        (tool(parameters={"type": "object", "properties": {"a": {"pattern": "("}}}), "not a valid JSON Schema"),
        ("climb", "a tool definition is a string"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_place_and_a_fix(wrong: Any, said: str) -> None:
    assert said in refusal([wrong, LAND], error=InvalidFunctions)


def test_all_wrong_functions_are_named_at_once() -> None:
    text = refusal({"tools": [tool(name="a b"), tool(name="c d"), LAND]}, error=InvalidFunctions)
    assert [line.split(": ")[1] for line in text.splitlines()] == ["/tools/0", "/tools/1"]
    many = refusal([tool(name=f"a {number}") for number in range(50)], error=InvalidFunctions)
    assert many.splitlines()[-1] == "… and 30 more"


def test_two_functions_of_one_name_are_refused_naming_both_places() -> None:
    text = refusal({"tools": [TOOL, LAND, tool(description="Other.")]}, error=InvalidFunctions)
    assert "/tools/2: the function climb is defined at /tools/0 too" in text


@pytest.mark.parametrize("empty", [[], {"tools": []}, {"functions": []}, {"tools": [{"type": "web_search"}]}])
def test_definitions_without_a_function_are_refused(empty: Any) -> None:
    assert "it defines no function" in refusal(empty)


def test_more_functions_than_a_request_takes_are_refused() -> None:
    assert len(read([tool(name=f"f{number}") for number in range(128)]).functions) == 128
    assert "129 functions" in refusal([tool(name=f"f{number}") for number in range(129)])


def enum(*sizes: int, length: int = 4) -> dict[str, Any]:
    properties = {
        f"p{each}": {"type": "string", "enum": [f"{number:0{length}}" for number in range(size)]}
        for each, size in enumerate(sizes)
    }
    return tool(parameters={"type": "object", "properties": properties})


def test_enums_beyond_what_services_take_are_refused_with_their_place() -> None:
    read([enum(500, 500), enum(250, length=100) | {"function": {**LAND, "name": "other"}}])
    text = refusal([enum(500, 501)], error=InvalidFunctions)
    assert "function climb at /parameters/properties/p1/enum: with this enum there are 1,001 enum values" in text
    text = refusal([enum(251, length=60)], error=InvalidFunctions)
    assert "at /parameters/properties/p0/enum: an enum of 251 values" in text
    assert read([enum(250, length=60)]).functions


def test_a_parameter_called_enum_is_no_enum() -> None:
    many = {"enum": {"type": "object", "properties": {}, "default": {"enum": list(range(2000))}}}
    assert read([tool(parameters={"type": "object", "properties": many})]).functions


@pytest.mark.parametrize("levels", [60, 300, 900])
def test_a_definition_nested_too_deeply_is_refused(levels: int) -> None:
    schema = '{"type": "object", "properties": {"a": ' * levels + "{}" + "}}" * levels
    for text in (
        f'[{{"name": "climb", "parameters": {schema}}}]',
        json.dumps(openapi({"/": {"post": body("HERE")}})).replace('"HERE"', schema),
    ):
        assert "nested" in refusal(text, error=UsageError)


# --- Files of another kind ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \n", "it is empty"),
        (b"# nothing\n", "only comments"),
        (b"a,b\n1,2\n", "looks like a CSV table"),
        (b'prompt,answer\n"a, b","{""x"": 1}"\n', "looks like a CSV table"),
        (b'model = "m"\n[data]\ntraining = "x"\n', "looks like TOML, such as a job file"),
        (b"# a job\n[data]\ntraining = 3\n", "looks like TOML, such as a job file"),
        (b"<!doctype html><html></html>", "looks like a web page or XML"),
        (b"PAR1\x15\x04", "looks like a Parquet file"),
        (b"PK\x03\x04\x14", "looks like a ZIP archive or an Excel file"),
        (b"\x7fELF\0\0", "looks like a binary file"),
        ("ä".encode("latin-1"), "byte 1 is not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "looks like text in UTF-16"),
        (b"Functions for the drone.\nThey are: climb, land.\n", "looks like plain text"),
        (b"42", "it looks like the single value 42"),
        (b'{"a": 1, "b": 2}', 'it looks like an object with the keys "a", "b"'),
        (b"{}", "it looks like an empty object"),
        (b'["climb", "land"]', "it looks like a list without definitions"),
        (b'[{"messages": []}]', "it looks like a JSON array of examples. Write one example on each line"),
        (b'{"type": "object", "properties": {}}', "a JSON Schema without the name of a function"),
        (b'{"cells": [], "nbformat": 4}', "it looks like a notebook"),
        (b'{"name": "a", "name": "b", "parameters": {}}', 'has the key "name" twice'),
        (b'[\n {"name": "a"},\n {"name": b"}\n]', "line 3: it is not valid JSON"),
        (b"- name: a\n  description: 'x\n", "it is not valid YAML"),
        (b"- name: a\n- name: b\n name: c\n", "line 3: it is not valid YAML"),
        (b"tools:\n\t- name: a\n", "line 2: it is not valid YAML: the line begins with a tab"),
        (b"tools: []\ntools: []\n", 'line 2: it is not valid YAML: the key "tools" appears twice'),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_it_looks_like(content: bytes, said: str) -> None:
    Path("it").write_bytes(content)
    with pytest.raises(ToolsUnusable) as raised:
        read_functions(Path("it"))
    assert said in str(raised.value)
    assert raised.value.facts["fix"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("none.json", "there is no such file"),
        ("sub/none.yaml", "there is no such file"),
        ("folder/", "it is a directory"),
        ("none.py", "there is no file none.py"),
        ("nowhere_at_all", "there is no module nowhere_at_all"),
        ("https://example.com/openapi.json", "it is an address, and nothing is fetched"),
    ],
)
def test_what_is_not_there_is_refused(source: str, said: str) -> None:
    Path("folder").mkdir()
    with pytest.raises(ToolsUnusable, match=said):
        read_functions(source)


# --- Python ------------------------------------------------------------------------------------------------------


DRONE = '''
def climb(height: int) -> str:
    """Climb.

    Args:
        height: In metres.
    """

def land() -> None: ...
'''


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("drone.py", ["climb", "land"]),
        ("drone.py:land", ["land"]),
        ("drone", ["climb", "land"]),
        ("drone:climb", ["climb"]),
        ("drones.small:climb", ["climb"]),
    ],
)
def test_python_functions_become_functions(source: str, names: list[str]) -> None:
    Path("drones").mkdir()
    Path("drones/small.py").write_text(DRONE)
    Path("drone.py").write_text(DRONE)
    found = read_functions(source)
    assert (found.kind, found.origin) == ("python", source)
    assert [function.name for function in found.functions] == names
    assert all(function.schema["type"] == "object" for function in found.functions)


def test_a_python_function_that_can_be_no_tool_is_refused() -> None:
    Path("drone.py").write_text("def climb(height): ...")
    with pytest.raises(FunctionUnusable, match="the parameter height has no type hint"):
        read_functions("drone.py")


# --- Training files ----------------------------------------------------------------------------------------------


def rows(*declared: Any, key: str = "tools") -> str:
    return "".join(
        json.dumps({"messages": [{"role": "user", "content": "x"}], key: each}) + "\n" for each in declared
    )


def test_a_training_file_gives_the_functions_of_all_its_rows() -> None:
    land = {"type": "function", "function": LAND}
    source = read(rows([land], [TOOL], [land, TOOL], []), "train.jsonl")
    assert source.kind == "training"
    assert [function.name for function in source.functions] == ["land", "climb"]
    assert source.sha256 == read([land, TOOL]).sha256


def test_preference_and_legacy_rows_declare_functions_too() -> None:
    assert read(rows([CLIMB], key="functions"), "old.jsonl").functions[0].definition == TOOL
    dpo = {"input": {"messages": [], "tools": [TOOL]}, "preferred_output": [], "non_preferred_output": []}
    assert read(json.dumps(dpo) + "\n" + json.dumps(dpo), "dpo.jsonl").functions[0].definition == TOOL
    assert read(dpo, "dpo.jsonl").kind == "training"
    assert read(json.dumps({"messages": [], "tools": [TOOL]}, indent=1), "one.json").kind == "training"


def test_lines_that_define_a_function_differently_are_both_named() -> None:
    text = refusal(rows([TOOL], [TOOL], [tool(description="Up.")]), "train.jsonl", InvalidFunctions)
    assert 'line 3: the function "climb" is defined differently at description than at line 1' in text
    text = refusal(rows([TOOL, TOOL]), "train.jsonl", InvalidFunctions)
    assert 'line 1: the function "climb" is defined twice' in text


def test_a_wrong_definition_of_a_training_file_is_refused_with_its_line() -> None:
    text = refusal(rows([TOOL], [tool(name="a b")]), "train.jsonl", InvalidFunctions)
    assert "train.jsonl: line 2: the name is" in text


def test_a_training_file_without_tools_is_refused() -> None:
    assert "its examples declare no functions" in refusal(rows([], []), "train.jsonl")


@pytest.mark.parametrize(
    ("second", "said"),
    [("{'a': 1}", "line 2"), ("[1]", "line 2: it is an array"), ('{"a": 1, "a": 2}', 'the key "a" twice')],
)
def test_a_line_that_can_not_be_read_is_named(second: str, said: str) -> None:
    assert said in refusal(rows([TOOL]) + second + "\n", "train.jsonl", LineUnreadable)


def test_ten_megabytes_of_training_data_are_read_quickly() -> None:
    tools = [tool(name=f"climb_{number}") for number in range(16)]
    one = rows(tools)
    Path("train.jsonl").write_text(one * (10_000_000 // len(one) + 1))
    start = time.monotonic()
    assert len(read_functions("train.jsonl").functions) == 16
    assert time.monotonic() - start < 3
