"""What is imported is declared, and what is declared is pinned for the tests."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED_AS = {"pydantic-core": "pydantic", "toktok": "toktok-rs"}
"""What comes with a declared distribution of another name, and what is not installed on every Python."""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: list[str]) -> set[str]:
    return {_plain(found[0]) for each in requirements if (found := re.match(r"[\w.-]+", each))}


def _imported(folder: Path) -> set[str]:
    """The distributions whose modules are imported somewhere under `folder`."""
    modules: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    known = packages_distributions()
    foreign = modules - sys.stdlib_module_names - {"orchestrator", "azure"}
    if "azure" in modules:  # one namespace, many distributions
        foreign |= {"azure.identity"}
    return {_plain(known.get(module, [module])[0]) for module in foreign}


def test_whatever_the_program_imports_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = _names(PROJECT["dependencies"]).union(
        *(_names(extras[name]) for name in extras if name not in ("test", "lint"))
    )
    imported = _imported(ROOT / "orchestrator") | _imported(ROOT / "migrations")
    owners = {DECLARED_AS.get(name, name) for name in imported}
    assert {"httpx2", "click", "sqlalchemy"} <= owners
    assert {name.replace(".", "-") for name in owners} - declared == set()


def test_whatever_is_declared_states_its_lowest_version() -> None:
    extras = PROJECT["optional-dependencies"]
    for each in [*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]:
        assert each.startswith("ftorch[") or ">=" in each, each


def test_whatever_is_declared_has_a_version_that_it_is_tested_with() -> None:
    pinned = {_plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["optional-dependencies"]
    declared = _names([*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)])
    assert declared - {"ftorch"} - pinned == set()


def test_the_sdk_brings_the_http_library_whose_errors_are_read() -> None:
    assert "httpx2" in _names(requires("openai") or [])
