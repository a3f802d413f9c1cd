from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.rows import (
    CALL,
    DECLARED,
    EXAMPLE,
    FUNCTION,
    GOOD_LINE,
    LEGACY,
    MISSING,
    PREFERENCE,
    PROMPT,
    TOOL,
    Row,
    changed,
    check,
    check_rows,
    codes,
    said,
)

from orchestrator.dataset import lines, texts
from orchestrator.dataset.checking.checks import check_file
from orchestrator.dataset.findings import STORED_PER_CODE
from orchestrator.errors import DataFileNotFound, DataFileUnreadable


def test_training_needs_ten_examples_and_other_files_do_not(tmp_path: Path) -> None:
    report = check_rows(tmp_path, *[EXAMPLE] * 9, purpose="training")
    assert [finding.message for finding in report.errors] == [
        "the training file has 9 example(s), but must have at least 10"
    ]
    assert check_rows(tmp_path, *[EXAMPLE] * 10, purpose="training").ok
    assert check_rows(tmp_path, EXAMPLE, purpose="validation").ok
    assert check_rows(tmp_path, EXAMPLE, purpose="evaluation").ok


def test_a_line_beyond_the_limit_is_skipped_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.dataset.checking.checks.LONGEST_LINE_BYTES", len(GOOD_LINE) + 1)
    report = check(tmp_path, b"\n".join([GOOD_LINE, GOOD_LINE + b"  ", GOOD_LINE, b'{"a": 1}']))
    assert [(finding.line, finding.code) for finding in report.errors] == [(2, "FT108"), (4, "FT201")]
    assert report.examples == 4


def test_lines_behind_a_huge_one_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.dataset.checking.checks.LONGEST_LINE_BYTES", 1000)
    huge = b"x" * (3 << 20)
    report = check(tmp_path, b"\xef\xbb\xbf" + b"\n".join([GOOD_LINE, huge, b"", b"{", huge + huge, b"["]))
    assert [(finding.line, finding.code) for finding in report.errors] == [
        (2, "FT108"),
        (4, "FT103"),
        (5, "FT108"),
        (6, "FT103"),
    ]


def test_a_line_of_too_many_values_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_VALUES", 1000)
    many, enough = (json.dumps({**said("x"), "a": [0] * count}).encode() for count in (1002, 990))
    assert codes(check(tmp_path, many)) == ["FT108"]
    assert codes(check(tmp_path, enough)) == ["FT218"]  # it was read: the key "a" is one that nobody knows


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.dataset.checking.checks.LARGEST_FILE_BYTES", len(GOOD_LINE))
    assert codes(check(tmp_path, GOOD_LINE)) == []
    assert codes(check(tmp_path, GOOD_LINE + b"\n")) == ["FT502"]


def test_an_example_longer_than_the_models_context_is_refused(tmp_path: Path) -> None:
    assert codes(check_rows(tmp_path, said("word " * 70_000))) == ["FT501"]
    assert codes(check_rows(tmp_path, said("word " * 60_000))) == []
    assert codes(check_rows(tmp_path, said("word " * 70_000), model="my-model")) == []
    assert codes(check_rows(tmp_path, said("word " * 17_000), model="gpt-3.5-turbo-0125")) == ["FT501"]


def test_a_finding_names_line_message_and_key_and_shows_the_text(tmp_path: Path) -> None:
    report = check_rows(tmp_path, EXAMPLE, changed(EXAMPLE, *FUNCTION, "arguments", {"metres": 5}))
    finding = report.errors[0]
    assert (finding.line, finding.pointer) == (2, "/messages/2/tool_calls/0/function/arguments")
    assert finding.message.startswith("Line 2 at /messages/2/tool_calls/0/function/arguments: the arguments")
    assert finding.excerpt == '{"metres": 5}'
    assert "Make it a string" in finding.fix


