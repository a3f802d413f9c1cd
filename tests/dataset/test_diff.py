from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rows import PREFERENCE, PROMPT, changed
from support.surveys import asks, call, says, tool, write_rows

from orchestrator.dataset.diff import ChangedAnswer, ChangedFunction, Difference, Excerpt, diff_files
from orchestrator.dataset.tokens import count_example
from orchestrator.errors import NoGoodExample

LIGHT = tool(mode={"type": "string"})
ON, OFF = call("light", mode="on"), call("light", mode="off")
ROWS = [asks("Light!", ON, tools=[LIGHT]), asks("Dark!", OFF, tools=[LIGHT]), says("Hi", "Hello", tools=[LIGHT])]


def diff(tmp_path: Path, before: list[Any], after: list[Any]) -> Difference:
    old, new = write_rows(tmp_path / "a.jsonl", before), write_rows(tmp_path / "b.jsonl", after)
    return diff_files(old, new)


def test_a_file_does_not_differ_from_itself(tmp_path: Path) -> None:
    found = diff(tmp_path, ROWS, ROWS)
    assert found.is_empty
    assert (found.same, found.reordered) == (3, False)


def test_another_order_other_call_ids_and_other_blanks_are_no_difference(tmp_path: Path) -> None:
    renamed = asks("Light!", call("light", "call_9", mode="on"), tools=[LIGHT])
    found = diff(tmp_path, ROWS, [ROWS[2], json.dumps(renamed, indent=None, separators=(",", ":")), ROWS[1]])
    assert found.is_empty
    assert found.reordered


def test_the_legacy_way_of_writing_functions_is_no_difference(tmp_path: Path) -> None:
    legacy: Any = {"messages": [{"role": "user", "content": "Light!"}], "functions": [LIGHT["function"]]}
    legacy["messages"].append({"role": "assistant", "content": None, "function_call": ON["function"]})
    assert diff(tmp_path, [legacy], [asks("Light!", ON, tools=[LIGHT])]).is_empty


def test_results_in_the_legacy_way_of_writing_are_no_difference(tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Weather Oslo?"}
    function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    weather = tool("get_weather", city={"type": "string"})
    legacy: Any = {"messages": [asked], "functions": [weather["function"]]}
    legacy["messages"].append({"role": "assistant", "function_call": function})
    legacy["messages"].append({"role": "function", "name": "get_weather", "content": "21.0"})
    legacy["messages"].append({"role": "assistant", "content": "21"})
    called = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "21.0"}
    modern: Any = {"messages": [asked, called, result, {"role": "assistant", "content": "21"}], "tools": [weather]}
    assert diff(tmp_path, [legacy], [modern]).is_empty
    assert diff(tmp_path, [modern], [changed(modern, "messages", 2, "name", "get_weather")]).is_empty
    assert diff(tmp_path, [modern], [changed(modern, "messages", 2, "content", "3.0")]).changed == 0
    assert not diff(tmp_path, [modern], [changed(modern, "messages", 2, "content", "3.0")]).is_empty


def test_added_and_removed_examples_are_shown_with_their_lines(tmp_path: Path) -> None:
    found = diff(tmp_path, ROWS, [ROWS[0], ROWS[2], says("New?", "Yes.", tools=[LIGHT])])
    assert (found.added, found.removed, found.changed, found.same) == (1, 1, 0, 2)
    assert found.added_examples == (Excerpt(3, "New?", "Yes."),)
    assert found.removed_examples == (Excerpt(2, "Dark!", 'light({"mode": "off"})'),)


def test_another_answer_to_the_same_prompt_is_a_change_and_no_addition(tmp_path: Path) -> None:
    found = diff(tmp_path, ROWS, [*ROWS[1:], asks("Light!", OFF, tools=[LIGHT])])
    before, after = Excerpt(1, "Light!", 'light({"mode": "on"})'), Excerpt(3, "Light!", 'light({"mode": "off"})')
    assert found.changed_answers == (ChangedAnswer(before, after),)
    assert (found.added, found.removed, found.changed) == (0, 0, 1)


def test_a_line_that_stands_twice_in_one_file_only_is_one_more(tmp_path: Path) -> None:
    found = diff(tmp_path, ROWS, [*ROWS, ROWS[0]])
    assert (found.added, found.removed, found.changed, found.same) == (1, 0, 0, 3)


def test_changes_are_paired_in_the_order_of_the_files(tmp_path: Path) -> None:
    before = [says("Story?", text) for text in ("one", "two", "three")]
    after = [says("Story?", text) for text in ("three", "four", "five")]
    found = diff(tmp_path, before, after)
    pairs = [(change.before.answer, change.after.answer) for change in found.changed_answers]
    assert pairs == [("one", "four"), ("two", "five")]


def test_other_definitions_are_told_apart_from_other_examples(tmp_path: Path) -> None:
    described = changed(LIGHT, "function", "description", "Light!")
    after = [asks("Light!", ON, tools=[described, tool("lock")]), *ROWS[1:]]
    found = diff(tmp_path, ROWS, after)
    assert (found.added, found.removed, found.changed, found.same, found.tools_changed) == (0, 0, 0, 3, 1)
    assert found.functions_changed == (ChangedFunction("light", 1, "description"),)
    assert found.functions_added == ("lock",)
    assert not found.is_empty
    back = diff(tmp_path, after, ROWS)
    assert back.functions_removed == ("lock",)
    assert back.functions_changed == (ChangedFunction("light", None, ""),)


def test_tokens_are_those_that_one_epoch_trains_on(tmp_path: Path) -> None:
    found = diff(tmp_path, ROWS, ROWS[:1])
    assert found.before.tokens == sum(count_example(row, None) for row in ROWS)
    assert found.after.tokens == count_example(ROWS[0], None)


def test_all_training_formats_are_compared(tmp_path: Path) -> None:
    preferred = changed(PREFERENCE, "preferred_output", [{"role": "assistant", "content": "Good day!"}])
    found = diff(tmp_path, [PREFERENCE, PROMPT], [preferred, {**PROMPT, "answer": "5"}])
    pairs = [(change.before.answer, change.after.answer) for change in found.changed_answers]
    assert pairs == [("Hello!", "Good day!"), ('{"answer": "4"}', '{"answer": "5"}')]


def test_lines_with_errors_are_counted_and_not_compared(tmp_path: Path) -> None:
    found = diff(tmp_path, [*ROWS, "{"], ROWS)
    assert found.is_empty
    assert (found.before.left_out, found.before.examples) == (1, 3)
    with pytest.raises(NoGoodExample):
        diff(tmp_path, ROWS, ["{}"])


def test_of_very_many_changes_the_first_thousand_are_given_with_their_text(tmp_path: Path) -> None:
    found = diff(tmp_path, [says("q", "a")], [says(f"q{number}", "a") for number in range(1500)])
    assert (found.added, len(found.added_examples)) == (1500, 1000)
    assert found.added_examples[999].prompt == "q999"
