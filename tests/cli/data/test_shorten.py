"""`ftorch data shorten` as a user types it."""

from __future__ import annotations

import json

from support.project import Project
from support.rows import EXAMPLE


def test_files_shortened_together_go_into_a_folder_and_show_what_is_saved(project: Project) -> None:
    for name in ("train.jsonl", "eval.jsonl"):
        (project.root / name).write_text(json.dumps(EXAMPLE) + "\n")
    done = project.ftorch("data", "shorten", "train.jsonl", "eval.jsonl", "--drop", "descriptions", "-o", "short")
    assert done.code == 0, done.err
    assert "full → no-descriptions" in done.out
    assert sorted(path.name for path in (project.root / "short").iterdir()) == ["eval.jsonl", "train.jsonl"]
    again = project.ftorch("data", "shorten", "train.jsonl", "--drop", "tools", "-o", "short/train.jsonl")
    assert again.code == 2
    assert "--force" in again.err


def test_json_gives_the_tokens_before_and_after(project: Project) -> None:
    (project.root / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n")
    done = project.ftorch("data", "shorten", "train.jsonl", "--drop", "tools", "-o", "short.jsonl", "--json")
    [found] = json.loads(done.out)
    assert found["prompt_tokens_after"]["mean"] < found["prompt_tokens_before"]["mean"]
    assert (found["variant"], found["examples"]) == ("no-tools", 1)


def test_two_files_of_one_name_are_refused(project: Project) -> None:
    done = project.ftorch("data", "shorten", "a/x.jsonl", "b/x.jsonl", "--drop", "tools", "-o", "short")
    assert done.code == 2
    assert "2 of the files are called x.jsonl" in done.err


def test_what_is_dropped_has_to_be_named(project: Project) -> None:
    (project.root / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n")
    nothing = project.ftorch("data", "shorten", "train.jsonl", "-o", "short.jsonl")
    assert (nothing.code, "--drop descriptions, parameters, tools or tool:NAME" in nothing.err) == (2, True)
    unknown = project.ftorch(
        "data", "shorten", "train.jsonl", "--drop", "descriptions,colours", "-o", "short.jsonl"
    )
    assert (
        unknown.code,
        '"colours" is not one of descriptions, parameters, tools or tool:NAME' in unknown.err,
    ) == (2, True)


def test_without_tools_it_says_that_no_calls_come_back(project: Project) -> None:
    (project.root / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n")
    done = project.ftorch("data", "shorten", "train.jsonl", "--drop", "tools", "-o", "short.jsonl")
    assert "an API returns no tool calls" in " ".join(done.out.split())


def test_other_definitions_are_read_from_a_file(project: Project) -> None:
    (project.root / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n")
    tool = EXAMPLE["tools"][0]
    other = {**tool, "function": {**tool["function"], "description": "Go up."}}
    (project.root / "tools.json").write_text(json.dumps([other]))
    arguments = ("--tools", "tools.json", "--system", "Fly.", "-o", "other.jsonl")
    assert project.ftorch("data", "shorten", "train.jsonl", *arguments).code == 0
    row = json.loads((project.root / "other.jsonl").read_text())
    assert (row["tools"], row["messages"][0]["content"]) == ([other], "Fly.")