def test_an_excerpt_shows_the_place_in_a_long_line_and_nothing_a_terminal_acts_on(tmp_path: Path) -> None:
    broken = GOOD_LINE.replace(b'"Done."', b'"Done."' + b" " * 300 + b"oops \x1b[31m")
    excerpt = check(tmp_path, broken).errors[0].excerpt
    assert "oops" in excerpt
    assert "\x1b" not in excerpt
    assert len(excerpt) <= 80
    special = check_rows(tmp_path, said("x" * 500 + "<|im_end|>" + "y" * 500)).errors[0].excerpt
    assert "<|im_end|>" in special
    assert len(special) <= 80


def test_a_pointer_escapes_slash_and_tilde(tmp_path: Path) -> None:
    row = {**said("x"), "a/b~c": ["<|endoftext|>"]}
    assert [finding.pointer for finding in check_rows(tmp_path, row).errors] == ["/a~1b~0c/0"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" + GOOD_LINE + b",\n" + GOOD_LINE + b"]", "one JSON array"),
        (b'{"messages": [\n  {"role": "user"}\n]}', "over several lines"),
    ],
)
def test_one_finding_tells_of_a_file_that_is_one_json_document(tmp_path: Path, content: bytes, words: str) -> None:
    report = check(tmp_path, content, purpose="training")
    assert codes(report) == ["FT104"]
    assert words in report.findings[0].reason
    assert "ftorch data convert" in report.findings[0].fix


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{'messages': []}", "json.dumps"),
        (GOOD_LINE + b",", "comma at the end"),
        (b"{'messages': []}", "Python's notation"),
        (GOOD_LINE.replace(b'"messages"', "“messages”".encode(), 1), "curly"),
        (GOOD_LINE + b" // the first", "comment"),
        (GOOD_LINE[:-1] + b", ...}", "dots"),
        (GOOD_LINE[:-1], "lacks 1 }"),
        (GOOD_LINE + b"}", "lacks 1 {"),
        (GOOD_LINE[:-2] + b"}", "lacks 1 ]"),
        (GOOD_LINE[:-1] + b", }", "before the closing bracket"),
        (GOOD_LINE[:-1] + b', "train": True}', "true, false and null"),
        (GOOD_LINE.replace(b'"messages"', b"'messages'", 1), "double quotes"),
        (b'{"messages": [{"content": "see http://a // b ... {"}', "lacks 1 } and 1 ]"),
    ],
)
def test_common_slips_get_their_own_advice(tmp_path: Path, line: bytes, words: str) -> None:
    assert words in check(tmp_path, GOOD_LINE + b"\n" + line).findings[0].fix


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"BZh91AY", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        ("\ufeff{}".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04zip", "ZIP"),
        (b"PAR1", "Parquet"),
    ],
)
def test_a_file_that_is_no_text_says_what_it_is_once(tmp_path: Path, start: bytes, words: str) -> None:
    report = check(tmp_path, start * 50)
    assert codes(report) == ["FT111"]
    assert words in report.findings[0].reason


@pytest.mark.parametrize("key", ["conversations", "contents"])
def test_rows_of_other_formats_are_recognised_for_every_chat_method(tmp_path: Path, key: str) -> None:
    for method in ("supervised", "reinforcement"):
        assert codes(check_rows(tmp_path, {key: []}, method=method)) == ["FT214"]


def test_legacy_functions_are_accepted_and_checked(tmp_path: Path) -> None:
    wrong = changed(LEGACY, "messages", 1, "function_call", "arguments", "{")
    assert codes(check_rows(tmp_path, LEGACY)) == []
    assert codes(check_rows(tmp_path, wrong)) == ["FT315"]


def test_byte_order_mark_crlf_blank_lines_and_null_fields_are_no_errors(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Yes.", "tool_calls": None, "function_call": None, "weight": None}
    row = json.dumps({"messages": [{"role": "user", "content": "x"}, message], "tools": None}).encode()
    report = check(tmp_path, b"\xef\xbb\xbf" + row + b"\r\n\r\n" + row)
    assert (codes(report), report.examples) == ([], 2)


def test_a_tool_message_may_hold_a_list_of_parts(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "ok"}]
    assert codes(check_rows(tmp_path, changed(EXAMPLE, "messages", 3, "content", parts))) == []


