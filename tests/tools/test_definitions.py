"""Tools from definitions alone: whose calls are checked and never executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ToolsUnusable
from orchestrator.tools.calls import Call, CallRefused, ready
from orchestrator.tools.sources import load_tools

PRICE = {
    "name": "get_price",
    "parameters": {"type": "object", "properties": {"ticker": {"type": "string"}}, "required": ["ticker"]},
}
TOOL = {"type": "function", "function": PRICE}
SELL = {"type": "function", "function": {"name": "sell"}}


def names(path: Path, text: str) -> list[str]:
    path.write_text(text)
    return [tool.name for tool in load_tools([str(path)])]


@pytest.mark.parametrize(
    "value",
    [
        [TOOL],
        TOOL,
        PRICE,
        [PRICE],
        [{"type": "function", **PRICE}],
        {"tools": [TOOL]},
        {"functions": [PRICE]},
        {"messages": [], "tools": [TOOL]},
        {"input": {"messages": [], "tools": [TOOL]}, "preferred_output": []},
    ],
)
def test_definitions_are_read_in_every_usual_form(value: Any, tmp_path: Path) -> None:
    assert names(tmp_path / "tools.json", json.dumps(value)) == ["get_price"]


def test_a_training_file_gives_each_function_once(tmp_path: Path) -> None:
    rows = [{"messages": [], "tools": [TOOL]}, {"messages": []}, {"messages": [], "tools": [SELL, TOOL]}]
    assert names(tmp_path / "train.jsonl", "\n\n".join(map(json.dumps, rows))) == ["get_price", "sell"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", '{"a":', "it is not valid JSON: it ends too early"),
        ("a.json", "[]", "it defines no function"),
        ("a.json", '{"messages": []}', "it defines no function"),
        ("a.json", "[3]", "a tool definition is a number"),
        ("a.json", json.dumps([TOOL, TOOL]), 'two functions are called "get_price". Rename one of them'),
        ("a.json", json.dumps([{**SELL, "function": {"name": "a b"}}]), "a function is called 'a b'"),
        (
            "a.json",
            json.dumps([{**SELL, "function": {"name": "a", "parameters": {"type": 3}}}]),
            "not a JSON Schema",
        ),
        ("a.jsonl", '{"tools": []}\n{', "line 2 is not valid JSON"),
    ],
)
def test_what_can_not_be_used_is_said(name: str, text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ToolsUnusable) as caught:
        names(tmp_path / name, text)
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolsUnusable, match=r"gone\.json can't be used: there is no such file"):
        load_tools(["gone.json"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("{}", "ticker is missing, but required"),
        ('{"ticker": 3}', "ticker is 3, but must be a string"),
        ('{"ticker": "A", "day": 1}', 'get_price takes no "day"'),
        ("3", "the arguments must be an object"),
    ],
)
def test_calls_are_checked_against_the_definition(arguments: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([TOOL]))
    tools = load_tools([str(path)])
    assert ready(Call("1", "get_price", '{"ticker": "A"}'), tools).written == 'get_price(ticker="A")'
    with pytest.raises(CallRefused, match=problem):
        ready(Call("1", "get_price", arguments), tools)
