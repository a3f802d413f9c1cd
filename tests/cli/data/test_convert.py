"""`ftorch data convert` as a user types it."""

from __future__ import annotations

import json
from typing import get_args

from support import command
from support.project import Project
from support.rows import EXAMPLE, LEGACY, TOOL

from orchestrator.cli.data.convert import _FROM, _TO
from orchestrator.dataset.convert import SHAPES, Target


def test_a_conversion_says_what_it_read_changed_and_wrote(project: Project) -> None:
    (project.root / "old.jsonl").write_text(f"{json.dumps(LEGACY)}\n{json.dumps(EXAMPLE)}\n")
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl")
    assert done.code == 0, done.err
    assert "Read old.jsonl: JSONL; legacy functions (1), messages with tools (1)" in done.out
    assert "functions written as tools" in done.out
    assert "Wrote new.jsonl: 2 examples" in done.out
    assert project.ftorch("data", "check", "new.jsonl", "--purpose", "validation").code == 0


def test_bad_lines_are_named_on_stderr_with_exit_code_1_and_left_out_on_request(project: Project) -> None:
    (project.root / "old.jsonl").write_text(f'{json.dumps(LEGACY)}\n{{"\\u001b[31m": 1}}\n')
    refused = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl")
    assert refused.code == 1
    assert "old.jsonl:2: its keys match no known format" in refused.err
    assert not (project.root / "new.jsonl").exists()
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", "--skip-bad", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["written"], found["left_out"], found["bad"][0]["line"]) == (1, 1, 2)
    assert "\x1b" not in refused.err + done.out + done.err


def test_a_list_of_sound_examples_becomes_lines_and_is_said_to(project: Project) -> None:
    (project.root / "old.json").write_text(json.dumps([EXAMPLE, EXAMPLE]))
    done = project.ftorch("data", "convert", "old.json", "-o", "new.jsonl")
    assert "The examples needed no change; each is now one line." in done.out


def test_a_table_comes_from_standard_input(project: Project) -> None:
    (project.root / "tools.json").write_text(json.dumps([TOOL["function"]]))
    columns = (
        "--prompt-column",
        "said",
        "--call-column",
        "fn",
        "--arguments-column",
        "args",
        "--tools",
        "tools.json",
    )
    table = 'said,fn,args\nUp!,climb,"{""metres"": 5}"\n'
    with project.entered():
        done = command.ftorch("data", "convert", "-", "-o", "new.jsonl", *columns, piped=table)
    assert done.exit_code == 0, done.stderr
    assert "Read standard input: CSV; flat rows (1)" in done.stdout
    assert json.loads((project.root / "new.jsonl").read_text())["tools"] == [TOOL]


def test_what_was_written_is_checked_and_a_refused_line_ends_with_exit_code_1(project: Project) -> None:
    (project.root / "good.jsonl").write_text(f"{json.dumps(EXAMPLE)}\n" * 2)
    done = project.ftorch("data", "convert", "good.jsonl", "-o", "new.jsonl")
    checked = "Checked: 2 examples written, 0 errors, 4 warnings (ftorch data check shows them)"
    assert (done.code, f"{checked}; a training file needs 10 examples" in done.out) == (0, True), done.out
    counts = json.loads(project.ftorch("data", "check", "new.jsonl", "--json").out)["files"][0]
    assert (counts["counts"].pop("FT106"), len(counts["counts"])) == (1, 4)
    done = project.ftorch("data", "convert", "good.jsonl", "-o", "validation.jsonl")
    assert "a training file needs" not in done.out
    bad = {"messages": [{"role": "user", "content": 5}, {"role": "assistant", "content": "Yes."}]}
    (project.root / "bad.jsonl").write_text(json.dumps(bad) + "\n")
    done = project.ftorch("data", "convert", "bad.jsonl", "-o", "bad-new.jsonl")
    assert done.code == 1
    assert "1 example written, 1 error" in done.out
    assert "needed no change" not in done.out
    assert "First error: bad-new.jsonl:1: FT205 at /messages/0/content: " in done.err
    assert (project.root / "bad-new.jsonl").exists()
    found = json.loads(project.ftorch("data", "convert", "bad.jsonl", "-o", "x.jsonl", "--json").out)
    assert (found["errors"], "Line 1 at /messages/0" in found["first_error"]) == (1, True)


