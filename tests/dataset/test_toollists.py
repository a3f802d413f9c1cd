from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.rows import EXAMPLE, PREFERENCE, TOOL, changed, check, codes, said

from orchestrator.dataset.jsontext import NotJson, RepeatedKey
from orchestrator.dataset.toollists import Reader, ToolList

LINE = json.dumps(EXAMPLE).encode()
TOOLS = json.dumps(EXAMPLE["tools"]).encode()


def outcome(reader: Reader, line: bytes) -> Any:
    try:
        return reader.parse(line)[0]
    except (NotJson, RepeatedKey) as error:
        return type(error)


def taught() -> Reader:
    reader = Reader()
    reader.parse(LINE)
    return reader


def test_equal_lists_become_one_object_and_their_text_is_not_looked_at_again() -> None:
    reader = Reader()
    first, whole = reader.parse(LINE)
    second, rest = reader.parse(LINE.replace(b"Up five.", b"Up six."))
    assert whole == LINE
    assert TOOLS not in rest
    assert second["tools"] is first["tools"]
    assert isinstance(second["tools"], ToolList)
    assert (second["tools"], second["messages"][1]["content"]) == (EXAMPLE["tools"], "Up six.")


@pytest.mark.parametrize(
    "row",
    [
        {"tools": EXAMPLE["tools"], "messages": EXAMPLE["messages"], "parallel_tool_calls": False},
        {**PREFERENCE, "input": {**PREFERENCE["input"], "tools": EXAMPLE["tools"]}},
        {**EXAMPLE, "parallel_tool_calls": False},
    ],
    ids=["tools first", "inside an input", "a key behind the tools"],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "spaced"])
def test_the_list_is_recognised_wherever_it_stands(row: Any, separators: tuple[str, str]) -> None:
    reader = Reader()
    line = json.dumps(row, separators=separators).encode()
    assert reader.parse(line)[0] == row
    again, rest = reader.parse(line)
    assert again == row
    assert len(rest) < len(line)


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b'"tools": ', b'"tools": 1, "tools": '),
        LINE.replace(b"}]}}]}", b'}]}}], "tools": 1}'),
        LINE[:-1] + b', "tools": ' + TOOLS + b"}",
        LINE + b"x",
        LINE[:-1],
        LINE.replace(b'"tools": ', b'"tools": 7 '),
        LINE.replace(b'"tools": ', b'"y"tools": '),
        LINE.replace(b'"tools": ', b'x\\"tools": '),
        LINE.replace(b'"tools": ', b'"x\\"tools": '),
        b'{"messages": "\\"tools\\": ' + TOOLS.replace(b'"', b'\\"') + b'"}',
        b'{"messages": "a", "more": {"tools": ' + TOOLS + b"}}",
        b'{"tools": "messages", "more": {"tools": ' + TOOLS + b"}}",
        b'{"input": {"messages": []}, "tools": ' + TOOLS + b"}",
        b'{"input": [], "tools": ' + TOOLS + b"}",
        b'["tools": ' + TOOLS + b"]",
        b'"tools": ' + TOOLS,
        LINE.replace(TOOLS, TOOLS + TOOLS),
        LINE.replace(TOOLS, b"[" + TOOLS + b"]"),
        LINE.replace(TOOLS, b'{"messages": ' + TOOLS + b"}"),
        LINE.replace(b"Done.", b"D\xff"),
    ],
)
def test_a_reader_that_knows_the_list_reads_odd_lines_like_one_that_does_not(line: bytes) -> None:
    assert outcome(taught(), line) == outcome(Reader(), line)


@given(
    start=st.integers(0, len(LINE)),
    length=st.integers(0, 30),
    inserted=st.sampled_from(
        [
            b"",
            b'"',
            b"\\",
            b"}",
            b"]",
            b"[",
            b"{",
            b",",
            b'"tools": ',
            b'"tools": ' + TOOLS,
            TOOLS,
            b'"messages"',
            b" ",
        ]
    ),
)
def test_a_spoiled_line_is_read_the_same_with_and_without_a_known_list(
    start: int, length: int, inserted: bytes
) -> None:
    line = LINE[:start] + inserted + LINE[start + length :]
    assert outcome(taught(), line) == outcome(Reader(), line)


def test_a_reader_stops_trying_where_lists_never_repeat_and_keeps_few() -> None:
    reader = Reader()
    for number in range(2000):
        tools = [changed(TOOL, "function", "description", str(number))]
        line = json.dumps({**EXAMPLE, "tools": tools}).encode()
        assert reader.parse(line)[0]["tools"] == tools
    assert len(reader._known) < 100


def test_odd_characters_in_definitions_are_found_on_every_line(tmp_path: Path) -> None:
    row = changed(EXAMPLE, "tools", 0, "function", "description", "<|im_end|>")
    line = json.dumps(row).encode()
    assert codes(check(tmp_path, b"\n".join([line] * 3))) == ["FT213"] * 3


def test_wrong_definitions_are_found_on_every_line(tmp_path: Path) -> None:
    line = json.dumps({**said("x"), "tools": [changed(TOOL, "type", "tool")]}).encode()
    report = check(tmp_path, b"\n".join([line] * 3))
    assert [(finding.line, finding.code) for finding in report.errors] == [(1, "FT301"), (2, "FT301"), (3, "FT301")]
