"""Evaluation files: what is read from them, and how bad ones are refused."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.evaluation import MakeCase, MakeRow

from orchestrator.errors import DataFileEmpty, DataFileNotFound, InvalidCases
from orchestrator.evaluation.casefile import check_cases
from orchestrator.evaluation.cases import read_cases
from orchestrator.evaluation.scoring.expectations import Calls, Rejection, Rejections, Text

Write = Callable[..., Path]

BOOKING = ("book_table", {"place": "Roma"})
DRONE = Path(__file__).parents[2] / "jobs" / "drone" / "evaluation.jsonl"


def test_a_file_is_summed_up_and_its_cases_are_read_as_they_stand(make_row: MakeRow, write_cases: Write) -> None:
    path = write_cases(
        make_row(BOOKING, id="one", slice="easy", cluster="roma"),
        "",
        make_row("I can't.", slices=["hard", "easy"], expect="rejection"),
        make_row(("decline", {}), ("book_table", {"place": "Roma"}), ordered=True),
    )
    file = check_cases(path)
    assert (file.cases, file.slices, file.rejections) == (3, {"easy": 2, "hard": 1}, Rejections(in_text=True))
    one, two, three = read_cases(path)
    assert (one.line, one.id, one.slices, one.cluster, one.expects) == (1, "one", ("easy",), "roma", "call")
    assert (two.line, two.id, two.slices, two.expects) == (3, "line-3", ("hard", "easy"), "rejection")
    assert isinstance(three.accepted[0], Calls)
    assert three.accepted[0].ordered


def test_a_request_is_the_line_without_its_answer_and_the_keys_of_the_case(make_case: MakeCase) -> None:
    case = make_case(BOOKING, id="one", slice="easy", parallel_tool_calls=False)
    assert case.request.keys() == {"messages", "tools", "parallel_tool_calls"}
    assert [message["role"] for message in case.request["messages"]] == ["user"]


def test_a_rejecting_tool_is_named_once_for_the_file_or_by_the_case(make_row: MakeRow, write_cases: Write) -> None:
    path = write_cases(make_row(("decline", {})), make_row(("cancel_table", {"place": "x"}), expect="rejection"))
    assert check_cases(path, frozenset({"decline"})).rejections == Rejections(
        frozenset({"decline", "cancel_table"})
    )
    first, second = read_cases(path, frozenset({"decline"}))
    assert (first.accepted, second.accepted) == ((Rejection("decline"),), (Rejection("cancel_table"),))
    assert next(read_cases(path)).expects == "call"


def test_a_case_may_ask_for_a_rejecting_tool_as_for_any_other(make_case: MakeCase) -> None:
    case = make_case(("decline", {}), expect="call", rejection_tools=frozenset({"decline"}))
    assert case.expects == "call"


def test_the_legacy_form_of_functions_and_calls_is_read_too(make_row: MakeRow, write_cases: Write) -> None:
    row = make_row("x")
    row["functions"] = [tool["function"] for tool in row.pop("tools")]
    row["messages"][-1] = {
        "role": "assistant",
        "function_call": {"name": "book_table", "arguments": '{"place":"A"}'},
    }
    path = write_cases(row)
    assert check_cases(path).cases == 1
    case = next(read_cases(path))
    assert isinstance(case.accepted[0], Calls)
    assert "book_table" in case.tools


def test_further_answers_are_messages_calls_or_lists_of_calls(make_case: MakeCase) -> None:
    short = {"name": "cancel_table", "arguments": {"place": "Roma"}}
    message = {"tool_calls": [{"function": {"name": "decline", "arguments": "{}"}}]}
    case = make_case(BOOKING, accept=[short, [short, short], message, {"content": "When?"}])
    kinds = [type(expected) for expected in case.accepted]
    assert kinds == [Calls, Calls, Calls, Calls, Text]
    assert [len(expected.calls) for expected in case.accepted if isinstance(expected, Calls)] == [1, 1, 2, 1]


def test_the_cases_of_the_drone_job_are_sound() -> None:
    file = check_cases(DRONE, frozenset({"reject_request"}))
    assert file.cases == 40
    assert sum(case.expects == "rejection" for case in read_cases(DRONE, frozenset({"reject_request"}))) == 13


@pytest.mark.parametrize(
    ("expected", "keys", "words"),
    [
        ([BOOKING], {"match": {"place": "fuzzy"}}, ['key "match.place"', '"fuzzy"']),
        ([BOOKING], {"match": {"guests": "casefold"}}, ['key "match.guests"', "no expected call gives"]),
        ([BOOKING], {"match": {"place": {"regex": "x+"}}}, ['key "match.place"', "breaks this rule"]),
        ([BOOKING], {"match": {"place": {"rule": "casefold", "optional": True}}}, ["can't be optional"]),
        ([BOOKING], {"match": [{}, {}]}, ['key "match"', "2 calls, but 1"]),
        ([BOOKING], {"match": "casefold"}, ['key "match"', '"casefold"']),
        (["Yes"], {"match": {"place": "any"}}, ['key "match"', "no call is expected"]),
        ([BOOKING], {"must_contain": "noon"}, ['key "must_contain"']),
        ([BOOKING], {"expect": "maybe"}, ['key "expect"', '"maybe"', '"rejection"']),
        ([BOOKING], {"expect": "text"}, ['key "expect"', "calls a tool"]),
        (["Yes"], {"expect": "call"}, ['key "expect"', "calls nothing"]),
        ([BOOKING, BOOKING], {"expect": "rejection"}, ["several calls"]),
        ([BOOKING], {"slice": 3}, ['key "slice"', "3"]),
        ([BOOKING], {"id": ""}, ['key "id"']),
        ([BOOKING], {"ordered": "yes"}, ['key "ordered"']),
        ([BOOKING], {"accept": "no"}, ['key "accept"']),
        ([BOOKING], {"accept": [3]}, ['key "accept", answer 1']),
        ([BOOKING], {"accept": [{"name": "fly", "arguments": {}}]}, ['"fly"', "does not declare"]),
        ([BOOKING], {"accept": [{"name": "book_table", "arguments": "{"}]}, ["are not JSON"]),
        ([BOOKING], {"accept": [{"name": "book_table", "arguments": {}}]}, ["the tool's own schema", "place"]),
        ([BOOKING], {"accept": [{"name": "book_table", "arguments": {"place": "A", "x": 1}}]}, ['gives "x"']),
        ([BOOKING], {"acccept": []}, ['"acccept"', 'did you mean "accept"']),
    ],
)
def test_a_bad_case_is_refused_with_its_line_and_key(
    make_row: MakeRow, write_cases: Write, expected: list[Any], keys: dict[str, Any], words: list[str]
) -> None:
    path = write_cases(make_row(BOOKING), make_row(*expected, **keys))
    with pytest.raises(InvalidCases) as caught:
        check_cases(path)
    message = str(caught.value)
    assert f"{path}:2: " in message
    assert "Nothing was asked" in message
    assert all(word in message for word in words), message


def test_a_line_without_an_expected_answer_is_refused(make_row: MakeRow, write_cases: Write) -> None:
    row = make_row("x")
    del row["messages"][-1]
    with pytest.raises(InvalidCases, match=r":1: .*assistant"):
        check_cases(write_cases(row))


def test_two_cases_of_one_id_are_refused(make_row: MakeRow, write_cases: Write) -> None:
    path = write_cases(make_row(BOOKING, id="a"), make_row("Yes"), make_row(BOOKING, id="a"))
    with pytest.raises(InvalidCases, match=r':3: key "id": "a" is already the id of line 1'):
        check_cases(path)


@pytest.mark.parametrize(
    "line",
    ['{"messages": [', "[1]", '{"messages": 3}', '{"messages": [{"role": "assistant", "content": "\\ud800"}]}'],
)
def test_a_line_that_no_training_file_may_hold_is_no_case_either(
    write_cases: Write, make_row: MakeRow, line: str
) -> None:
    with pytest.raises(InvalidCases, match=":2: "):
        check_cases(write_cases(make_row(BOOKING), line))


def test_many_problems_are_counted_and_the_first_ones_named(make_row: MakeRow, write_cases: Write) -> None:
    with pytest.raises(InvalidCases, match="… and 10 more") as caught:
        check_cases(write_cases(*[make_row(BOOKING, expect="text")] * 60))
    assert str(caught.value).count("\n") == 51


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileNotFound, match=r"none\.jsonl"):
        check_cases(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataFileEmpty):
        check_cases(tmp_path / "empty.jsonl")


def test_reading_takes_the_memory_of_a_few_cases(make_row: MakeRow, tmp_path: Path) -> None:
    line = json.dumps(make_row(BOOKING))
    path = tmp_path / "many.jsonl"
    path.write_text(f"{line}\n" * 3000)
    tracemalloc.start()
    read = sum(1 for _ in read_cases(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == 3000
    assert peak < len(line) * 300
