"""Cases and answers in a few words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.evaluation import TOOLS, MakeCase, MakeRow, Row

from orchestrator.evaluation.cases import Case, read_case
from orchestrator.evaluation.scoring.tools import Toolsets


@pytest.fixture
def make_row() -> MakeRow:
    """Makes a line of an evaluation file: `expected` is a text, or calls as (name, arguments)."""

    def make(*expected: Any, **keys: Any) -> Row:
        message: Row = {"role": "assistant"}
        if expected and isinstance(expected[0], str):
            message["content"] = expected[0]
        else:
            message["tool_calls"] = [
                {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
                for n, (name, given) in enumerate(expected)
            ]
        tools = [{"type": "function", "function": {"name": n, "parameters": p}} for n, p in TOOLS.items()]
        return {"messages": [{"role": "user", "content": "A table, please"}, message], "tools": tools, **keys}

    return make


@pytest.fixture
def make_case(make_row: MakeRow) -> MakeCase:
    """Makes a case, see `make_row`."""

    def make(*expected: Any, rejection_tools: frozenset[str] = frozenset(), **keys: Any) -> Case:
        return read_case(1, make_row(*expected, **keys), Toolsets(), rejection_tools)

    return make


@pytest.fixture
def write_cases(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows, or lines of text, to an evaluation file."""

    def write(*rows: Row | str) -> Path:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        return path

    return write
