"""`ftorch data convert` as a user types it."""

from __future__ import annotations

import json
from typing import get_args

from support import command
from support.project import Project
from support.rows import EXAMPLE, LEGACY, TOOL

from orchestrator.cli.data.convert import _FROM, _TO
from orchestrator.dataset.convert import SHAPES, Target


def test_a_conversion_says_what_it_read_changed_and_wrote(project: Project) -> None:
    (project.root / "old.jsonl").write_text(f"{json.dumps(LEGACY)}\n{json.dumps(EXAMPLE)}\n")
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl")
    assert done.code == 0, done.err
    assert "Read old.jsonl: JSONL; legacy functions (1), messages with tools (1)" in done.out
    assert "functions written as tools" in done.out
    assert "Wrote new.jsonl: 2 examples" in done.out
    assert project.ftorch("data", "check", "new.jsonl", "--purpose", "validation").code == 0


def test_bad_lines_are_named_on_stderr_with_exit_code_1_and_left_out_on_request(project: Project) -> None:
    (project.root / "old.jsonl").write_text(f'{json.dumps(LEGACY)}\n{{"\\u001b[31m": 1}}\n')
    refused = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl")
    assert refused.code == 1
    assert "old.jsonl:2: its keys are those of no known format" in refused.err
    assert not (project.root / "new.jsonl").exists()
    done = project.ftorch("data", "convert", "old.jsonl", "-o", "new.jsonl", "--skip-bad", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["written"], found["left_out"], found["bad"][0]["line"]) == (1, 1, 2)
    assert "\x1b" not in refused.err + done.out + done.err


def test_a_list_of_sound_examples_becomes_lines_and_is_said_to(project: Project) -> None:
    (project.root / "old.json").write_text(json.dumps([EXAMPLE, EXAMPLE]))
    done = project.ftorch("data", "convert", "old.json", "-o", "new.jsonl")
    assert "Nothing to change in the examples; now each is a line." in done.out


def test_a_table_comes_from_standard_input(project: Project) -> None:
    (project.root / "tools.json").write_text(json.dumps([TOOL["function"]]))
    columns = ("--prompt-column", "said", "--call-column", "fn", "--tools", "tools.json")
    with project.entered():
        done = command.ftorch("data", "convert", "-", "-o", "new.jsonl", *columns, piped="said,fn\nUp!,climb\n")
    assert done.exit_code == 0, done.stderr
    assert "Read standard input: CSV; flat rows (1)" in done.stdout
    assert json.loads((project.root / "new.jsonl").read_text())["tools"] == [TOOL]


def test_the_choices_of_formats_are_those_there_are() -> None:
    assert (*SHAPES, "csv", "parquet") == _FROM
    assert get_args(Target) == _TO
