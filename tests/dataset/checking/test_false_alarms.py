"""Findings that said too much: of rows without answers, of lines with errors, of one mistake over and over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.rows import DECLARED, EXAMPLE, FUNCTION, MISSING, TOOL, Row, changed, check_rows
from support.surveys import asks, call, says, tool

TOOLS = [tool("light"), tool("lock", "Lock a door.")]


def prompts(*texts: str, **keys: Any) -> list[Row]:
    return [{"messages": [{"role": "user", "content": text}], **keys} for text in texts]


def codes_of(tmp_path: Path, *rows: Row, method: str | None = None) -> dict[str, str]:
    report = check_rows(tmp_path, *rows, method=method, purpose="training")
    return {each.code: each.reason for each in report.findings}


def test_prompts_for_a_grader_are_not_asked_to_call_every_tool(tmp_path: Path) -> None:
    rows = prompts(*(f"Room {number}" for number in range(12)), tools=TOOLS, expected="light")
    assert codes_of(tmp_path, *rows).keys() == {"FT601"}


def test_what_lines_with_errors_show_is_not_said_to_be_missing(tmp_path: Path) -> None:
    good = [asks(f"Light {number}", call("light"), tools=TOOLS) for number in range(12)]
    lock = asks("Lock it", call("lock"), tools=TOOLS)
    broken = changed(lock, "messages", 1, "tool_calls", 0, "function", "arguments", {})
    assert "FT612" in codes_of(tmp_path, *good)
    assert codes_of(tmp_path, *good, broken).keys() & {"FT612", "FT621"} == set()


def test_words_about_answers_are_said_only_where_there_are_answers(tmp_path: Path) -> None:
    near = prompts("Count all red birds here now", "count all red birds here, now!", answer="4")
    differing = [*prompts("How many?", answer="4"), *prompts("How many?", answer="5")]
    found = codes_of(tmp_path, *near, *differing)
    assert "have the same keys for the grader" in found["FT603"]
    assert "have different keys for the grader" in found["FT605"]
    found = codes_of(tmp_path, says("How many?", "4"), says("How many?", "5"))
    assert "are answered with different texts" in found["FT605"]


def test_a_file_of_prompts_is_one_finding_that_names_the_method(tmp_path: Path) -> None:
    report = check_rows(tmp_path, *prompts(*"abcdefghijkl"), method=None, purpose="training")
    found = [each for each in report.findings if each.code == "FT208"]
    assert [(each.line, report.counts["FT208"]) for each in found] == [(None, 1)]
    assert found[0].reason.startswith("all 12 examples are prompts")
    assert "--method reinforcement" in found[0].fix
    mixed = check_rows(tmp_path, *prompts(*"abc"), says("d", "1"), method=None)
    assert mixed.counts["FT208"] == 3


def test_flat_definitions_are_named_and_their_calls_are_not_undeclared(tmp_path: Path) -> None:
    flat = {"type": "function", **TOOL["function"]}
    report = check_rows(tmp_path, changed(EXAMPLE, "tools", [flat]))
    [finding] = report.errors
    found = {each.code: each.reason for each in report.findings}
    assert "Responses API" in found["FT301"]
    assert "ftorch data convert" not in finding.reason  # the names of files are put into the fix alone
    assert finding.fix.endswith("or let ftorch do it: ftorch data convert IN -o OUT")
    assert found.keys() & {"FT318", "FT218"} == set()


def test_a_call_is_not_undeclared_where_a_definition_could_not_be_read(tmp_path: Path) -> None:
    for row in (
        changed(EXAMPLE, "tools", "climb"),
        changed(EXAMPLE, "tools", [None]),
        changed(EXAMPLE, *DECLARED, "name", MISSING),
    ):
        assert "FT318" not in codes_of(tmp_path, row)
    assert "FT318" in codes_of(tmp_path, changed(EXAMPLE, *FUNCTION, "name", "dive"))


def test_questions_with_answers_beside_their_functions_are_not_said_to_hold_none(tmp_path: Path) -> None:
    row = {"question": "Umbrella in Oslo?", "function": [TOOL["function"]], "answer": "Take one."}
    report = check_rows(tmp_path, row)
    assert [each.code for each in report.errors] == ["FT214"]
    assert "no answers" not in report.errors[0].reason
    assert "--answer" not in report.errors[0].fix
    del row["answer"]
    [found] = check_rows(tmp_path, row).errors
    assert ("no answers" in found.reason, "--answer-call" in found.fix) == (True, True)
    [found] = check_rows(tmp_path, {"id": "x_0", **row}).errors
    assert ("no answers" in found.reason, found.fix.endswith("--answers FILE")) == (True, True)


def test_lists_of_messages_are_not_called_the_old_completion_format(tmp_path: Path) -> None:
    said = [{"role": "assistant", "content": "Hello"}]
    assert (
        "TRL"
        in check_rows(tmp_path, {"prompt": [{"role": "user", "content": "Hi"}], "completion": said})
        .errors[0]
        .reason
    )
    assert "old prompt" in check_rows(tmp_path, {"prompt": "Hi", "completion": " Hello"}).errors[0].reason


def test_a_known_format_is_named_whatever_its_keys(tmp_path: Path) -> None:
    report = check_rows(tmp_path, {"question": "How many?", "answer": "five"})
    assert report.errors[0].reason == "this looks like questions with answers"
    assert report.errors[0].excerpt == ""  # the same keys may hold anything, so nothing is quoted


def test_a_name_that_services_refuse_is_one_finding_with_the_option_that_renames(tmp_path: Path) -> None:
    ride = [asks(f"Ride {number}", call("uber.ride"), tools=[tool("uber.ride")]) for number in range(12)]
    report = check_rows(tmp_path, *ride)
    [found] = [each for each in report.findings if each.code == "FT302"]
    assert found.reason.startswith('in 24 place(s) the function\'s name is "uber.ride"')
    assert found.fix.endswith("--rename-functions")
    assert report.tokens is None


def test_keys_of_a_format_that_convert_reads_are_not_named_one_by_one(tmp_path: Path) -> None:
    bedrock: Row = {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "Be brief."}]}
    bedrock["messages"] = [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"text": "Hello"}]},
    ]
    assert codes_of(tmp_path, bedrock).keys() & {"FT214", "FT217", "FT218"} == {"FT214"}
    anthropic = {**says("Hi", "Hello"), "system": "Be brief.", "tools": [{"name": "light", "input_schema": {}}]}
    assert codes_of(tmp_path, anthropic).keys() & {"FT214", "FT217", "FT218"} == {"FT214"}


def test_all_types_of_python_are_named_in_one_finding(tmp_path: Path) -> None:
    properties = {"a": {"type": "str"}, "b": {"type": "float"}, "c": {"type": "list[str]"}, "d": {"type": "any"}}
    row = changed(EXAMPLE, *DECLARED, "parameters", {"type": "dict", "properties": properties})
    [found] = check_rows(tmp_path, row).errors
    assert found.code == "FT304"
    for word in ('"dict"', '"str"', '"float"', '"list[str]"', '"any" (no type)'):
        assert word in found.reason