def test_a_preference_output_may_answer_a_call_made_in_the_input(tmp_path: Path) -> None:
    row = changed(PREFERENCE, "input", {"messages": EXAMPLE["messages"][:3], "tools": [TOOL]})
    row["preferred_output"] = EXAMPLE["messages"][3:]
    assert [finding.pointer for finding in check_rows(tmp_path, row, method="dpo").errors] == [
        "/input/messages/2/tool_calls/0"  # in the other output nobody answers it
    ]
    row["non_preferred_output"] = [EXAMPLE["messages"][3], {"role": "assistant", "content": "No."}]
    assert codes(check_rows(tmp_path, row, method="dpo")) == []


def test_an_assistant_that_speaks_on_both_sides_of_the_seam_is_noted_once(tmp_path: Path) -> None:
    spoken = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    report = check_rows(tmp_path, changed(PREFERENCE, "input", "messages", spoken), method="dpo")
    assert [(each.code, each.pointer) for each in report.findings if each.code == "FT215"] == [
        ("FT215", "/preferred_output/0")
    ]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "climb", "arguments": {"metres": 5}}\n</tool_call>',
        '<functioncall> {"name": "climb"}',
        "[climb(metres=5)]",
        '{"name": "climb", "arguments": {"metres": 5}}',
        '```json\n[{"name": "climb"}]```',
    ],
)
def test_a_call_written_as_text_is_found_once(tmp_path: Path, text: str) -> None:
    row = changed(EXAMPLE, "messages", 4, "content", text)
    report = check_rows(tmp_path, row, row)
    assert codes(report) == ["FT221"]
    assert next(each for each in report.findings if each.code == "FT221").reason.startswith("2 answer(s)")


@pytest.mark.parametrize("text", ["[see(above)]", '{"name": "Ann"}', "<b>climb(5)</b>", "Call climb(metres=5)."])
def test_a_text_that_only_looks_like_a_call_is_none(tmp_path: Path, text: str) -> None:
    assert codes(check_rows(tmp_path, changed(EXAMPLE, "messages", 4, "content", text))) == []


def test_an_empty_request_and_an_empty_answer_are_found_and_a_call_needs_no_text(tmp_path: Path) -> None:
    empty = [said(""), said(" \n"), changed(said("Hi"), "messages", 1, "content", "")]
    report = check_rows(tmp_path, *empty)
    assert [each.reason[:12] for each in report.findings if each.code == "FT220"] == [
        "2 message(s)",
        "1 message(s)",
    ]
    assert codes(check_rows(tmp_path, changed(EXAMPLE, "messages", 2, "content", ""))) == []


@pytest.mark.parametrize(("name", "found"), [("ann", []), ("Jürgen-1", []), ("Ann B", ["FT212"]), ("", ["FT212"])])
def test_the_name_of_a_message_has_no_blanks(tmp_path: Path, name: str, found: list[str]) -> None:
    assert codes(check_rows(tmp_path, changed(EXAMPLE, "messages", 1, "name", name))) == found


def test_of_several_calls_each_needs_its_result_before_the_conversation_goes_on(tmp_path: Path) -> None:
    calls = [CALL, {**CALL, "id": "call_2"}]
    row = changed(EXAMPLE, "messages", 2, "tool_calls", calls)
    findings = check_rows(tmp_path, row).errors
    assert [(finding.code, finding.pointer) for finding in findings] == [("FT321", "/messages/2/tool_calls/1")]
    last_words = {"messages": row["messages"][:3], "tools": [TOOL]}
    assert codes(check_rows(tmp_path, last_words)) == []


def test_calls_without_tools_are_warned_of_once_and_do_no_harm(tmp_path: Path) -> None:
    report = check_rows(tmp_path, *[changed(EXAMPLE, "tools", MISSING)] * 12, purpose="training")
    assert codes(report) == ["FT331"]
    assert report.ok
    assert report.tokens is not None


