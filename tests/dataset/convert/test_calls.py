"""Function calls and tool calls, their ids, arguments and results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from support.conversations import legacy_rows
from support.rows import EXAMPLE, FUNCTION, LEGACY, PREFERENCE, changed

from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.convert import Conversion, Options, convert_file
from orchestrator.errors import RowsNotConverted

Convert = Callable[..., tuple[Conversion, list[Any]]]


def changes(done: Conversion) -> dict[str, int]:
    return {change.what: change.lines for change in done.changes}


def test_legacy_functions_become_tools_that_a_check_takes(convert: Convert, tmp_path: Path) -> None:
    done, [row] = convert([LEGACY])
    assert row["tools"] == [{"type": "function", "function": LEGACY["functions"][0]}]
    call, result = row["messages"][1], row["messages"][2]
    function = {"name": "climb", "arguments": "{}"}
    assert call["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    assert "functions" not in row
    assert changes(done)["function_call written as tool_calls"] == 1
    assert check_file(tmp_path / "out.jsonl", method="supervised", purpose="validation").ok


@settings(max_examples=60, deadline=None)
@given(legacy_rows())
def test_legacy_to_tools_and_back_is_the_same_conversation(row: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        first, middle, last = (Path(folder) / name for name in ("a", "b", "c"))
        first.write_text(json.dumps(row))
        convert_file(first, middle)
        convert_file(middle, last, Options(to="functions"))
        assert json.loads(last.read_text()) == row
        modern = json.loads(middle.read_text())
        assert not any("function_call" in message for message in modern["messages"])
        assert "function" not in {message["role"] for message in modern["messages"]}
        assert check_file(middle, method="supervised", purpose="validation").counts.get("FT319") is None


def test_a_result_belongs_to_the_call_before_it_and_not_to_an_older_one(convert: Convert) -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": "{}"}}
    result = {"role": "function", "name": "climb", "content": "ok"}
    messages = [{"role": "user", "content": "Up."}, call, {"role": "user", "content": "Again."}, call, result]
    _, [row] = convert([{"messages": [*messages, {"role": "assistant", "content": "Done."}]}])
    assert row["messages"][4]["tool_call_id"] == "call_2"


def test_what_is_right_already_keeps_its_bytes(tmp_path: Path) -> None:
    line = json.dumps(EXAMPLE, indent=None, separators=(" ,  ", " :   ")).encode()
    (tmp_path / "in").write_bytes(line + b"\n")
    done = convert_file(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == line + b"\n"
    assert done.changes == ()


@pytest.mark.parametrize(
    ("arguments", "written", "change"),
    [
        ({"metres": 5}, '{"metres": 5}', "arguments written as JSON text"),
        (json.dumps('{"metres":5}'), '{"metres":5}', "arguments that were encoded twice decoded once"),
        (json.dumps(json.dumps("{}")), "{}", "arguments that were encoded twice decoded once"),
        ("", "{}", "missing arguments written as {}"),
        (None, "{}", "missing arguments written as {}"),
    ],
)
def test_arguments_become_the_text_of_an_object(
    convert: Convert, arguments: Any, written: str, change: str
) -> None:
    done, [row] = convert([changed(EXAMPLE, *FUNCTION, "arguments", arguments)])
    assert row["messages"][2]["tool_calls"][0]["function"]["arguments"] == written
    assert changes(done) == {change: 1}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{metres: 5}", "not valid JSON"),
        ("[5]", "they are an array"),
        (7, "they are a number"),
        ('"5"', "they are a number"),
    ],
)
def test_arguments_that_are_no_object_are_named_and_not_guessed(
    convert: Convert, arguments: Any, reason: str
) -> None:
    with pytest.raises(RowsNotConverted, match=reason):
        convert([changed(EXAMPLE, *FUNCTION, "arguments", arguments)])


def calling(*ids: str | None) -> list[dict[str, Any]]:
    function = {"name": "climb", "arguments": "{}"}
    calls = [{"id": given, "type": "function", "function": function} for given in ids]
    return [{"role": "user", "content": "Up."}, {"role": "assistant", "tool_calls": calls}]


def answers(*ids: str | None) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": given, "content": str(index)} for index, given in enumerate(ids)]


def ids_of(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    messages = row["messages"]
    calls = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    return calls, [message["tool_call_id"] for message in messages if message["role"] == "tool"]


@pytest.mark.parametrize(
    ("calls", "results", "written"),
    [
        (["a", "b"], ["b", "a"], (["a", "b"], ["b", "a"])),
        (["a", "a"], ["a", "a"], (["call_1", "call_2"], ["call_1", "call_2"])),
        ([None, None], [None, None], (["call_1", "call_2"], ["call_1", "call_2"])),
        (["a"], ["typo"], (["call_1"], ["call_1"])),
        (["", "b"], ["b"], (["call_1", "call_2"], ["call_2"])),
    ],
)
def test_ids_are_kept_where_sound_and_else_given_by_position(
    convert: Convert, calls: list[Any], results: list[Any], written: Any
) -> None:
    _, [row] = convert([{"messages": calling(*calls) + answers(*results)}])
    assert ids_of(row) == written


def test_renumber_gives_sound_ids_by_position_too(convert: Convert) -> None:
    rows = [{"messages": calling(first, second) + answers(second)} for first, second in (("x", "y"), ("p", "q"))]
    done, [one, other] = convert(rows, renumber=True)
    assert ids_of(one) == ids_of(other) == (["call_1", "call_2"], ["call_2"])
    assert changes(done) == {"call ids numbered by position": 2, "results linked to their calls again": 2}


def test_a_result_that_no_call_waits_for_is_named(convert: Convert) -> None:
    with pytest.raises(
        RowsNotConverted, match=r'in:1: there is a result with the id "c", but no call waits for it'
    ):
        convert([{"messages": calling("a", "b") + answers("c")}])


def test_several_calls_at_once_cannot_be_written_as_functions(convert: Convert) -> None:
    with pytest.raises(RowsNotConverted, match="makes 2 calls at once"):
        convert([{"messages": calling("a", "b"), "tools": EXAMPLE["tools"]}], to="functions")


def test_extra_keys_of_rows_messages_and_calls_stay(convert: Convert) -> None:
    row = changed(LEGACY, "slice", "direct")
    row["messages"][1] |= {"weight": 0, "note": "x"}
    _, [written] = convert([row])
    assert written["slice"] == "direct"
    assert written["messages"][1]["weight"] == 0
    assert written["messages"][1]["note"] == "x"


def test_preference_data_stays_so_and_is_mended_in_all_its_parts(convert: Convert) -> None:
    answer = {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": {}}}
    row = PREFERENCE | {
        "preferred_output": [answer],
        "input": PREFERENCE["input"] | {"functions": LEGACY["functions"]},
    }
    done, [written] = convert([row])
    assert done.shapes == {"dpo": 1}
    assert written["input"]["tools"][0]["type"] == "function"
    assert written["preferred_output"][0]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert written["non_preferred_output"] == PREFERENCE["non_preferred_output"]


def test_both_answers_of_preference_data_go_on_from_the_same_conversation(convert: Convert) -> None:
    answer = {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": "{}"}}
    outputs = {"preferred_output": [answer], "non_preferred_output": [answer]}
    _, [written] = convert([{"input": {"messages": LEGACY["messages"]}, **outputs}])
    assert [written[key][0]["tool_calls"][0]["id"] for key in outputs] == ["call_2", "call_2"]


def test_legacy_data_asked_for_as_such_is_not_said_to_be_changed(convert: Convert) -> None:
    done, rows = convert([LEGACY], to="functions")
    assert rows == [LEGACY]
    assert done.changes == ()


def test_preference_data_becomes_supervised_with_the_preferred_answer_and_says_what_it_leaves_out(
    convert: Convert,
) -> None:
    done, [written] = convert([PREFERENCE | {"id": 7}], to="tools")
    assert written == {"messages": PREFERENCE["input"]["messages"] + PREFERENCE["preferred_output"], "id": 7}
    assert changes(done)["non_preferred_output left out"] == 1


def test_supervised_data_cannot_become_preference_data(convert: Convert) -> None:
    with pytest.raises(RowsNotConverted, match="DPO needs two"):
        convert([EXAMPLE], to="dpo")
