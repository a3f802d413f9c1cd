from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.dataset import lines, texts
from orchestrator.dataset.checks import CheckReport, check_file
from orchestrator.dataset.findings import STORED_PER_SEVERITY
from orchestrator.dataset.kinds import KINDS
from orchestrator.errors import DataFileNotFound, DataFileUnreadable

Row = dict[str, Any]

TOOL = {
    "type": "function",
    "function": {
        "name": "climb",
        "description": "Climb to a height.",
        "parameters": {"type": "object", "properties": {"metres": {"type": "integer"}}, "required": ["metres"]},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "climb", "arguments": '{"metres": 5}'}}
EXAMPLE: Row = {
    "messages": [
        {"role": "system", "content": "You fly a drone."},
        {"role": "user", "content": "Up five."},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        {"role": "assistant", "content": "Done.", "weight": 1},
    ],
    "tools": [TOOL],
}
PREFERENCE: Row = {
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "preferred_output": [{"role": "assistant", "content": "Hello!"}],
    "non_preferred_output": [{"role": "assistant", "content": "What?"}],
}
PROMPT: Row = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "answer": "4"}

FIRST_CALL = ("messages", 2, "tool_calls", 0)
FUNCTION = (*FIRST_CALL, "function")
DECLARED = ("tools", 0, "function")
MISSING = object()


def changed(row: Row, *path_and_value: Any) -> Row:
    """A copy of `row` with the value at the path replaced, or taken out where it is MISSING."""
    *path, last, value = path_and_value
    result = copy.deepcopy(row)
    place: Any = result
    for part in path:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return result


def said(*contents: Any, role: str = "user", end: bool = True) -> Row:
    messages = [{"role": role, "content": content} for content in contents]
    return {"messages": [*messages, *([{"role": "assistant", "content": "Yes."}] if end else [])]}


def tools(count: int) -> list[Row]:
    return [changed(TOOL, "function", "name", f"climb{index}") for index in range(count)] + [TOOL]


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "Look."}
LONG_NAME = "n" * 65

# code: (method, a row that shows it, a row that just does not)
ROWS: dict[str, tuple[str, Row, Row]] = {
    "FT109": ("supervised", said("half \ud83d"), said("whole \U0001f600")),
    "FT110": ("supervised", said("a\0b"), said("a\\0b")),
    "FT201": ("supervised", {"text": "x"}, EXAMPLE),
    "FT202": ("supervised", {"messages": []}, said("x")),
    "FT203": ("supervised", changed(EXAMPLE, "messages", 0, "hi"), EXAMPLE),
    "FT204": ("supervised", said("x", role="robot"), said("x", role="developer")),
    "FT205": ("supervised", said(7), said("7")),
    "FT206": ("supervised", {"messages": [{"role": "user"}, *said()["messages"]]}, said("")),
    "FT207": ("supervised", said([IMAGE], role="system"), said([TEXT, IMAGE])),
    "FT208": ("supervised", said("x", end=False), said("x")),
    "FT209": ("supervised", changed(EXAMPLE, "messages", 4, {"role": "user", "content": "?"}), EXAMPLE),
    "FT210": (
        "supervised",
        changed(EXAMPLE, "messages", 4, "weight", 0.5),
        changed(EXAMPLE, "messages", 4, "weight", 0),
    ),
    "FT211": ("supervised", changed(EXAMPLE, "messages", 1, "weight", 1), EXAMPLE),
    "FT212": (
        "supervised",
        said("4", role="function"),
        {"messages": [{"role": "function", "name": "add", "content": None}, *said()["messages"]]},
    ),
    "FT213": ("supervised", said("stop <|fim_suffix|> here"), said("stop <|fim suffix|> here")),
    "FT214": ("supervised", {"prompt": "a", "completion": "b"}, {**said("x"), "prompt": "a", "completion": "b"}),
    "FT301": ("supervised", changed(EXAMPLE, "tools", 0, "type", MISSING), EXAMPLE),
    "FT302": (
        "supervised",
        {**said("x"), "tools": [changed(TOOL, "function", "name", LONG_NAME)]},
        {**said("x"), "tools": [changed(TOOL, "function", "name", LONG_NAME[1:])]},
    ),
    "FT303": (
        "supervised",
        changed(EXAMPLE, "tools", tools(128)),
        changed(EXAMPLE, "tools", tools(127)),
    ),
    "FT304": (
        "supervised",
        changed(EXAMPLE, *DECLARED, "parameters", {"type": "string"}),
        changed(EXAMPLE, *DECLARED, "parameters", {}),
    ),
    "FT305": ("supervised", changed(EXAMPLE, "tools", [TOOL, TOOL]), changed(EXAMPLE, "tools", tools(1))),
    "FT311": ("supervised", changed(EXAMPLE, *FIRST_CALL, "type", MISSING), EXAMPLE),
    "FT312": (
        "supervised",
        changed(EXAMPLE, "messages", 2, "tool_calls", [CALL, {**CALL, "id": ""}]),
        changed(EXAMPLE, "messages", 2, "tool_calls", [CALL, {**CALL, "id": "2"}]),
    ),
    "FT313": (
        "supervised",
        changed(EXAMPLE, "messages", 2, "tool_calls", [CALL, CALL]),
        changed(EXAMPLE, "messages", 2, "tool_calls", [CALL, {**CALL, "id": "call_2"}]),
    ),
    "FT314": ("supervised", changed(EXAMPLE, *FUNCTION, "arguments", {"metres": 5}), EXAMPLE),
    "FT315": (
        "supervised",
        changed(EXAMPLE, *FUNCTION, "arguments", '{"metres": 5,}'),
        changed(EXAMPLE, *FUNCTION, "arguments", "{}"),
    ),
    "FT316": (
        "supervised",
        changed(EXAMPLE, *FUNCTION, "arguments", "[5]"),
        changed(EXAMPLE, *FUNCTION, "arguments", '{"list": [5]}'),
    ),
    "FT317": (
        "supervised",
        changed(EXAMPLE, *FUNCTION, "arguments", json.dumps('{"metres": 5}')),
        changed(EXAMPLE, *FUNCTION, "arguments", json.dumps({"text": '{"metres": 5}'})),
    ),
    "FT318": ("supervised", changed(EXAMPLE, *FUNCTION, "name", "dive"), EXAMPLE),
    "FT319": ("supervised", changed(EXAMPLE, "messages", 3, "tool_call_id", "call_2"), EXAMPLE),
    "FT320": (
        "supervised",
        changed(EXAMPLE, "messages", 1, "tool_calls", [CALL]),
        changed(EXAMPLE, "messages", 1, "tool_calls", None),
    ),
    "FT331": ("supervised", changed(EXAMPLE, "tools", MISSING), EXAMPLE),
    "FT401": ("dpo", EXAMPLE, PREFERENCE),
    "FT402": ("dpo", changed(PREFERENCE, "non_preferred_output", []), PREFERENCE),
    "FT403": ("dpo", changed(PREFERENCE, "preferred_output", 0, "role", "user"), PREFERENCE),
    "FT411": ("reinforcement", said("x"), PROMPT),
    "FT501": ("supervised", said("word " * 70_000), said("word " * 60_000)),
}

