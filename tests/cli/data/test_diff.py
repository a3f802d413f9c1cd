"""`data diff` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import ftorch
from support.surveys import asks, call, says, tool, write_rows

LIGHT = tool(mode={"type": "string"})
ROWS = [
    asks("Light!", call("light", mode="on"), tools=[LIGHT]),
    *(says(f"Talk {number}", "Yes", tools=[LIGHT]) for number in range(12)),
]


def test_equal_files_leave_with_0_and_different_ones_with_1(home: Path) -> None:
    a, b = (write_rows(home / f"{name}.jsonl", ROWS) for name in "ab")
    same = ftorch("data", "diff", a.name, b.name)
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (0, "No difference: the same 13 examples")
    write_rows(b, [asks("Light!", call("light", mode="off"), tools=[LIGHT])])
    done = ftorch("data", "diff", a.name, b.name)
    assert done.exit_code == 1
    lines = [line.strip() for line in done.stdout.splitlines()]
    at = lines.index("line 1: Light!")
    assert lines[at + 1 : at + 3] == ['- light({"mode": "on"})', '+ light({"mode": "off"})']
    assert "12 examples removed, the first 5" in lines
    assert lines[-1] == "0 added, 12 removed, 1 answered differently, 0 the same"
    assert ftorch("data", "diff", a.name, b.name, "--all").stdout.count("- line") == 12


def test_json_is_one_object(home: Path) -> None:
    write_rows(home / "a.jsonl", ROWS)
    write_rows(home / "b.jsonl", [*ROWS, says("More", "No", tools=[tool("lock")])])
    done = ftorch("data", "diff", "a.jsonl", "b.jsonl", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["different"] is True
    assert found["added_examples"] == [{"line": 14, "prompt": "More", "answer": "No"}]
    assert found["functions_added"] == ["lock"]
    assert found["before"] | {"tokens": 0} == {"path": "a.jsonl", "examples": 13, "tokens": 0, "left_out": 0}


def test_a_file_that_is_not_there_leaves_with_2(home: Path) -> None:
    write_rows(home / "a.jsonl", ROWS)
    for other in ("none.jsonl", "."):
        assert ftorch("data", "diff", "a.jsonl", other).exit_code == 2


def test_no_control_character_of_a_file_reaches_the_terminal(home: Path) -> None:
    write_rows(home / "a.jsonl", ROWS)
    write_rows(home / "b.jsonl", [says("\x1b[31mred\x07", "\x9b1m", tools=[tool("li\x1bght")])])
    assert ftorch("data", "diff", "a.jsonl", "b.jsonl").exit_code in (1, 2)
    write_rows(home / "b.jsonl", [says("\x1b[31mred\x07\nline", "\x9b1m", tools=[LIGHT])])
    shown = ftorch("data", "diff", "a.jsonl", "b.jsonl").stdout
    assert "[31mred" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
