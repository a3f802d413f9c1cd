"""Every format that `data formats` lists is read, keeps its call, and passes the check of what is written."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from support.project import Project

from orchestrator.dataset.convert import SHAPES, Options, convert_file
from orchestrator.dataset.formats import FORMATS, Format


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_each_listed_format_is_converted_by_command_without_an_error(project: Project, each: Format) -> None:
    (project.root / "in.jsonl").write_text("\n".join(each.examples) + "\n")
    done = project.ftorch("data", "convert", "in.jsonl", "-o", "out.jsonl", *shlex.split(each.options))
    assert done.code == 0, done.out + done.err
    rows = [json.loads(line) for line in Path(project.root / "out.jsonl").read_text().splitlines()]
    assert len(rows) == (1 if each.name == "trl-unpaired" else 2)
    source = each.examples[0]
    before = rows[0]["input"]["messages"] if "input" in rows[0] else rows[0]["messages"]
    said = json.dumps(before)
    assert "Oslo" in said
    for marker in ("<tool", "functioncall", "weather(", "functionCall", "tool_use"):
        assert marker not in said
    if "rain" in source:
        assert [message["role"] for message in before if message["role"] == "tool"] == ["tool"]
    if '"weather' in source or "weather(" in source or '\\"weather' in source:
        called = [call["function"] for message in before for call in message.get("tool_calls", [])]
        assert [(call["name"], json.loads(call["arguments"])) for call in called] == [("weather", {"city": "Oslo"})]
        [tool] = rows[0]["tools"]
        assert tool["function"]["parameters"]["properties"]["city"]["type"] == "string"


def test_the_table_names_known_shapes_and_no_name_twice() -> None:
    assert {each.shape for each in FORMATS} <= set(SHAPES)
    assert len({each.name for each in FORMATS}) == len(FORMATS)


def test_the_command_lists_each_format_with_two_examples(project: Project) -> None:
    done = project.ftorch("data", "formats")
    assert done.code == 0, done.err
    for each in FORMATS:
        assert each.name in done.out
        assert each.examples[0] in done.out
        assert each.examples[1] in done.out
    listed = json.loads(project.ftorch("data", "formats", "--json").out)
    assert [entry["name"] for entry in listed] == [each.name for each in FORMATS]


@pytest.mark.parametrize("each", [each for each in FORMATS if not each.options], ids=lambda each: each.name)
def test_a_format_that_is_named_is_read_as_when_it_is_recognised(tmp_path: Path, each: Format) -> None:
    (tmp_path / "in").write_text("\n".join(each.examples) + "\n")
    convert_file(tmp_path / "in", tmp_path / "seen")
    [shape] = [known for known in SHAPES if known == each.shape]
    convert_file(tmp_path / "in", tmp_path / "named", Options(shape=shape))
    assert (tmp_path / "seen").read_bytes() == (tmp_path / "named").read_bytes()


TAKEN_AS_THEY_ARE = ("openai", "openai-functions", "dpo")
NAMED_BY_A_KEY = ("messages-response", "ms-swift")
RECOGNISED = [each for each in FORMATS if each.name not in (*TAKEN_AS_THEY_ARE, *NAMED_BY_A_KEY)]


@pytest.mark.parametrize("each", RECOGNISED, ids=lambda each: each.name)
def test_the_check_names_the_format_and_a_command_that_works(project: Project, each: Format) -> None:
    (project.root / "my rows.jsonl").write_text("\n".join(each.examples * 5) + "\n")
    refused = project.ftorch("data", "check", "my rows.jsonl", "--json")
    assert refused.code == 1
    [finding] = [
        each for each in json.loads(refused.out)["findings"] if (each["line"], each["code"]) == (1, "FT214")
    ]
    assert "this looks like" in finding["reason"]
    command = shlex.split(
        finding["fix"][finding["fix"].index("ftorch data convert") :].replace("NAME=JSON", "weather={}")
    )
    done = project.ftorch(*command[1:])
    assert (project.root / "my rows.converted.jsonl").exists(), done.err


@pytest.mark.parametrize("name", NAMED_BY_A_KEY)
def test_a_key_that_tells_a_format_comes_with_the_command_too(project: Project, name: str) -> None:
    [each] = [each for each in FORMATS if each.name == name]
    (project.root / "rows.jsonl").write_text("\n".join(each.examples * 5) + "\n")
    refused = project.ftorch("data", "check", "rows.jsonl", "--json")
    [fix] = [each["fix"] for each in json.loads(refused.out)["findings"] if each["code"] == "FT217"]
    assert "ftorch data convert rows.jsonl -o rows.converted.jsonl" in fix


def test_names_with_dots_in_gorillas_documentation_are_called_so(project: Project) -> None:
    documented = {"name": "Order a ride", "api_call": "rides.order", "parameters": [{"name": "to"}, {"name": "at"}]}
    answer = 'rides.order(to="home", at=8)'
    row = {"Instruction": "A ride home", "Functions": json.dumps([documented]), "Output": answer}
    (project.root / "in.jsonl").write_text(json.dumps(row) + "\n")
    done = project.ftorch("data", "convert", "in.jsonl", "-o", "out.jsonl", "--rename-functions")
    assert done.code == 0, done.out + done.err
    found = json.loads((project.root / "out.jsonl").read_text())
    [call] = found["messages"][1]["tool_calls"]
    assert call["function"] == {"name": "rides_order", "arguments": '{"to": "home", "at": 8}'}
    assert found["tools"][0]["function"]["description"] == "Order a ride"
    assert json.loads((project.root / "out.names.json").read_text()) == {"rides.order": "rides_order"}


def test_of_several_generations_none_is_chosen(project: Project) -> None:
    [each] = [each for each in FORMATS if each.name == "langsmith-runs"]
    row = json.loads(each.examples[0])
    row["outputs"]["generations"][0] *= 2
    (project.root / "in.jsonl").write_text(json.dumps(row) + "\n")
    done = project.ftorch("data", "convert", "in.jsonl", "-o", "out.jsonl")
    assert done.code != 0
    assert "its outputs hold 2 generations. Keep one of them." in done.err