GOOD_LINE = json.dumps(EXAMPLE).encode()

# code: (bytes that show it, bytes that just do not)
FILES: dict[str, tuple[bytes, bytes]] = {
    "FT101": (b"\xef\xbb\xbf\n \r\n", b"\n" + GOOD_LINE),
    "FT102": (GOOD_LINE.replace(b"Done", b"D\xffne"), GOOD_LINE.replace(b"Done", "Dÿne".encode())),
    "FT103": (GOOD_LINE + b",", GOOD_LINE + b"\r\n"),
    "FT104": (json.dumps(EXAMPLE, indent=1).encode(), GOOD_LINE),
    "FT105": (GOOD_LINE + b"\n[1]", GOOD_LINE),
    "FT107": (b'{"a":' * 500_000, GOOD_LINE),
    "FT111": (b"\x1f\x8b\x08\x00", GOOD_LINE),
}


def check(path: Path, content: bytes, method: Any = "supervised", **options: Any) -> CheckReport:
    path = path / "data.jsonl"
    path.write_bytes(content)
    return check_file(path, method=method, **{"purpose": "validation", "model": "gpt-4.1-mini", **options})


def check_rows(path: Path, *rows: Row, **options: Any) -> CheckReport:
    return check(path, "\n".join(map(json.dumps, rows)).encode(), **options)


def codes(report: CheckReport) -> list[str]:
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("code", ROWS)
def test_a_row_shows_its_kind_of_finding_and_the_row_beside_it_none(tmp_path: Path, code: str) -> None:
    method, wrong, right = ROWS[code]
    assert set(codes(check_rows(tmp_path, wrong, method=method))) == {code}
    assert codes(check_rows(tmp_path, right, method=method)) == []


@pytest.mark.parametrize("code", FILES)
def test_a_file_shows_its_kind_of_finding_and_the_file_beside_it_none(tmp_path: Path, code: str) -> None:
    wrong, right = FILES[code]
    assert codes(check(tmp_path, wrong)) == [code]
    assert codes(check(tmp_path, right)) == []


