from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.dataset.convert import Conversion, Options, convert_file

Convert = Callable[..., tuple[Conversion, list[Any]]]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Converts rows, or the bytes of a file, and gives back what was done and the rows written."""

    def run(content: bytes | str | list[Any], **options: Any) -> tuple[Conversion, list[Any]]:
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        source, target = tmp_path / "in", tmp_path / "out.jsonl"
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = convert_file(source, target, Options(**options), replace=True)
        return done, [json.loads(line) for line in target.read_text("utf-8").splitlines()]

    return run
