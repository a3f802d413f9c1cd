from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.rows import LEGACY, PREFERENCE, PROMPT
from support.surveys import asks, call, says, tool, write_rows

from orchestrator.dataset.stats import Statistics, distribution, statistics_of
from orchestrator.dataset.tokens import count_example, count_messages
from orchestrator.errors import DataFileEmpty, NoGoodExample, NotExamples

MODE = {"type": "string", "enum": ["on", "off"], "required": True}
SPOT = {"type": "object", "properties": {"floor": {"type": "integer"}}}


def light() -> Any:
    return tool(mode=dict(MODE), spot=dict(SPOT))


def statistics(tmp_path: Path, *rows: Any) -> Statistics:
    return statistics_of(write_rows(tmp_path / "train.jsonl", rows), "gpt-4.1-mini")


def test_tokens_are_those_that_the_counters_give(tmp_path: Path) -> None:
    rows = [
        asks("Light!", call("light", mode="on"), tools=[light()], system="Be kind."),
        says("Hi", "Hello there!"),
    ]
    found = statistics(tmp_path, *rows)
    prompts = [count_messages(row["messages"][:-1], row.get("tools"), "gpt-4.1-mini") for row in rows]
    assert found.tokens == sum(count_example(row, "gpt-4.1-mini") for row in rows)
    assert found.prompt_tokens.total == sum(prompts)
    assert found.prompt_tokens.maximum == max(prompts)
    # What a request adds for the reply is in the prompt, and nowhere in the examples.
    assert found.prompt_tokens.total + found.completion_tokens.total == found.tokens + 3 * len(rows)


def test_the_share_of_definitions_is_what_a_prompt_without_tools_lacks(tmp_path: Path) -> None:
    row = asks("Light!", call("light", mode="on"), tools=[light()], system="Be kind.")
    found = statistics(tmp_path, row, row, says("Hi", "Hello"))
    without = count_messages(row["messages"][:-1], None, "gpt-4.1-mini")
    with_tools = count_messages(row["messages"][:-1], row["tools"], "gpt-4.1-mini")
    assert found.definition_tokens == 2 * (with_tools - without)
    assert found.definition_share == pytest.approx(found.definition_tokens / found.prompt_tokens.total)


def test_coverage_counts_how_often_each_argument_could_have_been_given(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [{"mode": "on"}]
    calls += [{"mode": "on", "spot": {"floor": floor}} for floor in (1, 2)]
    rows = [asks(f"q{number}", call("light", **each), tools=[light()]) for number, each in enumerate(calls)]
    [function] = statistics(tmp_path, *rows, says("q", "No", tools=[light()])).functions
    assert (function.name, function.declared, function.called) == ("light", 4, 3)
    mode, spot, floor = function.arguments
    assert (mode.given, mode.of, mode.choices, mode.unshown) == (3, 3, 2, ('"off"',))
    assert (spot.given, spot.of, spot.required) == (2, 3, False)
    assert (floor.path, floor.given, floor.of, floor.distinct) == ("spot.floor", 2, 2, 2)


def test_arguments_that_no_definition_names_are_counted_too(tmp_path: Path) -> None:
    row = asks("q", call("light", mode="on", extra=1), tools=[tool(mode=dict(MODE))])
    assert [each.path for each in statistics(tmp_path, row).functions[0].arguments] == ["mode", "extra"]


def test_all_training_formats_are_counted(tmp_path: Path) -> None:
    found = statistics(tmp_path, LEGACY, PREFERENCE, PROMPT)
    assert (found.examples, found.left_out) == (3, 0)
    assert dict(found.lengths) == {1: 1, 2: 1, 4: 1}
    assert found.completion_tokens.minimum == 0


def test_lines_with_errors_are_left_out_and_counted(tmp_path: Path) -> None:
    found = statistics(tmp_path, says("a", "b"), '{"messages": [', {"messages": []}, "")
    assert (found.examples, found.left_out) == (1, 2)


def test_a_file_without_a_good_example_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    with pytest.raises(
        NoGoodExample, match=r"line 2, the list of messages is empty\. See all of them: ftorch data check"
    ):
        statistics(tmp_path, "", {"messages": []})
    with pytest.raises(DataFileEmpty):
        statistics(tmp_path, "")
    (tmp_path / "a.jsonl").write_bytes(b"\x1f\x8b rest")
    with pytest.raises(NotExamples, match="gzip"):
        statistics_of(tmp_path / "a.jsonl")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_95_of_100_values_do_not_exceed_p95_and_half_do_not_exceed_the_median(values: list[int]) -> None:
    found = distribution(values)
    for share, value in ((0.5, found.median), (0.95, found.p95)):
        assert sum(each <= value for each in values) >= share * len(values)
        assert sum(each < value for each in values) < share * len(values)
    assert (found.minimum, found.maximum, found.total) == (min(values), max(values), sum(values))
