"""`ftorch data shorten` as a user types it."""

from __future__ import annotations

import json
from typing import get_args

from support.project import Project
from support.rows import EXAMPLE

from orchestrator.cli.data.convert import _LEVELS
from orchestrator.dataset.shorten import Level


def test_files_shortened_together_go_into_a_folder_and_show_what_is_saved(project: Project) -> None:
    for name in ("train.jsonl", "eval.jsonl"):
        (project.root / name).write_text(json.dumps(EXAMPLE) + "\n")
    done = project.ftorch("data", "shorten", "train.jsonl", "eval.jsonl", "--level", "descriptions", "-o", "short")
    assert done.code == 0, done.err
    assert "full → no-descriptions" in done.out
    assert sorted(path.name for path in (project.root / "short").iterdir()) == ["eval.jsonl", "train.jsonl"]
    again = project.ftorch("data", "shorten", "train.jsonl", "--level", "tools", "-o", "short/train.jsonl")
    assert again.code == 2
    assert "--force" in again.err


def test_json_gives_the_tokens_before_and_after(project: Project) -> None:
    (project.root / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n")
    done = project.ftorch("data", "shorten", "train.jsonl", "--level", "tools", "-o", "short.jsonl", "--json")
    [found] = json.loads(done.out)
    assert found["prompt_tokens_after"]["mean"] < found["prompt_tokens_before"]["mean"]
    assert (found["variant"], found["examples"]) == ("no-tools", 1)


def test_two_files_of_one_name_are_refused(project: Project) -> None:
    done = project.ftorch("data", "shorten", "a/x.jsonl", "b/x.jsonl", "--level", "tools", "-o", "short")
    assert done.code == 2
    assert "2 of the files are called x.jsonl" in done.err


def test_the_choices_of_levels_are_those_there_are() -> None:
    assert get_args(Level) == _LEVELS
