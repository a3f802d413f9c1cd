"""What import-linter can't see: interfaces and reports open no transaction, and take only values from store/."""

from __future__ import annotations

import ast
from importlib import import_module
from inspect import isclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "orchestrator"
ROOMS = ("cli", "notebook", "web", "reports")
FILES = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_transaction_is_opened(path: Path) -> None:
    assert problems(path.read_text()) == []


def test_a_transaction_and_a_query_are_noticed() -> None:
    assert problems("with ledger.database.read() as connection: pass") == ["line 1: .database"]
    assert problems("def f():\n    from orchestrator.store import runs") == ["line 2: runs of orchestrator.store"]
    assert problems("from orchestrator.store.runs import by_ids") == ["line 1: by_ids of orchestrator.store.runs"]
    assert problems("import orchestrator.store.runs") == ["line 1: orchestrator.store.runs"]
    assert problems("from orchestrator.store.runs import Run") == []


def problems(source: str) -> list[str]:
    """Where a database is reached for, or more than a value taken from store/."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "database":
            found.append(f"line {node.lineno}: .database")
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("orchestrator.store."):
            names = [each.name for each in node.names if not is_value(str(node.module), each.name)]
            found += [f"line {node.lineno}: {name} of {node.module}" for name in names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names if each.name.startswith(("orchestrator.store", "sqlalchemy"))]
            found += [f"line {node.lineno}: {name}" for name in names]
    return found


def is_value(module: str, name: str) -> bool:
    """Whether it is a frozen value: what a query returns."""
    found = getattr(import_module(module), name, None)
    return isclass(found) and hasattr(found, "__dataclass_fields__")