def test_every_kind_has_its_tests() -> None:
    with_tests_of_their_own = {"FT106", "FT108", "FT502"}
    assert set(KINDS) == ROWS.keys() | FILES.keys() | with_tests_of_their_own


def test_training_needs_ten_examples_and_validation_does_not(tmp_path: Path) -> None:
    report = check_rows(tmp_path, *[EXAMPLE] * 9, purpose="training")
    assert [finding.message for finding in report.errors] == [
        "Training file has 9 example(s), but must have at least 10 examples"
    ]
    assert check_rows(tmp_path, *[EXAMPLE] * 10, purpose="training").ok
    assert check_rows(tmp_path, *[EXAMPLE] * 9, purpose="validation").ok


def test_a_line_beyond_the_limit_is_skipped_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines.numbered_lines, "__defaults__", (len(GOOD_LINE) + 1,))
    report = check(tmp_path, b"\n".join([GOOD_LINE, GOOD_LINE + b"  ", GOOD_LINE, b'{"a": 1}']))
    assert [(finding.line, finding.code) for finding in report.findings] == [(2, "FT108"), (4, "FT201")]
    assert report.examples == 4


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.dataset.checks.LARGEST_FILE_BYTES", len(GOOD_LINE))
    assert codes(check(tmp_path, GOOD_LINE)) == []
    assert codes(check(tmp_path, GOOD_LINE + b"\n")) == ["FT502"]


def test_a_finding_names_line_message_and_key(tmp_path: Path) -> None:
    report = check_rows(tmp_path, EXAMPLE, changed(EXAMPLE, *FUNCTION, "arguments", {}))
    finding = report.findings[0]
    assert (finding.line, finding.pointer) == (2, "/messages/2/tool_calls/0/function/arguments")
    assert finding.message.startswith('Line 2, message 3, tool call 1, key "function.arguments": the arguments')
    assert "JSON string" in finding.fix


def test_a_pointer_escapes_slash_and_tilde(tmp_path: Path) -> None:
    row = {**said("x"), "a/b~c": ["<|endoftext|>"]}
    assert [finding.pointer for finding in check_rows(tmp_path, row).findings] == ["/a~1b~0c/0"]


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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{'messages': []}", "json.dumps"),
        (GOOD_LINE + b",", "comma at the end"),
    ],
)
def test_common_slips_get_their_own_advice(tmp_path: Path, line: bytes, words: str) -> None:
    assert words in check(tmp_path, GOOD_LINE + b"\n" + line).findings[0].fix


@pytest.mark.parametrize("text", ["\ufeff{}".encode("utf-16"), b"PK\x03\x04zip", b"PAR1"])
def test_a_file_that_is_no_text_says_so_once(tmp_path: Path, text: bytes) -> None:
    assert codes(check(tmp_path, text * 50)) == ["FT111"]


@pytest.mark.parametrize("key", ["conversations", "contents"])
def test_rows_of_other_formats_are_recognised_for_every_chat_method(tmp_path: Path, key: str) -> None:
    for method in ("supervised", "reinforcement"):
        assert codes(check_rows(tmp_path, {key: []}, method=method)) == ["FT214"]


LEGACY: Row = {
    "messages": [
        {"role": "user", "content": "Up."},
        {"role": "assistant", "content": None, "function_call": {"name": "climb", "arguments": "{}"}},
        {"role": "function", "name": "climb", "content": "ok"},
        {"role": "assistant", "content": "Done."},
    ],
    "functions": [{"name": "climb", "parameters": {"type": "object", "properties": {}}}],
}


def test_legacy_functions_are_accepted_and_checked(tmp_path: Path) -> None:
    wrong = changed(LEGACY, "messages", 1, "function_call", "arguments", "{")
    assert codes(check_rows(tmp_path, LEGACY)) == []
    assert codes(check_rows(tmp_path, wrong)) == ["FT315"]


