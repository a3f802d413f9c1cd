"""The rows of an uploaded data file, as a trainer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.dataset.files import open_as_sent
from orchestrator.dataset.jsontext import parse_json
from orchestrator.dataset.lines import numbered_lines


def read_rows(path: Path | None) -> list[dict[str, Any]]:
    """Every row of a file that was checked; none if there is no file."""
    return [] if path is None else [row for _, row in numbered_rows(path)]


def count_rows(path: Path) -> int:
    """The number of rows."""
    with open_as_sent(path) as stream:
        return sum(line is not None for _, line in numbered_lines(stream))


def numbered_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Every row with its line number, from 1; empty lines have none."""
    with open_as_sent(path) as stream:
        return [(number, parse_json(line.decode())) for number, line in numbered_lines(stream) if line is not None]
