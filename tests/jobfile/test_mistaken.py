"""What beginners write in place of a TOML job file, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import FtorchError
from orchestrator.jobfile import load_job_file
from orchestrator.tomlsource import read_toml

HEAD = 'name = "x"\nmodel = "m"\n'


def refusal(path: Path) -> str:
    with pytest.raises(FtorchError) as caught:
        load_job_file(path)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{path.parent}/", "")


def told(folder: Path, text: str, name: str = "job.toml") -> str:
    (folder / name).write_text(text)
    return refusal(folder / name)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("endpoint = local", 'text needs quotes; write: endpoint = "local".'),
        ("endpoint = local # here", 'text needs quotes; write: endpoint = "local".'),
        ("model = gpt-4.1-mini", 'text needs quotes; write: model = "gpt-4.1-mini".'),
        ("training_file = C:\\data\\a.jsonl", "text needs quotes; write: training_file = 'C:\\data\\a.jsonl'."),
        ("suffix: drone", 'TOML puts = between a key and its value, not a colon; write: suffix = "drone".'),
        ('"suffix": "drone",', 'TOML puts = between a key and its value, not a colon; write: suffix = "drone".'),
        ("seed: 3", "TOML puts = between a key and its value, not a colon; write: seed = 3."),
        ('suffix "drone"', 'there is no = between the key and its value; write: suffix = "drone".'),
        (
            "suffix = \u201cdrone\u201d",
            'it has curly quotes, and TOML takes straight ones; write: suffix = "drone".',
        ),
        (
            "suffix = \u2018drone\u2019",
            "it has curly quotes, and TOML takes straight ones; write: suffix = 'drone'.",
        ),
        ("allow = True", "true and false are in small letters; write: allow = true."),
        ("suffix = None", "suffix has no value; give it one, or take the line out."),
        (
            'file = "C:\\data\\users.jsonl"',
            "\\ in double quotes begins an escape; put a path into single quotes, or write it with /; "
            "write: file = 'C:\\data\\users.jsonl'.",
        ),
        ("method = { n_epochs = 3,", "an inline table { … } must stand on one line; use a [table] instead."),
        ('suffix = "drone', "an unclosed string."),
    ],
)
def test_a_slip_in_toml_is_said_with_its_line_and_how_to_write_it(tmp_path: Path, line: str, said: str) -> None:
    found = told(tmp_path, f"{HEAD}{line}\n[data]\n")
    place, said_toml, rest = found.partition(": this is not valid TOML: ")
    assert said_toml
    assert place in ("job.toml:3", "job.toml:4")
    assert rest == said


def test_a_table_twice_is_said_with_both_lines(tmp_path: Path) -> None:
    found = told(tmp_path, f"{HEAD}[method]\nn_epochs = 1\n[ method ]\ntype = 'dpo'\n")
    assert found == "job.toml:5: this is not valid TOML: [method] is there twice, first on line 3; keep one."


@pytest.mark.parametrize(
    "line", ["api_key_env = sk-12345", "x = https://host/f?sig=abc", "x: me@host", f"x = {'a' * 200}"]
)
def test_nothing_is_shown_that_may_be_a_secret(tmp_path: Path, line: str) -> None:
    assert "write: " not in told(tmp_path, f"{line}\n")


def test_of_a_configuration_nothing_is_shown(tmp_path: Path) -> None:
    (tmp_path / "ftorch.toml").write_text("endpoint = local\n")
    with pytest.raises(FtorchError, match=r"this is not valid TOML: text needs quotes\.$"):
        read_toml(tmp_path / "ftorch.toml")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "C:\\train\\new.jsonl",
            "C:\\train\\new.jsonl: in double quotes \\t means a tab and \\n means a line break",
        ),
        ("data\\train.jsonl", "data\\train.jsonl: in double quotes \\t means a tab"),
        ("a\\b.jsonl", "a\\b.jsonl: in double quotes \\b means a backspace"),
        ("a\\fine\\rows", "a\\fine\\rows: in double quotes \\f means a form feed and \\r means a carriage return"),
    ],
)
def test_backslashes_that_became_other_characters_are_explained(tmp_path: Path, written: str, said: str) -> None:
    found = told(tmp_path, f'{HEAD}[data]\ntraining_file = "{written}"\n')
    advice = "write the path in single quotes or with /"
    assert found == f"job.toml:4: data.training_file: there is no file {said}; {advice}"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.jsonl", "anything", "is a data file, not a job file. Write a job file for it: ftorch init "),
        ("data.csv", "a,b\n1,2\n", "is a data file, not a job file. Write a job file for it: ftorch init "),
        ("rows.txt", '{"messages": []}\n' * 30_000, "is a data file, not a job file."),
        ("rows.json", '[{"messages": [', "is a data file, not a job file."),
        ("job.json", '{"name": "x"}', "is JSON, and a job file is TOML. Write each key on a separate line: "),
        (
            "job.yaml",
            "# a job\nname: drone\n",
            'is YAML, and a job file is TOML. Write name: drone as name = "drone"',
        ),
        ("job.yml", "data:\n  file: x\n", "is YAML, and a job file is TOML. Write data: as [data]"),
        ("job.toml", "---\nname: drone\n", 'is YAML, and a job file is TOML. Write name: drone as name = "drone"'),
    ],
)
def test_what_is_no_job_file_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    assert told(tmp_path, content, name).startswith(f"{name} {said}")


def test_a_folder_is_said_with_the_job_files_in_it(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("is a folder, not a job file. There is no TOML file in it.")
    for name in ("a.toml", "b.toml", "ftorch.toml"):
        (tmp_path / name).write_text("")
    assert refusal(tmp_path).endswith("is a folder, not a job file. Its TOML files: a.toml, b.toml")


def test_a_missing_job_file_is_said_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "drone.toml").write_text("")
    assert refusal(tmp_path / "dorne.toml") == "There is no job file dorne.toml. Did you mean drone.toml?"
    assert "Give the path of a TOML file" in refusal(tmp_path / "zzz")
