"""Decisions on rows: kept, joined, read back, and what follows from them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from support.rows import CALL, EXAMPLE, FUNCTION, LEGACY, PREFERENCE, PROMPT, changed, said

from orchestrator.dataset.files import json_line
from orchestrator.dataset.review import (
    Counts,
    Decision,
    DecisionFile,
    Edited,
    NotAnExample,
    Review,
    Selection,
    Verdict,
    answer_of,
    apply_sheet,
    commented,
    document_of,
    open_review,
    read_document,
    request_of,
    turns_of,
    write_reviewed,
)
from orchestrator.errors import (
    DataFileEmpty,
    DecisionNotKept,
    LineUnreadable,
    NotExamples,
    NothingLeft,
    NothingSelected,
    OutputExists,
    OutputIsReviewed,
    ReviewFileForeign,
    RowChanged,
    SheetUnusable,
)
from orchestrator.reports.review import sheet_csv, sheet_markdown

METHODS = {"tools": EXAMPLE, "functions": LEGACY, "dpo": PREFERENCE, "reinforcement": PROMPT}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "train.jsonl"
    path.write_bytes(content)
    return path


def reviewed(folder: Path, count: int = 4, ending: bytes = b"\n") -> Review:
    """A review of rows that ask for floor 0, floor 1 and so on."""
    rows = (json.dumps(said(f"To floor {number}")).encode() for number in range(count))
    return open_review(written(folder, b"".join(row + ending for row in rows)))


def judge(review: Review, *verdicts: Verdict | None) -> None:
    """Decide on the first rows; None passes one over."""
    for row, verdict in zip(review.rows, verdicts, strict=False):
        if verdict:
            review.decide([review.decision(row).judged(verdict)])


# --- What is kept ---------------------------------------------------------------------------------------------


def test_a_decision_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP)
    review.decide([review.decision(review.rows[2]).judged(Verdict.FLAG, "which floor?")])
    again = open_review(review.path)
    assert again.counts() == Counts(accepted=1, edited=0, dropped=1, flagged=1, to_go=1)
    assert again.decision(again.rows[2]).note == "which floor?"


def test_rows_keep_their_decision_when_they_move_and_get_other_line_ends(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP)
    lines = review.path.read_bytes().splitlines()
    review.path.write_bytes(b"\xef\xbb\xbf\r\n" + b"\r\n".join([lines[3], lines[1], lines[0]]))
    again = open_review(review.path)
    assert [again.decision(row).verdict for row in again.rows] == [None, Verdict.DROP, Verdict.ACCEPT]
    assert [row.line for row in again.rows] == [2, 3, 4]


def test_a_changed_row_has_no_decision_and_the_old_one_is_counted_apart(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT)
    review.path.write_bytes(review.path.read_bytes().replace(b"floor 0", b"floor 9"))
    again = open_review(review.path)
    assert (again.counts().to_go, again.others()) == (4, 1)


def test_of_joined_files_the_last_decision_counts(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP)
    ours = review.record.path.read_bytes()
    review.record.path.unlink()
    other = open_review(review.path)
    judge(other, Verdict.DROP, None, Verdict.ACCEPT)
    review.record.path.write_bytes(ours + review.record.path.read_bytes())
    joined = open_review(review.path)
    verdicts = [joined.decision(row).verdict for row in joined.rows]
    assert verdicts == [Verdict.DROP, Verdict.DROP, Verdict.ACCEPT, None]


def test_a_decision_that_changes_nothing_is_not_written_again(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT)
    before = review.record.path.read_bytes()
    judge(review, Verdict.ACCEPT)
    assert review.record.path.read_bytes() == before


def test_damaged_lines_are_named_and_the_others_count(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP)
    first, second = review.record.path.read_bytes().splitlines(keepends=True)
    bad = [
        b'{"sha256":"ab"}',
        b"[1]",
        b'{"sha256":"ab","decision":"edit"}',
        b'{"sha256":"a","decision":"drop","row":1}',
    ]
    review.record.path.write_bytes(first + b"\n".join(bad) + b"\n\n" + second + b'{"sha256":"cu')
    again = open_review(review.path)
    assert (again.counts().accepted, again.counts().dropped) == (1, 1)
    places = [re.search(r"line (\d+): ", problem)[1] for problem in again.problems]
    assert places == ["2", "3", "4", "5", "8"]


@pytest.mark.parametrize("kept", [1, 20, 100, -1])
def test_after_a_write_that_was_cut_off_the_next_decision_has_a_line_of_its_own(tmp_path: Path, kept: int) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP)
    first, second = review.record.path.read_bytes().splitlines(keepends=True)
    review.record.path.write_bytes(first + second[:kept])
    again = open_review(review.path)
    judge(again, None, None, Verdict.ACCEPT)
    last = open_review(review.path)
    is_whole = kept == -1
    assert last.counts() == Counts(2, 0, int(is_whole), 0, 2 - is_whole)


def test_a_file_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "train.review.jsonl").write_text('{"stars": 5}\n')
    with pytest.raises(ReviewFileForeign, match=r"train\.review\.jsonl"):
        reviewed(tmp_path)
    assert (tmp_path / "train.review.jsonl").read_text() == '{"stars": 5}\n'


def test_a_decision_that_cannot_be_written_is_reported_and_not_believed(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    review.record.path.mkdir()
    with pytest.raises(DecisionNotKept, match="directory"):
        judge(review, Verdict.ACCEPT)
    assert review.counts().to_go == 4


@given(
    history=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, *Verdict]), st.text(max_size=5))),
    cuts=st.sets(st.integers(0, 30)),
)
@settings(max_examples=40, deadline=None)
def test_any_history_reads_back_as_its_last_decisions(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, Verdict | None, str]], cuts: set[int]
) -> None:
    record = DecisionFile(tmp_path_factory.mktemp("review") / "train.review.jsonl")
    expected: dict[str, Decision] = {}
    for index, (row, verdict, note) in enumerate(history):
        example = said(note) if verdict is Verdict.EDIT else None
        decision = Decision(f"row {row}", row + 1, verdict, note, example)
        record.append([decision])
        expected[decision.sha256] = decision
        if index in cuts:
            with record.path.open("ab") as stream:
                stream.write(b'{"sha256":"row 0","deci')
    found, problems = record.read()
    assert (found, len(problems)) == (expected, len(cuts & set(range(len(history)))))


# --- Which rows are looked at ---------------------------------------------------------------------------------


def test_a_pattern_finds_requests_and_calls(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in (EXAMPLE, said("Climb the stairs"), said("Down"))]
    review = open_review(written(tmp_path, "\n".join(lines).encode()))
    found = review.selected(Selection(pattern=re.compile("climb", re.IGNORECASE)))
    assert [row.line for row in found] == [1, 2]
    with pytest.raises(NothingSelected, match="--only zebra"):
        review.selected(Selection(pattern=re.compile("zebra")))


def test_a_sample_is_the_same_in_any_order_of_rows_and_a_larger_one_holds_it(tmp_path: Path) -> None:
    review = reviewed(tmp_path, 30)
    few = {row.sha256 for row in review.selected(Selection(sample=5))}
    lines = review.path.read_bytes().splitlines(keepends=True)
    review.path.write_bytes(b"".join(reversed(lines)))
    again = open_review(review.path)
    assert {row.sha256 for row in again.selected(Selection(sample=5))} == few
    more = again.selected(Selection(sample=12))
    assert len(few) == 5
    assert few < {row.sha256 for row in more}
    assert [row.line for row in more] == sorted(row.line for row in more)


def test_flagged_rows_and_rows_from_a_line_on(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    with pytest.raises(NothingSelected, match="no row is flagged"):
        review.selected(Selection(flagged=True))
    judge(review, Verdict.FLAG, Verdict.ACCEPT, Verdict.FLAG)
    assert [row.line for row in review.selected(Selection(flagged=True))] == [1, 3]
    assert [row.line for row in review.selected(Selection(flagged=True, first_line=2))] == [3]
    with pytest.raises(NothingSelected, match="line 4"):
        review.selected(Selection(first_line=5))


# --- What is shown --------------------------------------------------------------------------------------------


def test_every_kind_of_example_has_its_request_and_answer() -> None:
    assert (request_of(EXAMPLE), answer_of(EXAMPLE)) == ("Up five.", 'climb({"metres": 5})\nDone.')
    assert answer_of(LEGACY) == "climb({})\nDone."
    assert (request_of(PREFERENCE), answer_of(PREFERENCE)) == ("Hi", "preferred: Hello!\nother: What?")
    assert (request_of(PROMPT), answer_of(PROMPT)) == ("What is 2 + 2?", "answer: 4")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": 5},
        {"messages": [None, 5, {}, {"role": 7, "content": {"a": 1}}, {"role": "assistant", "tool_calls": 3}]},
        {"messages": [{"role": "assistant", "tool_calls": [None, {"function": {"name": 1, "arguments": 2}}]}]},
        {"messages": [{"role": "assistant", "function_call": "climb"}]},
        {"input": 5, "preferred_output": 6},
        changed(EXAMPLE, *FUNCTION, "arguments", '{"a": 1, "a": 2}'),
    ],
)
def test_a_row_with_errors_is_shown_and_can_be_edited(row: dict[str, Any]) -> None:
    assert turns_of(row)
    assert isinstance(answer_of(row), str)
    assert read_document(document_of(row), row, "supervised", "training") is None


def test_findings_of_the_check_belong_to_their_line_and_to_an_edited_row_its_own(tmp_path: Path) -> None:
    rows = [EXAMPLE, changed(EXAMPLE, *FUNCTION, "arguments", '{"metres": "x"}')]
    review = open_review(written(tmp_path, "\n".join(map(json.dumps, rows)).encode()))
    assert "FT322" in [finding.code for finding in review.findings(review.rows[1])]
    review.edit(review.rows[1], Edited(changed(EXAMPLE, *FUNCTION, "arguments", '{"metres": 7}'), ()))
    assert list(review.findings(review.rows[1])) == []


# --- Edits ----------------------------------------------------------------------------------------------------


def edit(row: dict[str, Any], old: str, new: str) -> Edited | None:
    document = document_of(row)
    assert old in document
    return read_document(document.replace(old, new), row, "supervised", "training")


def test_a_document_shows_arguments_as_objects_and_no_definitions() -> None:
    document = json.loads(document_of(EXAMPLE))
    assert document["messages"][2]["tool_calls"][0]["function"]["arguments"] == {"metres": 5}
    assert document.keys() == {"messages"}
    assert "functions" not in json.loads(document_of(LEGACY))


def test_an_edit_changes_what_was_changed_and_keeps_definitions_and_the_order_of_keys() -> None:
    row = {"tools": EXAMPLE["tools"], "messages": EXAMPLE["messages"]}
    made = edit(row, '"metres": 5', '"metres": 50')
    assert made is not None
    assert made.findings == ()
    assert json_line(made.row) == json_line(changed(row, *FUNCTION, "arguments", '{"metres": 50}'))


def test_arguments_that_were_not_touched_stay_as_they_were_written() -> None:
    odd = '{ "metres":5.0 }'
    row = changed(EXAMPLE, *FUNCTION, "arguments", odd)
    made = edit(row, "Up five.", "Up!")
    assert made is not None
    assert made.row["messages"][2]["tool_calls"][0]["function"]["arguments"] == odd
    integer = edit(row, "5.0", "5")
    assert integer is not None
    assert integer.row["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"metres": 5}'


def test_both_answers_of_preference_data_can_be_edited_and_its_tools_stay() -> None:
    answer = [{"role": "assistant", "tool_calls": [CALL]}]
    row = changed({**PREFERENCE, "preferred_output": answer}, "input", "tools", EXAMPLE["tools"])
    made = read_document(document_of(row).replace("5", "6"), row, "dpo", "training")
    assert made is not None
    assert made.findings == ()
    assert made.row["input"]["tools"] == EXAMPLE["tools"]
    assert made.row["preferred_output"][0]["tool_calls"][0]["function"]["arguments"] == '{"metres": 6}'


def test_an_edit_that_breaks_the_schema_has_the_finding_of_the_check() -> None:
    made = edit(EXAMPLE, '"metres": 5', '"metres": "five"')
    assert made is not None
    assert [finding.code for finding in made.errors] == ["FT322"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ('{\n "messages": [\n}', "line 3: "),
        ('// a comment\n{\n "messages": [\n}', "line 4: "),
        ("[1]", "not a JSON object"),
        ('{"messages": [], "messages": []}', '"messages" twice'),
    ],
)
def test_a_document_that_is_no_example_says_where(document: str, problem: str) -> None:
    with pytest.raises(NotAnExample) as found:
        read_document(document, EXAMPLE, "supervised", "training")
    assert problem in found.value.problem


@pytest.mark.parametrize("text", ["", " \n", "// only a comment\n"])
def test_an_emptied_document_changes_nothing(text: str) -> None:
    assert read_document(text, EXAMPLE, "supervised", "training") is None


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(arguments=st.dictionaries(st.text(), JSON_VALUES, max_size=4), spaced=st.booleans(), text=st.text())
@settings(deadline=None)
def test_a_document_saved_unchanged_is_no_edit_and_one_word_changes_nothing_else(
    arguments: dict[str, Any], spaced: bool, text: str
) -> None:
    written_arguments = json.dumps(arguments, separators=None if spaced else (",", ":"), ensure_ascii=spaced)
    row = changed(changed(EXAMPLE, *FUNCTION, "arguments", written_arguments), "messages", 1, "content", text)
    document = commented(["what this is"], document_of(row))
    assert read_document(document, row, "supervised", "training") is None
    value = json.loads(document_of(row))
    value["messages"][1]["content"] = f"{text}!"
    made = read_document(json.dumps(value), row, "supervised", "training")
    assert made is not None
    assert made.row == changed(row, "messages", 1, "content", f"{text}!")


def test_an_edit_is_accepted_dropped_flagged_and_made_undone(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    row = review.rows[0]
    made = said("To the cellar")
    review.edit(row, Edited(made, ()))
    assert review.current(row) == made
    for verdict, expected in ((Verdict.FLAG, Verdict.FLAG), (Verdict.ACCEPT, Verdict.EDIT)):
        review.decide([review.decision(row).judged(verdict)])
        assert (review.decision(row).verdict, review.current(row)) == (expected, made)
    review.edit(row, Edited(review.original(row), ()))
    assert (review.decision(row).verdict, review.decision(row).row) == (Verdict.ACCEPT, None)


# --- The result -----------------------------------------------------------------------------------------------


def test_the_result_is_without_dropped_rows_and_with_edited_ones(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT, Verdict.DROP, Verdict.FLAG)
    review.edit(review.rows[0], Edited(said("To the cellar"), ()))
    lines = review.path.read_bytes().splitlines(keepends=True)
    edited = json_line(said("To the cellar")) + b"\n"
    done = write_reviewed(review, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == edited + lines[2] + lines[3]
    assert (done.rows, done.flagged, done.unreviewed) == (3, 1, 1)
    write_reviewed(review, tmp_path / "accepted.jsonl", accepted_only=True)
    assert (tmp_path / "accepted.jsonl").read_bytes() == edited


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b" \t\n"])
@pytest.mark.parametrize("has_last", [True, False])
def test_rows_that_are_not_edited_are_copied_byte_for_byte(tmp_path: Path, ending: bytes, has_last: bool) -> None:
    odd = b'  {"messages" : [{"role":"user","content":"\\u0061"},{"content":"b","role":"assistant"}]}'
    plain = json.dumps(said("é"), ensure_ascii=False).encode()
    content = ending.join([odd, plain, odd]) + (ending if has_last else b"")
    review = open_review(written(tmp_path, content))
    write_reviewed(review, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == content
    review.edit(review.rows[1], Edited(said("b"), ()))
    write_reviewed(review, tmp_path / "edited.jsonl")
    assert (tmp_path / "edited.jsonl").read_bytes() == content.replace(plain, json_line(said("b")))
    review.decide([Decision(review.rows[1].sha256, 2, None)])
    review.decide([review.decision(review.rows[0]).judged(Verdict.DROP)])  # the third is its equal
    write_reviewed(review, tmp_path / "less.jsonl")
    assert (tmp_path / "less.jsonl").read_bytes() == plain + ending


@given(verdicts=st.lists(st.sampled_from([None, *Verdict]), min_size=4, max_size=4), accepted_only=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_result_holds_what_was_decided(
    tmp_path_factory: pytest.TempPathFactory, verdicts: list[Verdict | None], accepted_only: bool
) -> None:
    folder = tmp_path_factory.mktemp("review")
    review = reviewed(folder)
    lines = review.path.read_bytes().splitlines(keepends=True)
    expected = []
    for row, verdict, line in zip(review.rows, verdicts, lines, strict=True):
        if verdict is Verdict.EDIT:
            review.edit(row, Edited(said(f"edited {row.line}"), ()))
            expected.append(json_line(said(f"edited {row.line}")) + b"\n")
        else:
            judge(replace(review, rows=(row,)), verdict)
            is_left_out = verdict is Verdict.DROP or (accepted_only and verdict is not Verdict.ACCEPT)
            expected.extend([] if is_left_out else [line])
    target = folder / "out.jsonl"
    if expected:
        write_reviewed(open_review(review.path), target, accepted_only=accepted_only)
        assert target.read_bytes() == b"".join(expected)
    else:
        with pytest.raises(NothingLeft):
            write_reviewed(open_review(review.path), target, accepted_only=accepted_only)
        assert not target.exists()
    assert review.path.read_bytes() == b"".join(lines)


def test_the_file_under_review_and_its_decisions_are_never_replaced(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT)
    os.link(review.path, tmp_path / "other.jsonl")
    for target in (review.path, review.record.path, tmp_path / "other.jsonl"):
        before = target.read_bytes()
        with pytest.raises(OutputIsReviewed):
            write_reviewed(review, target, replace=True)
        assert target.read_bytes() == before
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(OutputExists):
        write_reviewed(review, tmp_path / "out.jsonl")
    write_reviewed(review, tmp_path / "out.jsonl", replace=True)


@pytest.mark.parametrize(
    "change", [lambda lines: [lines[1], lines[0], *lines[2:]], lambda lines: [*lines, lines[0]]]
)
def test_a_file_that_changed_meanwhile_yields_no_result(tmp_path: Path, change: Any) -> None:
    review = reviewed(tmp_path)
    judge(review, Verdict.ACCEPT)
    review.path.write_bytes(b"".join(change(review.path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(RowChanged, match=r"train\.jsonl, line \d"):
        write_reviewed(review, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_row_that_changed_meanwhile_is_not_shown(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    review.path.write_bytes(review.path.read_bytes().replace(b"floor 1", b"floor 7"))
    assert review.current(review.rows[0]) == said("To floor 0")
    with pytest.raises(RowChanged, match="line 2"):
        review.current(review.rows[1])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", DataFileEmpty, "empty"),
        (b"\n \n", DataFileEmpty, "empty"),
        (b'{"messages": []}\n\nnope\n', LineUnreadable, "line 3: this is not valid JSON"),
        (b'{"messages": []}\n[]\n', LineUnreadable, "line 2: "),
        (b'{"secret": "s3cret"}\n', NotExamples, "no line looks like a training example"),
        (b"\x1f\x8b0000", NotExamples, "gzip"),
    ],
)
def test_what_holds_no_rows_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as found:
        open_review(written(tmp_path, content))
    assert "s3cret" not in str(found.value)


# --- Sheets ---------------------------------------------------------------------------------------------------


def sheet_of(review: Review, **columns: dict[int, str]) -> str:
    """The sheet of all rows, with cells replaced: decision={line: "drop"}."""
    rows = list(csv.DictReader(io.StringIO(sheet_csv(review, review.rows))))
    for column, cells in columns.items():
        for row in rows:
            row[column] = cells.get(int(row["line"]), row[column])
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_sheet_goes_out_and_comes_back(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    judge(review, None, None, None, Verdict.DROP)
    text = sheet_of(review, decision={1: "Accept", 2: "dropped", 3: "f"}, note={3: "'=1+1 is odd"})
    (tmp_path / "sheet.csv").write_text(text, encoding="utf-8-sig")
    count, missing = apply_sheet(review, tmp_path / "sheet.csv")
    assert (count, missing) == (4, [])
    again = open_review(review.path)
    assert again.counts() == Counts(accepted=1, edited=0, dropped=2, flagged=1, to_go=0)
    assert again.decision(again.rows[2]).note == "=1+1 is odd"
    size = again.record.path.stat().st_size
    apply_sheet(again, tmp_path / "sheet.csv")
    assert again.record.path.stat().st_size == size


def test_a_sheet_from_a_spreadsheet_program_may_have_semicolons_and_other_columns_in_any_order(
    tmp_path: Path,
) -> None:
    review = reviewed(tmp_path)
    lines = [
        "Decision;who;SHA256",
        f"drop;me;{review.rows[1].sha256.upper()}",
        ";;",
        f"a;you;{review.rows[0].sha256}",
    ]
    (tmp_path / "sheet.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    apply_sheet(review, tmp_path / "sheet.csv")
    assert (review.counts().accepted, review.counts().dropped) == (1, 1)


def test_a_request_that_looks_like_a_formula_is_none_in_a_sheet(tmp_path: Path) -> None:
    review = open_review(written(tmp_path, json.dumps(said("=cmd|' /C calc'!A0")).encode()))
    assert ",'=cmd|" in sheet_csv(review, review.rows)


def test_rows_that_the_file_no_longer_holds_are_told_and_the_others_count(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    (tmp_path / "sheet.csv").write_text(sheet_of(review, decision=dict.fromkeys(range(1, 5), "accept")))
    review.path.write_bytes(review.path.read_bytes().replace(b"floor 2", b"floor 9"))
    again = open_review(review.path)
    count, missing = apply_sheet(again, tmp_path / "sheet.csv")
    assert (count, [each.line for each in missing]) == (3, ["3"])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("decision", "verdict", "line 1: there is no column decision"),
        ("drop", "dorp", 'line 3: the decision "dorp" is not accept, drop or flag'),
        ("drop", "edit", "line 3: a sheet can't edit"),
        ("drop,", "drop,no, not this", "line 3: it has more cells than line 1"),
        ("To floor 1", '"To floor 1', "line 3: "),
    ],
)
def test_of_a_sheet_with_an_error_nothing_is_taken(tmp_path: Path, old: str, new: str, problem: str) -> None:
    review = reviewed(tmp_path)
    text = sheet_of(review, decision={1: "accept", 2: "drop"}).replace(old, new)
    (tmp_path / "sheet.csv").write_text(text)
    with pytest.raises(SheetUnusable) as found:
        apply_sheet(review, tmp_path / "sheet.csv")
    assert problem in str(found.value)
    assert not review.record.path.exists()


def test_accepting_an_edited_row_in_a_sheet_accepts_the_edit(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    review.edit(review.rows[0], Edited(said("To the cellar"), ()))
    text = sheet_of(review, decision={1: "accept"})
    assert "To the cellar" in text
    (tmp_path / "sheet.csv").write_text(text)
    apply_sheet(review, tmp_path / "sheet.csv")
    assert review.counts().edited == 1


def test_nothing_of_a_row_is_markup_in_a_sheet_to_read(tmp_path: Path) -> None:
    review = open_review(written(tmp_path, json.dumps(said("<b>|a|</b>\n# *b* \x1b[31m")).encode()))
    last = list(sheet_markdown(review, review.rows))[-1]
    assert last == r"| 1 | &lt;b&gt;\|a\|&lt;/b&gt;<br>\# \*b\* \\x1b\[31m | Yes. |  |"
