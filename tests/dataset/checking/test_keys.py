"""Keys that no service reads, wherever they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.rows import EXAMPLE, FUNCTION, PREFERENCE, PROMPT, Row, changed, check, check_rows, codes, said

from orchestrator.dataset.checking.checks import check_file


def reasons(tmp_path: Path, *rows: Row, **options: Any) -> list[tuple[str, str]]:
    report = check_rows(tmp_path, *rows, **options)
    return [(each.code, each.message) for each in report.findings if not each.code.startswith("FT6")]


@pytest.mark.parametrize(
    ("path", "pointer", "what"),
    [
        (("colour",), "/colour", "example(s)"),
        (("messages", 1, "colour"), "/messages/1/colour", "message(s)"),
        (("messages", 2, "tool_calls", 0, "colour"), "/messages/2/tool_calls/0/colour", "tool call(s)"),
        ((*FUNCTION, "colour"), "/messages/2/tool_calls/0/function/colour", "called function(s)"),
        (("tools", 0, "colour"), "/tools/0/colour", "tool(s)"),
        (("tools", 0, "function", "colour"), "/tools/0/function/colour", "definition(s)"),
    ],
)
def test_an_unknown_key_is_one_finding_with_how_often_and_where_first(
    tmp_path: Path, path: tuple[Any, ...], pointer: str, what: str
) -> None:
    strange = changed(EXAMPLE, *path, "red")
    report = check_rows(tmp_path, EXAMPLE, strange, strange, strange)
    assert codes(report) == ["FT218"]
    finding = next(each for each in report.findings if each.code == "FT218")
    assert (finding.line, finding.pointer) == (2, pointer)
    assert finding.reason.startswith(f'3 {what} have the key "colour"')


def test_unknown_keys_of_parts_and_images_are_found(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "width": 5}}
    row = said([{"type": "text", "text": "What?", "cache_control": {}}, image])
    found = [message for _, message in reasons(tmp_path, row)]
    assert ['"cache_control"' in found[0], '"width"' in found[1], len(found)] == [True, True, 2]


def test_a_misspelt_key_is_asked_about(tmp_path: Path) -> None:
    report = check_rows(tmp_path, {**EXAMPLE, "parallel_tool_call": True})
    assert [each.fix for each in report.findings if each.code == "FT218"] == [
        'Take it out, or write "parallel_tool_calls" if that is meant.'
    ]


def test_null_counts_as_absent(tmp_path: Path) -> None:
    row = changed({**EXAMPLE, "label": None, "id": None}, "messages", 1, "audio", None)
    assert codes(check_rows(tmp_path, row)) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("system", "You fly.", "the model never sees it"),
        ("images", ["a.png"], "content parts"),
        ("label", False, "marks the answer as a bad one"),
        ("rejected_response", "No.", "only preference data"),
        ("chosen", [{"role": "assistant", "content": "Yes."}], "only preference data"),
        ("loss_weight", 0, "full weight"),
    ],
)
def test_a_key_that_changes_the_meaning_is_an_error(tmp_path: Path, key: str, value: object, words: str) -> None:
    report = check_rows(tmp_path, {**EXAMPLE, key: value}, {**EXAMPLE, key: value})
    assert codes(report) == ["FT217"]
    assert words in report.errors[0].reason
    assert report.errors[0].reason.startswith("2 example(s)")
    assert report.tokens is None


@pytest.mark.parametrize("row", [{"label": True}, {"label": "billing"}, {"images": []}, {"system": ""}])
def test_the_same_key_with_a_value_that_changes_nothing_is_a_warning(tmp_path: Path, row: Row) -> None:
    assert codes(check_rows(tmp_path, {**EXAMPLE, **row})) == ["FT218"]


def test_a_key_that_changes_the_meaning_of_some_rows_is_said_once(tmp_path: Path) -> None:
    assert codes(check_rows(tmp_path, {**EXAMPLE, "label": True}, {**EXAMPLE, "label": False})) == ["FT217"]


def test_an_answer_that_is_not_to_be_trained_on_is_an_error_and_others_are_not(tmp_path: Path) -> None:
    answer = changed(EXAMPLE, "messages", 4, "train", False)
    assert codes(check_rows(tmp_path, answer)) == ["FT217"]
    for row in (changed(EXAMPLE, "messages", 4, "train", True), changed(EXAMPLE, "messages", 1, "train", False)):
        assert codes(check_rows(tmp_path, row)) == ["FT218"]


def test_keys_for_the_grader_are_none_of_our_business_but_a_system_text_is(tmp_path: Path) -> None:
    row = {**PROMPT, "label": False, "difficulty": 3}
    assert codes(check_rows(tmp_path, row, method="reinforcement")) == []
    assert codes(check_rows(tmp_path, {**row, "system": "Add."}, method="reinforcement")) == ["FT217"]


def test_a_logged_answer_beside_its_request_is_an_error_and_a_reference_is_not(tmp_path: Path) -> None:
    logged = {**PROMPT, "response": {"choices": [{"message": {"role": "assistant", "content": "4"}}]}}
    assert codes(check_rows(tmp_path, logged, method=None)) == ["FT217"]
    assert codes(check_rows(tmp_path, {**PROMPT, "response": "4"}, method=None)) == []


def test_keys_of_preference_data_are_looked_at_in_the_row_and_in_its_input(tmp_path: Path) -> None:
    row = changed({**PREFERENCE, "id": 5}, "input", "temperature", 1)
    found = reasons(tmp_path, row, method="dpo")
    assert [code for code, _ in found] == ["FT218", "FT218"]
    assert ['key "id"' in found[0][1], 'key "temperature"' in found[1][1]] == [True, True]


def test_rows_of_an_evaluation_file_keep_their_keys_and_messages_do_not(tmp_path: Path) -> None:
    row = {**EXAMPLE, "slice": "far", "system": "You fly."}
    assert codes(check_rows(tmp_path, row, purpose="evaluation")) == []
    row = changed(row, "messages", 1, "colour", "red")
    assert codes(check_rows(tmp_path, row, purpose="evaluation")) == ["FT218"]


def test_parts_of_a_file_are_counted_together(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [{**said(f"{number} " + "up " * 10_000), "colour": "red"} for number in range(400)]
    rows[0].pop("colour")
    path.write_text("\n".join(map(json.dumps, rows)))
    one, two = (
        check_file(path, method=None, purpose="training", count_tokens=False, processes=number) for number in (1, 2)
    )
    assert one.findings == two.findings
    found = next(each for each in one.findings if each.code == "FT218")
    assert (found.line, found.reason[:14]) == (2, "399 example(s)")


def test_nothing_is_shown_of_a_file_that_holds_no_training_data(tmp_path: Path) -> None:
    report = check(tmp_path, b'{"password": "swordfish"}')
    assert "password" not in "".join(each.message for each in report.findings)


def test_reasoning_beside_an_answer_is_said_to_be_lost(tmp_path: Path) -> None:
    row = changed(EXAMPLE, "messages", 4, "reasoning_content", "Hm.")
    assert codes(check_rows(tmp_path, row)) == ["FT219"]
