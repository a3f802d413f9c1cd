"""`data split` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import ftorch
from support.surveys import asks, call, says, tool, write_rows

TOOLS = [tool(), tool("open")]
ROWS = [
    *(asks(f"Light {number}", call("light"), tools=TOOLS) for number in range(30)),
    *(says(f"Talk {number}", f"Reply {number}", tools=TOOLS) for number in range(20)),
    asks("Open", call("open"), tools=TOOLS),
]


def test_three_files_are_written_beside_the_one(home: Path) -> None:
    write_rows(home / "house.jsonl", ROWS)
    done = ftorch("data", "split", "house.jsonl")
    assert done.exit_code == 0, done.stderr
    cells = [line.split() for line in done.stdout.splitlines()]
    assert ["light", "24", "3", "3"] in cells
    assert ["all", "41", "5", "5"] in cells
    assert "Wrote house/train.jsonl: 41 training examples" in done.stdout
    assert "Warning: validation has no example of open" in done.stdout
    checked = ftorch("data", "check", *(f"house/{name}.jsonl" for name in ("train", "validation", "evaluation")))
    assert "FT606" not in checked.stdout
    again = ftorch("data", "split", "house.jsonl")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert ftorch("data", "split", "house.jsonl", "--force").exit_code == 0


def test_json_says_what_went_where(home: Path) -> None:
    write_rows(home / "house.jsonl", ROWS)
    done = ftorch("data", "split", "house.jsonl", "-o", "parts", "--validation", "0", "--json")
    found = json.loads(done.stdout)
    assert [each["path"] for each in found["files"]] == ["parts/train.jsonl", "parts/evaluation.jsonl"]
    assert found["answers"]["light"] == {"training": 27, "evaluation": 3}
    assert sum(each["examples"] for each in found["files"]) == len(ROWS)


def test_shares_that_leave_nothing_to_train_on_are_refused(home: Path) -> None:
    write_rows(home / "house.jsonl", ROWS)
    for validation, evaluation in (("0.5", "0.5"), ("0", "0"), ("-1", "0.1"), ("1", "0.1"), ("nan", "0.1")):
        done = ftorch("data", "split", "house.jsonl", "--validation", validation, "--evaluation", evaluation)
        assert done.exit_code == 2, done.stdout
    assert not (home / "house").exists()


def test_a_bad_line_is_named_and_nothing_is_written(home: Path) -> None:
    write_rows(home / "house.jsonl", [*ROWS, "{"])
    done = ftorch("data", "split", "house.jsonl")
    assert done.exit_code == 1
    assert "house.jsonl, line 52:" in done.stderr
    assert not (home / "house").exists()