def test_a_flood_of_one_kind_is_stored_in_part_and_hides_no_other_kind(tmp_path: Path) -> None:
    report = check(tmp_path, b"no\n" * (STORED_PER_CODE + 7) + b"[]\n")
    assert (len(report.errors), report.left_out) == (STORED_PER_CODE + 1, 7)
    assert report.counts["FT103"] == STORED_PER_CODE + 7
    assert report.total("error") == STORED_PER_CODE + 8
    assert codes(report)[-1] == "FT105"
    everything = check(tmp_path, b"no\n" * (STORED_PER_CODE + 7), keep_all=True)
    assert len(everything.errors) == STORED_PER_CODE + 7


def test_tokens_grow_with_the_file_and_are_unknown_where_there_are_errors(tmp_path: Path) -> None:
    one, two = (check_rows(tmp_path, *[EXAMPLE] * times).tokens for times in (1, 2))
    assert one is not None
    assert two == 2 * one
    assert check_rows(tmp_path, EXAMPLE, said(1)).tokens is None
    assert check_rows(tmp_path, EXAMPLE, count_tokens=False).tokens is None


@pytest.mark.parametrize(
    ("row", "method"), [(EXAMPLE, "supervised"), (PREFERENCE, "dpo"), (PROMPT, "reinforcement"), ({}, "supervised")]
)
def test_the_method_is_read_off_the_rows_where_none_is_given(tmp_path: Path, row: Row, method: str) -> None:
    report = check_rows(tmp_path, row, row, method=None)
    assert report.method == method
    assert report.ok is (row != {})


def test_one_odd_row_at_the_start_does_not_decide_the_method(tmp_path: Path) -> None:
    report = check_rows(tmp_path, PREFERENCE, EXAMPLE, EXAMPLE, method=None)
    assert report.method == "supervised"
    assert [(finding.line, finding.code) for finding in report.errors] == [(1, "FT214"), (None, "FT113")]


def test_mixed_formats_are_named_with_their_numbers_and_first_lines(tmp_path: Path) -> None:
    report = check_rows(tmp_path, EXAMPLE, PREFERENCE, EXAMPLE, PROMPT)
    mixture = next(finding for finding in report.errors if finding.code == "FT113")
    assert "2 supervised examples (first on line 1) and 1 preference example (first on line 2)" in mixture.reason
    assert "1 reinforcement example (first on line 4)" in mixture.reason


def test_rows_of_an_evaluation_file_may_carry_keys_of_their_own(tmp_path: Path) -> None:
    row = {**EXAMPLE, "id": "c1", "slice": "far", "accept": ["x"], "match": "exact"}
    report = check_rows(tmp_path, row, method=None, purpose="evaluation")
    assert (report.method, codes(report)) == ("supervised", [])


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (GOOD_LINE.replace(b'"role"', b'"role" :"user","role"', 1), "role"),
        (GOOD_LINE.replace(b'"content"', b'"c\\u006fntent": "x", "content"', 1), "content"),
        (GOOD_LINE.replace(b'"content": "You', b'"content": "x", "content": "\\u003a You', 1), "content"),
        (GOOD_LINE.replace(b'{\\"metres', b'{\\"metres\\": 4, \\"metres', 1), "metres"),
    ],
)
def test_a_key_given_twice_is_found_however_it_is_written(tmp_path: Path, line: bytes, key: str) -> None:
    report = check(tmp_path, line)
    assert codes(report) == ["FT112"]
    assert f'"{key}"' in report.errors[0].reason
    assert report.errors[0].excerpt.startswith(f'"{key}": ')


