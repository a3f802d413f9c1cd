from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rows import EXAMPLE, LEGACY, PREFERENCE, TOOL, changed

from orchestrator.dataset.shorten import CUTS, Cut, cut_of, shorten_files, shortened
from orchestrator.dataset.tokens import count_messages
from orchestrator.errors import (
    DataFileEmpty,
    DefinitionsDiffer,
    LineUnreadable,
    NoSuchTool,
    OutputExists,
    ToolStillCalled,
)

SCHEMA = {
    "type": "object",
    "description": "All of it.",
    "properties": {
        "description": {"type": "string", "description": "What to write."},
        "kind": {"enum": ["description", "other"], "default": {"description": "kept"}},
        "list": {"type": "array", "items": {"anyOf": [{"type": "integer", "description": "One."}]}},
    },
    "required": ["description"],
}


def test_descriptions_go_everywhere_and_nothing_else_does() -> None:
    row = changed(EXAMPLE, "tools", 0, "function", "parameters", SCHEMA)
    function = shortened(row, CUTS["no-descriptions"])["tools"][0]["function"]
    assert function == {
        "name": "climb",
        "parameters": {
            "type": "object",
            "properties": {
                "description": {"type": "string"},
                "kind": {"enum": ["description", "other"], "default": {"description": "kept"}},
                "list": {"type": "array", "items": {"anyOf": [{"type": "integer"}]}},
            },
            "required": ["description"],
        },
    }


def test_parameters_leave_an_empty_object_and_no_promise_to_be_strict() -> None:
    row = changed(EXAMPLE, "tools", 0, "function", "strict", True)
    function = shortened(row, CUTS["no-parameters"])["tools"][0]["function"]
    assert function == {"name": "climb", "parameters": {"type": "object", "properties": {}}}


def test_without_tools_go_the_settings_that_need_them() -> None:
    assert shortened(EXAMPLE | {"parallel_tool_calls": False, "slice": "x"}, CUTS["no-tools"]) == {
        "messages": EXAMPLE["messages"],
        "slice": "x",
    }


@pytest.mark.parametrize("cut", [*(CUTS[name] for name in CUTS if name != "full"), Cut(parameters=True)])
@pytest.mark.parametrize("key", ["preferred_output", "non_preferred_output"])
def test_answers_stay_in_every_format(cut: Cut, key: str) -> None:
    assert shortened(EXAMPLE, cut)["messages"] == EXAMPLE["messages"]
    assert shortened(LEGACY, cut)["messages"] == LEGACY["messages"]
    preference = PREFERENCE | {"input": PREFERENCE["input"] | {"tools": [TOOL]}}
    shorter = shortened(preference, cut)
    assert shorter[key] == PREFERENCE[key]
    assert shorter["input"] != preference["input"]


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_tokens_shown_are_those_of_the_requests(tmp_path: Path) -> None:
    source, target = write(tmp_path / "in", EXAMPLE, EXAMPLE), tmp_path / "out"
    [done] = shorten_files({source: target}, CUTS["no-parameters"])
    request = EXAMPLE["messages"][:-1]
    row = json.loads(target.read_text().splitlines()[0])
    assert done.before.mean == done.before.p95 == count_messages(request, EXAMPLE["tools"], None)
    assert done.after.mean == count_messages(request, row["tools"], None)
    assert done.saved == pytest.approx(1 - done.after.mean / done.before.mean)
    assert (done.variant_before, done.variant) == ("full", "no-parameters")


def test_lines_with_nothing_to_shorten_keep_their_bytes(tmp_path: Path) -> None:
    [source] = [tmp_path / "in"]
    line = json.dumps(shortened(EXAMPLE, CUTS["no-descriptions"]), separators=(" , ", " : "))
    source.write_text(f"{line}\n{json.dumps(EXAMPLE)}\n")
    shorten_files({source: tmp_path / "out"}, CUTS["no-descriptions"])
    first, second = (tmp_path / "out").read_text().splitlines()
    assert first == line
    assert json.loads(second) == json.loads(line)


def test_files_that_define_a_function_differently_are_refused_and_none_is_written(tmp_path: Path) -> None:
    training = write(tmp_path / "train", EXAMPLE)
    other = changed(EXAMPLE, "tools", 0, "function", "description", "Rise.")
    evaluation = write(tmp_path / "eval", other)
    out = tmp_path / "out"
    with pytest.raises(DefinitionsDiffer, match="climb is defined differently at description"):
        shorten_files({training: out / "train", evaluation: out / "eval"}, CUTS["no-descriptions"])
    assert not out.exists()


