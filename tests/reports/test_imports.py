"""Reports render values: they reach no database, and what `status` shows loads no SDK."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import reports

FILES = sorted(Path(reports.__path__[0]).glob("*.py"))
LIGHT = ("findings", "progress", "runs", "sweeptables", "table", "text")
"""What `status`, `data check` and completion load."""


def reached(tree: ast.Module) -> Iterator[str]:
    """What a module imports of the database, and where it asks for one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                each.name for each in node.names if each.name.startswith(("sqlalchemy", "orchestrator.store"))
            )
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            is_store = module.startswith("orchestrator.store")
            values = is_store and all(each.name[0].isupper() and each.name != "Database" for each in node.names)
            if module.startswith("sqlalchemy") or (is_store and not values):
                yield module
        if isinstance(node, ast.Attribute) and node.attr == "database":
            yield f"line {node.lineno}: .database"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_report_reaches_no_database(path: Path) -> None:
    assert not list(reached(ast.parse(path.read_text())))


def test_reaching_a_database_would_be_seen() -> None:
    written = "from orchestrator.store import records\nimport sqlalchemy\nledger.database.read()\n"
    assert len(list(reached(ast.parse(written)))) == 3


def test_what_status_shows_loads_no_sdk() -> None:
    modules = ", ".join(f"orchestrator.reports.{name}" for name in LIGHT)
    program = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"alembic", "openai", "pydantic", "numpy", "starlette"}
