"""`data stats` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.command import ftorch
from support.surveys import asks, call, says, tool, write_rows

TOOLS = [
    tool(mode={"type": "string", "enum": ["on", "off"], "required": True}, room={"type": "string"}),
    tool("lock"),
]
ROWS: list[dict[str, Any] | str] = [
    *(asks(f"Light {number}", call("light", mode="on"), tools=TOOLS) for number in range(3)),
    asks("Light in the hall", call("light", mode="on", room="hall"), tools=TOOLS),
    says("Hi", "Hello"),
    "{",
]


def test_figures_and_coverage_are_shown(home: Path) -> None:
    write_rows(home / "train.jsonl", ROWS)
    shown = ftorch("data", "stats", "train.jsonl")
    assert shown.exit_code == 0, shown.stderr
    assert "train.jsonl: 5 examples, 4 with calls, 1 answered in text" in shown.stdout
    assert "Left out, with errors: 1 line. See them: ftorch data check train.jsonl" in shown.stdout
    cells = [line.split() for line in shown.stdout.splitlines()]
    assert ["light", "4", "declared", "by", "4", "examples"] in cells
    assert ["mode", "4", "of", "4", "1", "1", "of", "2", "never", '"off"'] in cells
    assert ["room?", "1", "of", "4", "1"] in cells
    assert ["lock", "0", "never", "called,", "declared", "by", "4", "examples"] in cells


def test_json_holds_every_figure_of_every_file(home: Path) -> None:
    for name in ("a", "b"):
        write_rows(home / f"{name}.jsonl", ROWS)
    shown = ftorch("data", "stats", "a.jsonl", "b.jsonl", "--json", "--model", "gpt-3.5-turbo")
    first, second = json.loads(shown.stdout)
    assert (first["path"], second["path"]) == ("a.jsonl", "b.jsonl")
    assert (first["examples"], first["left_out"], first["lengths"]) == (5, 1, {"2": 5})
    assert first["functions"][0]["arguments"][0]["unshown"] == ['"off"']
    assert 0 < first["definition_share"] < 1
    assert first["prompt_tokens"].keys() == {"minimum", "median", "p95", "maximum", "total"}


def test_many_functions_are_shown_only_with_all(home: Path) -> None:
    rows = [asks("a", call(f"f{number}"), tools=[tool(f"f{number}")]) for number in range(60)]
    write_rows(home / "many.jsonl", rows)
    assert "and 10 functions more" in ftorch("data", "stats", "many.jsonl").stdout
    assert ftorch("data", "stats", "many.jsonl", "--all").stdout.count("declared by") == 60


def test_a_file_that_is_none_is_told_without_a_traceback(home: Path) -> None:
    (home / "a.jsonl").write_bytes(b"PAR1 and more")
    done = ftorch("data", "stats", "a.jsonl")
    assert done.exit_code == 2
    assert "a.jsonl holds no examples: the file looks like a Parquet file" in done.stderr