def test_byte_order_mark_crlf_blank_lines_and_null_fields_are_no_errors(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Yes.", "tool_calls": None, "function_call": None, "weight": None}
    row = json.dumps({"messages": [{"role": "user", "content": "x"}, message], "tools": None}).encode()
    report = check(tmp_path, b"\xef\xbb\xbf" + row + b"\r\n\r\n" + row)
    assert (codes(report), report.examples) == ([], 2)


def test_a_preference_output_may_answer_a_call_made_in_the_input(tmp_path: Path) -> None:
    row = changed(PREFERENCE, "input", {"messages": EXAMPLE["messages"][:3], "tools": [TOOL]})
    row["preferred_output"] = EXAMPLE["messages"][3:]
    assert codes(check_rows(tmp_path, row, method="dpo")) == []


def test_calls_without_tools_are_warned_of_once_and_do_no_harm(tmp_path: Path) -> None:
    report = check_rows(tmp_path, *[changed(EXAMPLE, "tools", MISSING)] * 12, purpose="training")
    assert codes(report) == ["FT331"]
    assert report.ok
    assert report.tokens is not None


def test_a_file_full_of_errors_stores_the_first_thousand_and_counts_the_rest(tmp_path: Path) -> None:
    report = check(tmp_path, b"no\n" * (STORED_PER_SEVERITY + 7))
    assert (len(report.findings), report.left_out) == (STORED_PER_SEVERITY, 7)
    assert report.examples == STORED_PER_SEVERITY + 7
    assert not report.ok


def test_tokens_grow_with_the_file_and_are_unknown_where_there_are_errors(tmp_path: Path) -> None:
    one, two = (check_rows(tmp_path, *[EXAMPLE] * times).tokens for times in (1, 2))
    assert one is not None
    assert two == 2 * one
    assert check_rows(tmp_path, EXAMPLE, said(1)).tokens is None
    assert check_rows(tmp_path, EXAMPLE, count_tokens=False).tokens is None


def test_an_unknown_model_has_no_length_check(tmp_path: Path) -> None:
    assert codes(check_rows(tmp_path, said("word " * 70_000), model="my-model")) == []
    assert codes(check_rows(tmp_path, said("word " * 17_000), model="gpt-3.5-turbo-0125")) == ["FT501"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[" * 500_000 + b"]" * 500_000, "FT107"),
        (b'{"messages": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", "FT107"),
        (b'{"messages": ' + b"9" * 5_000 + b"}", "FT103"),
        (b'{"messages": NaN}', "FT103"),
        (b'{"messages": "a\0b"}', "FT103"),
        (b'{"messages": [{"role": ["user"], "content": "x"}]}', "FT204"),
        (b'{"messages": [{"role": "\\ud800", "content": "x"}]}', "FT109"),
        (b'{"messages": [{"role": "tool", "tool_call_id": {}, "content": "x"}]}', "FT319"),
        (b'{"\\ud800": 1, "messages": []}', "FT109"),
        (b"\xff" * 1000, "FT102"),
        (b"NUL \0\0\0", "FT103"),
    ],
)
def test_a_pathological_line_is_a_finding_that_can_be_printed(tmp_path: Path, line: bytes, code: str) -> None:
    report = check(tmp_path, GOOD_LINE + b"\n" + line)
    assert code in codes(report)
    for finding in report.findings:
        assert f"{finding.message}{finding.pointer}{finding.fix}".encode()


def test_a_schema_nested_beyond_reason_is_counted_without_a_traceback(tmp_path: Path) -> None:
    schema: Row = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"inner": schema}}
    row = changed(EXAMPLE, *DECLARED, "parameters", schema)
    assert codes(check_rows(tmp_path, row)) == []


def test_what_cannot_be_read_is_an_error_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(DataFileNotFound, match=r"none\.jsonl"):
        check_file(tmp_path / "none.jsonl", method="supervised", purpose="training")
    with pytest.raises(DataFileUnreadable, match="directory"):
        check_file(tmp_path, method="supervised", purpose="training")


def test_every_special_token_is_refused_however_it_is_written(tmp_path: Path) -> None:
    for token in texts.SPECIAL_TOKENS:
        assert codes(check_rows(tmp_path, said(token))) == ["FT213"]
        escaped = json.dumps(said(token)).replace("<", "\\u003c").encode()
        assert codes(check(tmp_path, escaped)) == ["FT213"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, inner in entries for found in paths(inner, (*path, key))]


QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(data=st.data(), row=st.sampled_from([EXAMPLE, LEGACY, PREFERENCE, PROMPT]), value=JSON_VALUES)
def test_a_row_with_any_value_anywhere_never_raises(tmp_path: Path, data: Any, row: Row, value: Any) -> None:
    path = data.draw(st.sampled_from(paths(row)))
    content = json.dumps(changed(row, *path, value)).encode()
    for method in ("supervised", "dpo", "reinforcement"):
        for finding in check(tmp_path, content, method).findings:
            assert finding.message.encode()


@QUIET
@given(start=st.integers(0, len(GOOD_LINE)), length=st.integers(0, 40), inserted=st.binary(max_size=12))
def test_a_line_with_any_bytes_replaced_never_raises(
    tmp_path: Path, start: int, length: int, inserted: bytes
) -> None:
    content = GOOD_LINE[:start] + inserted + GOOD_LINE[start + length :]
    for finding in check(tmp_path, content).findings:
        assert finding.message.encode()