@pytest.mark.parametrize("text", ["a:b, {}: ::", "\\u003a", "A \\u003A B", '\\"a\\": 1, \\"a\\": 1'])
def test_colons_inside_strings_are_no_keys(tmp_path: Path, text: str) -> None:
    line = json.dumps(said("here")).replace("here", text).replace('": ', '" : ')
    assert codes(check(tmp_path, line.encode())) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[" * 500_000 + b"]" * 500_000, "FT107"),
        (b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "FT107"),
        (b'{"messages": ' + b"[" * 300 + b"]" * 300 + b"}", "FT107"),
        (b'{"messages": ' + b"9" * 5_000 + b"}", "FT103"),
        (b'{"messages": 1e999}', "FT103"),
        (b'{"messages": NaN}', "FT103"),
        (b'{"messages": "a\0b"}', "FT103"),
        (b'{"messages": [{"role": ["user"], "content": "x"}]}', "FT204"),
        (b'{"messages": [{"role": "\\ud800", "content": "x"}]}', "FT109"),
        (b'{"messages": [{"role": "tool", "tool_call_id": {}, "content": "x"}]}', "FT319"),
        (b'{"\\ud800": 1, "messages": []}', "FT109"),
        (b"\xff" * 1000, "FT102"),
        (b"NUL \0\0\0", "FT103"),
        (b"\x0c", "FT103"),
    ],
)
def test_a_pathological_line_is_a_finding_that_can_be_printed(tmp_path: Path, line: bytes, code: str) -> None:
    report = check(tmp_path, GOOD_LINE + b"\n" + line)
    assert code in codes(report)
    for finding in report.findings:
        text = f"{finding.message}{finding.pointer}{finding.fix}{finding.excerpt}"
        assert text.encode()
        assert text.isprintable()


def test_a_schema_nested_deeply_is_counted_without_a_traceback(tmp_path: Path) -> None:
    schema: Row = {"type": "object"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"inner": schema}}
    row = changed(EXAMPLE, *DECLARED, "parameters", schema)
    assert "FT107" not in codes(check_rows(tmp_path, row))
    assert check_rows(tmp_path, row).ok


def test_what_cannot_be_read_is_an_error_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(DataFileNotFound, match=r"none\.jsonl"):
        check_file(tmp_path / "none.jsonl", method="supervised", purpose="training")
    with pytest.raises(DataFileUnreadable, match="directory"):
        check_file(tmp_path, method="supervised", purpose="training")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataFileUnreadable, match="pipe"):
        check_file(tmp_path / "pipe", method=None, purpose="training")


def test_every_special_token_is_refused_however_it_is_written(tmp_path: Path) -> None:
    for token in texts.SPECIAL_TOKENS:
        assert codes(check_rows(tmp_path, said(token))) == ["FT213"]
        for character, escape in (("<", "\\u003c"), ("<", "\\u003C"), ("|", "\\u007c")):
            escaped = json.dumps(said(token)).replace(character, escape).encode()
            assert codes(check(tmp_path, escaped)) == ["FT213"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, inner in entries for found in paths(inner, (*path, key))]


QUIET = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(
    data=st.data(),
    row=st.sampled_from([EXAMPLE, LEGACY, PREFERENCE, PROMPT]),
    value=JSON_VALUES,
    method=st.sampled_from(["supervised", "dpo", "reinforcement", None]),
)
def test_a_row_with_any_value_anywhere_never_raises(
    tmp_path: Path, data: Any, row: Row, value: Any, method: str | None
) -> None:
    path = data.draw(st.sampled_from(paths(row)))
    content = json.dumps(changed(row, *path, value)).encode()
    for finding in check(tmp_path, content, method).findings:
        assert f"{finding.message}{finding.pointer}{finding.excerpt}{finding.fix}".isprintable()


@QUIET
@given(start=st.integers(0, len(GOOD_LINE)), length=st.integers(0, 40), inserted=st.binary(max_size=12))
def test_a_line_with_any_bytes_replaced_never_raises(
    tmp_path: Path, start: int, length: int, inserted: bytes
) -> None:
    content = GOOD_LINE[:start] + inserted + GOOD_LINE[start + length :]
    for finding in check(tmp_path, content).findings:
        assert finding.message.encode()


def test_a_report_can_be_sent_to_another_process(tmp_path: Path) -> None:
    report = check_rows(tmp_path, EXAMPLE, said(1))
    assert pickle.loads(pickle.dumps(report)).findings == report.findings
