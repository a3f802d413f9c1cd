from __future__ import annotations

import csv
from pathlib import Path

from orchestrator.dataset.convert import convert_file


def test_long_cells_are_read_and_nobody_elses_csv_is(tmp_path: Path) -> None:
    """The longest cell allowed is set for the whole process, in which others read other files."""
    before = csv.field_size_limit()
    said = "up " * 100_000
    source, target = tmp_path / "calls.csv", tmp_path / "train.jsonl"
    source.write_text(f"prompt,answer\n{said},done\n")
    assert convert_file(source, target).written == 1
    assert csv.field_size_limit() == before