def test_names_that_services_refuse_are_renamed_with_a_map_beside(project: Project) -> None:
    tool = {
        "type": "function",
        "function": {"name": "uber.ride", "parameters": {"type": "object", "properties": {}}},
    }
    call = {"id": "call_1", "type": "function", "function": {"name": "uber.ride", "arguments": "{}"}}
    asked = {"role": "user", "content": "Go"}
    row = {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": [tool]}
    (project.root / "old.jsonl").write_text(json.dumps(row) + "\n")
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", "--rename-functions")
    assert done.code == 0, done.err
    written = json.loads((project.root / "new.jsonl").read_text())
    assert written["tools"][0]["function"]["name"] == "uber_ride"
    assert written["messages"][1]["tool_calls"][0]["function"]["name"] == "uber_ride"
    assert json.loads((project.root / "new.names.json").read_text()) == {"uber.ride": "uber_ride"}


def test_the_hint_for_refused_names_and_an_option_that_did_nothing_are_said(project: Project) -> None:
    called = {"id": "call_1", "type": "function", "function": {"name": "uber.ride", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "uber.ride"}}
    asked = {"role": "user", "content": "Go"}
    row = {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [called]}], "tools": [tool]}
    (project.root / "old.jsonl").write_text(json.dumps(row) + "\n")
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", "--drop-column", "nosuch")
    assert "convert again with --rename-functions --force" in done.err
    assert "Warning: --drop-column nosuch removed nothing" in done.err
    again = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", "--rename-functions", "--force")
    assert again.code == 0, again.err


def test_questions_of_bfcl_are_joined_with_their_answers_by_id(project: Project) -> None:
    definition = {"name": "uber.ride", "parameters": {"type": "dict", "properties": {"to": {"type": "string"}}}}
    row = {"id": "x_0", "question": [[{"role": "user", "content": "To Oslo"}]], "function": [definition]}
    answer = {"id": "x_0", "ground_truth": [{"uber.ride": {"to": ["Oslo", "OSL"], "seats": ["", 1]}}]}
    (project.root / "questions.jsonl").write_text(json.dumps(row) + "\n")
    (project.root / "answers.jsonl").write_text(json.dumps(answer) + "\n")
    options = ("--answers", "answers.jsonl", "--rename-functions")
    done = project.ftorch("data", "convert", "questions.jsonl", "-o", "new.jsonl", *options)
    assert done.code == 0, done.out + done.err
    written = json.loads((project.root / "new.jsonl").read_text())
    [call] = written["messages"][1]["tool_calls"]
    assert call["function"] == {"name": "uber_ride", "arguments": '{"to": "Oslo"}'}
    assert written["tools"][0]["function"]["name"] == "uber_ride"
    (project.root / "answers.jsonl").write_text(json.dumps(answer | {"id": "y"}) + "\n")
    refused = project.ftorch("data", "convert", "questions.jsonl", "-o", "other.jsonl", *options)
    assert (refused.code, 'no answer has the id "x_0"' in refused.err) == (1, True)


def test_a_list_of_prompts_is_answered_with_one_call(project: Project) -> None:
    (project.root / "tools.json").write_text(
        json.dumps([{"name": "reject", "parameters": {"type": "object", "properties": {}}}])
    )
    (project.root / "old.jsonl").write_text(
        '{"prompt": "Make tea"}\n{"messages": [{"role": "user", "content": "Sing"}]}\n'
    )
    options = ("--answer-call", "reject", "--tools", "tools.json")
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", *options)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (project.root / "new.jsonl").read_text().splitlines()]
    assert [row["messages"][-1]["tool_calls"][0]["function"]["name"] for row in rows] == ["reject", "reject"]


def test_the_choices_of_formats_are_those_there_are() -> None:
    assert (*SHAPES, "csv", "parquet") == _FROM
    assert get_args(Target) == _TO