def test_a_line_that_cannot_be_read_stops_all_files(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", EXAMPLE), write(tmp_path / "bad", EXAMPLE, {"prompt": "Hi"})
    with pytest.raises(LineUnreadable, match=r"bad, line 2: the key .messages. must hold.*ftorch data check"):
        shorten_files({good: tmp_path / "a", bad: tmp_path / "b"}, CUTS["no-tools"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "good"]


def test_nothing_is_replaced_without_being_asked_and_nothing_made_of_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in", EXAMPLE)
    with pytest.raises(OutputExists):
        shorten_files({source: source}, CUTS["no-tools"])
    with pytest.raises(DataFileEmpty):
        shorten_files({write(tmp_path / "empty"): tmp_path / "out"}, CUTS["no-tools"])


def test_each_part_can_be_left_out_alone() -> None:
    whole = EXAMPLE["tools"][0]["function"]
    without = shortened(EXAMPLE, cut_of(["parameters"]))["tools"][0]["function"]
    assert without == {**whole, "parameters": {"type": "object", "properties": {}}}
    assert cut_of(["descriptions", "parameters"]) == CUTS["no-parameters"]
    with pytest.raises(ValueError, match="colours"):
        cut_of(["colours"])
    with pytest.raises(ValueError, match="tool:"):
        cut_of(["tool:"])


def test_one_function_is_left_out_where_no_example_calls_it(tmp_path: Path) -> None:
    land = {"type": "function", "function": {"name": "land", "description": "Land."}}
    two = EXAMPLE | {"tools": [TOOL, land], "parallel_tool_calls": False}
    source = write(tmp_path / "in", two)
    shorten_files({source: tmp_path / "out"}, cut_of(["tool:land"]))
    assert json.loads((tmp_path / "out").read_text()) == two | {"tools": [TOOL]}
    with pytest.raises(ToolStillCalled, match='in, line 1 calls "climb"'):
        shorten_files({source: tmp_path / "none"}, cut_of(["tool:climb"]))
    with pytest.raises(NoSuchTool, match='did you mean "land"'):
        shorten_files({source: tmp_path / "none"}, cut_of(["tool:lend"]))
    assert not (tmp_path / "none").exists()


def test_the_last_function_takes_the_settings_along() -> None:
    row = EXAMPLE | {"parallel_tool_calls": False}
    assert shortened(row, cut_of(["tool:climb"])) == {"messages": EXAMPLE["messages"]}


def test_definitions_and_the_system_message_get_other_words(tmp_path: Path) -> None:
    climb = TOOL["function"] | {"description": "Go up."}
    source = write(tmp_path / "in", EXAMPLE, {**EXAMPLE, "messages": EXAMPLE["messages"][1:]})
    shorten_files({source: tmp_path / "out"}, Cut(definitions={"climb": climb}, system="Fly."))
    for line in (tmp_path / "out").read_text().splitlines():
        row = json.loads(line)
        assert row["tools"] == [{"type": "function", "function": climb}]
        assert row["messages"] == [{"role": "system", "content": "Fly."}, *EXAMPLE["messages"][1:]]


@pytest.mark.parametrize("messages", [3, "x", None, [1]])
def test_rows_that_no_check_has_seen_break_nothing(messages: Any) -> None:
    odd = {"type": "function", "function": {"name": ["x"]}}
    row = {"messages": messages, "tools": [odd, 3, TOOL]}
    assert shortened(row, cut_of(["tool:climb"]))["tools"] == [odd, 3]
    assert shortened(row, Cut(tools=True)) == {"messages": messages}


@pytest.mark.parametrize("messages", ["x", 3])
def test_a_file_of_odd_messages_is_refused_without_a_traceback(tmp_path: Path, messages: Any) -> None:
    land = {"type": "function", "function": {"name": "land"}}
    source = write(tmp_path / "in", {"messages": messages, "tools": [land, TOOL]})
    with pytest.raises(LineUnreadable, match="in, line 1: "):
        shorten_files({source: tmp_path / "out"}, cut_of(["tool:land"]))
