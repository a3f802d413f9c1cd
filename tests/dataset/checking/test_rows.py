"""Rows that are counted, divided, compared and shortened are judged as the check judges them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.rows import DECLARED, EXAMPLE, Row, changed
from support.surveys import says, write_rows

from orchestrator.dataset.checking.rows import GoodRows
from orchestrator.dataset.diff import diff_files
from orchestrator.dataset.shorten import CUTS, shorten_files
from orchestrator.dataset.split import split_file
from orchestrator.dataset.stats import statistics_of
from orchestrator.errors import LineUnreadable, NoGoodExample

GOOD = says("Say good morning", "Good morning!")
PROMPTS: list[Row] = [{"messages": [{"role": "user", "content": f"Clean room {number}"}]} for number in range(12)]
HARMED: list[Row] = [
    {**GOOD, "label": False},
    {**GOOD, "system": "Be brief."},
    {**GOOD, "images": ["img/amber.jpg"]},
    {**PROMPTS[0], "response": {"choices": [{"message": {"role": "assistant", "content": "Done."}}]}},
    changed(GOOD, "messages", 1, "train", False),
]


@pytest.mark.parametrize("row", HARMED, ids=", ".join)
def test_rows_with_a_key_that_changes_their_meaning_are_not_used(tmp_path: Path, row: Row) -> None:
    path, good = write_rows(tmp_path / "rows.jsonl", [GOOD, row]), write_rows(tmp_path / "good.jsonl", [GOOD])
    rows = GoodRows(path)
    assert ([line for line, _ in rows], rows.left_out) == ([1], 1)
    assert statistics_of(path).left_out == 1
    assert diff_files(path, good).before.left_out == 1
    with pytest.raises(LineUnreadable, match=r"line 2: 1 (example|message).s. have the key"):
        split_file(path, tmp_path / "parts", validation=0.1, evaluation=0.1, seed=0)
    with pytest.raises(LineUnreadable, match=r"line 2: 1 (example|message).s. have the key"):
        shorten_files({path: tmp_path / "short.jsonl"}, CUTS["no-tools"])


def test_rows_of_an_evaluation_file_keep_keys_beside_their_conversation(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "evaluation.jsonl", [{**GOOD, "system": "far"}])
    assert statistics_of(path).examples == 1
    assert shorten_files({path: tmp_path / "short.jsonl"}, CUTS["no-tools"])[0].examples == 1


def test_prompts_without_keys_for_a_grader_are_used_where_the_method_is_given(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", PROMPTS)
    with pytest.raises(NoGoodExample):
        statistics_of(path)
    assert statistics_of(path, method="reinforcement").examples == 12
    assert diff_files(path, path, method="reinforcement").same == 12
    parts = split_file(path, tmp_path / "p", validation=0.2, evaluation=0, seed=0, method="reinforcement")
    assert parts.examples("training") + parts.examples("validation") == 12
    done = shorten_files({path: tmp_path / "short.jsonl"}, CUTS["no-tools"], method="reinforcement")
    assert done[0].examples == 12


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**EXAMPLE, "messages": json.dumps(EXAMPLE["messages"])}, "JSON in strings"),
        (changed(EXAMPLE, *DECLARED, "parameters", '{"description": "Height."}'), "the JSON text of one"),
    ],
)
def test_json_in_a_string_is_not_taken_for_shortened(tmp_path: Path, row: Row, problem: str) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row])
    with pytest.raises(LineUnreadable, match=f"{problem}.*ftorch data check"):
        shorten_files({path: tmp_path / "short.jsonl"}, CUTS["no-descriptions"])
    assert not (tmp_path / "short.jsonl").exists()
