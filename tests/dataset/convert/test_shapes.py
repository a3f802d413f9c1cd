"""Formats other than messages, tables, and what the file around the examples looks like."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.conversations import spoilt_rows
from support.rows import EXAMPLE, LEGACY, TOOL

from orchestrator.dataset.convert import SHAPES, ColumnNames, Conversion, Options, Target, convert_file
from orchestrator.dataset.convert.calls import read_tools
from orchestrator.errors import (
    ColumnsUnclear,
    DataFileEmpty,
    DataFileUnreadable,
    FtorchError,
    OutputExists,
    ParquetMissing,
    RowsNotConverted,
    ToolsFileUnusable,
)

Convert = Callable[..., tuple[Conversion, list[Any]]]
ROWS = [EXAMPLE, LEGACY, {"messages": [{"role": "user", "content": "ü\n"}, {"role": "assistant", "content": "]"}]}]


def changes(done: Conversion) -> dict[str, int]:
    return {change.what: change.lines for change in done.changes}


def test_rows_of_user_and_function_call_become_messages_with_tools(convert: Convert) -> None:
    call = {"name": "climb", "arguments": {"metres": 5}}
    row = {"user": {"content": "Up."}, "function_call": call, "functions": [TOOL["function"]]}
    done, [written] = convert([row])
    function = {"name": "climb", "arguments": '{"metres": 5}'}
    reply: dict[str, Any] = {"role": "assistant", "content": None}
    reply |= {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    assert written == {"messages": [{"role": "user", "content": "Up."}, reply], "tools": [TOOL]}
    assert done.shapes == {"single-call": 1}


def test_sharegpt_turns_become_messages_with_linked_calls(convert: Convert) -> None:
    turns = [
        {"from": "human", "value": "Up."},
        {"from": "function_call", "value": '{"name": "climb", "arguments": {"metres": 5}}'},
        {"from": "observation", "value": "ok"},
        {"from": "gpt", "value": "Done.", "mood": "good"},
    ]
    row = {"conversations": turns, "system": "You fly.", "tools": json.dumps([TOOL["function"]])}
    done, [written] = convert([row])
    assert [message["role"] for message in written["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert written["messages"][3]["tool_call_id"] == written["messages"][2]["tool_calls"][0]["id"]
    assert written["tools"] == [TOOL]
    assert changes(done)['key "mood" of turns left out'] == 1


def test_flat_tool_definitions_are_framed(convert: Convert) -> None:
    flat = {"type": "function", **TOOL["function"]}
    _, [written] = convert([EXAMPLE | {"tools": [flat]}])
    assert written["tools"] == [TOOL]


@pytest.mark.parametrize("shape", ["tools", "functions", "dpo", "single-call", "sharegpt", "columns"])
def test_a_format_that_is_named_wrongly_is_told(convert: Convert, shape: Any) -> None:
    with pytest.raises(RowsNotConverted, match=r'it has no "|the prompt is empty'):
        convert([{"what": 1}], shape=shape)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_an_array_and_json_over_many_lines_are_read_example_by_example(
    convert: Convert, indent: int | None, blank: str
) -> None:
    _, lines = convert(ROWS)
    done, array = convert(blank + json.dumps(ROWS, indent=indent) + blank)
    assert array == lines
    assert done.container == "JSON"
    _, objects = convert("\n".join(json.dumps(row, indent=1, ensure_ascii=False) for row in ROWS))
    assert objects == lines


def test_changes_name_the_lines_on_which_examples_begin(convert: Convert) -> None:
    text = json.dumps([EXAMPLE, LEGACY, EXAMPLE, LEGACY], indent=1)
    starts = [number for number, line in enumerate(text.splitlines(), 1) if line == " {"]
    done, _ = convert(text)
    [framed] = [change for change in done.changes if change.what == "functions written as tools"]
    assert framed.first == (starts[1], starts[3])


def test_an_array_far_larger_than_a_block_is_read_whole(convert: Convert) -> None:
    long = {"messages": [{"role": "user", "content": "ü\\" * 300_000}, {"role": "assistant", "content": "ok"}]}
    rows = [EXAMPLE, long] * 4
    _, written = convert(json.dumps(rows, ensure_ascii=False, indent=1))
    assert written == rows


def test_a_file_that_is_cut_off_is_refused_with_the_line_of_its_last_example(convert: Convert) -> None:
    text = json.dumps([EXAMPLE, EXAMPLE], indent=1)
    with pytest.raises(RowsNotConverted, match=r"in:\d\d+: it is cut off: the file ends inside it"):
        convert(text[:-40])
    with pytest.raises(RowsNotConverted, match="the array is not closed"):
        convert(text[:-2])


def test_marks_line_ends_blank_lines_and_commas_are_put_right_and_counted(convert: Convert, tmp_path: Path) -> None:
    line = json.dumps(EXAMPLE).encode()
    done, rows = convert(b"\xef\xbb\xbf" + line + b"\r\n \n" + line + b",\r\n\n" + line)
    assert rows == [EXAMPLE] * 3
    assert (tmp_path / "out.jsonl").read_bytes() == (line + b"\n") * 3
    assert changes(done) == {
        "byte-order mark taken off": 1,
        "line ends CRLF written as LF": 2,
        "blank lines left out": 2,
        "comma at the end of lines taken off": 1,
        "missing end of the last line added": 1,
    }


def test_a_mark_is_written_for_who_asks_and_kept_without_a_change(tmp_path: Path) -> None:
    marked, again = tmp_path / "marked", tmp_path / "again"
    (tmp_path / "in").write_text(json.dumps(EXAMPLE) + "\n")
    assert changes(convert_file(tmp_path / "in", marked, Options(mark=True))) == {"byte-order mark added": 1}
    assert marked.read_bytes().startswith(b"\xef\xbb\xbf{")
    assert convert_file(marked, again, Options(mark=True)).changes == ()
    assert again.read_bytes() == marked.read_bytes()


def test_bad_lines_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(f'{json.dumps(EXAMPLE)}\n{{"a": 1}}\n{json.dumps(EXAMPLE)}\n{{"a": 1, "a": 2}}\n[]\n')
    with pytest.raises(RowsNotConverted) as refused:
        convert_file(source, target)
    said = str(refused.value)
    assert f'{source}:2: its keys match no known format: "a"' in said
    assert f'{source}:4: an object has the key "a" twice' in said
    assert f"{source}:5: it is an array" in said
    assert "--skip-bad" in said
    assert refused.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_bad_lines_are_left_out_on_request_and_still_named(convert: Convert) -> None:
    done, rows = convert([EXAMPLE, {"a": 1}, EXAMPLE], skip_bad=True)
    assert rows == [EXAMPLE, EXAMPLE]
    assert [(row.line, "no known format" in row.problem) for row in done.bad] == [(2, True)]
    broken = LEGACY | {"messages": [*LEGACY["messages"], "not a message"]}
    assert convert([broken, EXAMPLE], skip_bad=True)[0].changes == ()
    with pytest.raises(RowsNotConverted, match="No example could be converted"):
        convert([{"a": 1}], skip_bad=True)


def test_reading_ends_early_where_nothing_fits(convert: Convert) -> None:
    with pytest.raises(RowsNotConverted, match=r"it is a number .and 999 more"):
        convert("[" + "0," * 100_000 + "0]")


def test_a_file_is_never_replaced_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(LEGACY))
    with pytest.raises(OutputExists, match="--force"):
        convert_file(path, path)
    assert json.loads(path.read_text()) == LEGACY
    convert_file(path, path, replace=True)
    assert "tools" in json.loads(path.read_text())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b"{}", mtime=0), "gunzip"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04", "CSV"),
        (b"prompt,call\n\xff,f\n", "UTF-8"),
        (bytes(100), "not text"),
        (b'"prompt"x,call\n', "its first line is not valid CSV"),
        (b"PAR1 and no more", "not a valid Parquet file"),
    ],
)
def test_other_kinds_of_files_are_told_by_name(convert: Convert, content: bytes, problem: str) -> None:
    with pytest.raises(DataFileUnreadable, match=problem):
        convert(content)


@pytest.mark.parametrize("content", ["", "\n\n", "[]", "prompt,answer\n"])
def test_a_file_without_examples_is_refused(convert: Convert, content: str) -> None:
    with pytest.raises((DataFileEmpty, ColumnsUnclear)):
        convert(content)


CSV = """text;function;args;city
"Climb; now";climb;"{""metres"": 5}";Rome
Go home;go_home;;
"""
NAMES = ColumnNames(prompt="text", call="function", arguments="args", system="You fly.", keep=("city",))


def test_a_table_becomes_calls_by_the_columns_that_are_named(convert: Convert) -> None:
    done, [climb, home] = convert(CSV, columns=NAMES, tools=(TOOL,))
    assert done.container == "CSV"
    assert [message["content"] for message in climb["messages"]] == ["You fly.", "Climb; now", None]
    function = climb["messages"][2]["tool_calls"][0]["function"]
    assert function == {"name": "climb", "arguments": '{"metres": 5}'}
    assert home["messages"][2]["tool_calls"][0]["function"] == {"name": "go_home", "arguments": "{}"}
    assert climb["tools"] == [TOOL]
    assert climb["city"] == "Rome"


def test_a_table_with_usual_names_needs_no_options_and_names_the_columns_it_leaves_out(convert: Convert) -> None:
    call = json.dumps([{"name": "climb", "arguments": {}}, {"name": "land", "arguments": {}}]).replace('"', '""')
    done, [two, text] = convert(f'Prompt,Call,Answer,Notes\nUp,"{call}",,x\nHi,,"Hello, you",y\n')
    assert [call["function"]["name"] for call in two["messages"][1]["tool_calls"]] == ["climb", "land"]
    assert text["messages"][1] == {"role": "assistant", "content": "Hello, you"}
    assert changes(done)['column "Notes" left out'] == 2


def test_prompt_and_completion_rows_of_json_are_columns_too(convert: Convert) -> None:
    done, [written] = convert([{"prompt": "Hi", "completion": "Hello"}])
    assert done.shapes == {"columns": 1}
    assert [message["content"] for message in written["messages"]] == ["Hi", "Hello"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",climb", "the prompt is empty"),
        ("Up,", "the call and the answer are empty"),
        ("Up,{climb", "the column call holds no call"),
        ("Up,climb,more", "3 cells, but the header names 2"),
        ('"Up', "not valid CSV"),
    ],
)
def test_rows_of_a_table_that_say_too_little_are_named_by_line(convert: Convert, row: str, reason: str) -> None:
    with pytest.raises(RowsNotConverted, match=f"in:3: .*{reason}"):
        convert(f"prompt,call\nUp,climb\n{row}\n")


def test_a_missing_column_is_told_with_those_there_are(convert: Convert) -> None:
    with pytest.raises(ColumnsUnclear, match=r'no column "fn".*"text", "function", "args", "city"'):
        convert(CSV, columns=ColumnNames(prompt="text", call="fn"))
    with pytest.raises(ColumnsUnclear, match=r"named like a prompt.*--prompt-column"):
        convert(CSV)


def test_parquet_is_read_without_the_nulls_that_fill_its_structs(convert: Convert, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist([EXAMPLE, {"messages": EXAMPLE["messages"][:2]}]), tmp_path / "in")
    done = convert_file(tmp_path / "in", tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert rows == [EXAMPLE, {"messages": EXAMPLE["messages"][:2]}]
    assert done.container == "Parquet"
    parquet.write_table(arrow.table({"prompt": ["Up"], "call": ["climb"]}), tmp_path / "in")
    convert_file(tmp_path / "in", tmp_path / "columns")
    assert '"climb"' in (tmp_path / "columns").read_text()


def test_parquet_without_its_library_says_what_to_install(
    convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissing, match=r"pip install 'pyarrow>="):
        convert(b"PAR1")


@pytest.mark.parametrize("content", ["{}", "[3]", "[", '[{"description": "no name"}]'])
def test_a_file_of_tools_that_holds_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tools.json").write_text(content)
    with pytest.raises(ToolsFileUnusable, match=r"tools\.json"):
        read_tools(tmp_path / "tools.json")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(spoilt_rows(), min_size=1, max_size=5),
    st.sampled_from([None, *get_args(Target)]),
    st.sampled_from([None, *SHAPES]),
)
def test_whatever_the_json_it_is_converted_or_refused(
    tmp_path: Path, values: list[Any], to: Any, shape: Any
) -> None:
    source, target = tmp_path / "any", tmp_path / "any.jsonl"
    source.write_text("\n".join(json.dumps(value) for value in values))
    try:
        done = convert_file(source, target, Options(to=to, shape=shape, skip_bad=True), replace=True)
    except FtorchError:
        return
    assert done.written + done.bad_count == len(values)
    if not done.bad_count:
        written = [json.loads(line) for line in target.read_text().splitlines()]
        assert done.changes or written == values


def test_an_array_of_any_length_takes_the_memory_of_a_few_blocks(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "x" * 10_000}, {"role": "assistant", "content": "ok"}]}
    (tmp_path / "in").write_text(json.dumps([long] * 1000, indent=1))
    tracemalloc.start()
    try:
        done = convert_file(tmp_path / "in", tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.written == 1000
    assert peak < 5 << 20, peak


def test_messages_may_stand_as_json_text_in_a_table(convert: Convert) -> None:
    text = json.dumps(EXAMPLE["messages"]).replace('"', '""')
    tools = json.dumps(EXAMPLE["tools"]).replace('"', '""')
    done, rows = convert(f'messages,tools\n"{text}","{tools}"\n')
    assert (done.container, rows) == ("CSV", [EXAMPLE])


def test_messages_with_other_roles_are_read_as_turns(convert: Convert) -> None:
    call = json.dumps({"name": "climb", "arguments": {"metres": 5}})
    turns = [
        ("human", "Up"),
        ("tool_call", call),
        ("tool_call", call),
        ("tool_response", "a"),
        ("tool_response", "b"),
    ]
    row = {"messages": [{"role": role, "content": text} for role, text in turns], "tools": [TOOL]}
    _, [written] = convert([row])
    assert [message["role"] for message in written["messages"]] == ["user", "assistant", "tool", "tool"]
    ids = [call["id"] for call in written["messages"][1]["tool_calls"]]
    assert [message["tool_call_id"] for message in written["messages"][2:]] == ids == ["call_1", "call_2"]


def test_an_answer_and_the_calls_after_it_are_one_message(convert: Convert) -> None:
    call = json.dumps({"name": "climb", "arguments": {"metres": 5}})
    turns = [
        ("human", "Up"),
        ("gpt", "Going."),
        ("function-call", call),
        ("function-response", "ok"),
        ("chatgpt", "Done."),
    ]
    row = {"conversations": [{"from": speaker, "value": text} for speaker, text in turns], "tools": [TOOL]}
    _, [written] = convert([row])
    assert [message["role"] for message in written["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert written["messages"][1]["content"] == "Going."
    assert len(written["messages"][1]["tool_calls"]) == 1
