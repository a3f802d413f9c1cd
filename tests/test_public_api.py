from __future__ import annotations

import subprocess
import sys

import pytest

import ftorch
import orchestrator

HEAVY = ("sqlalchemy", "openai", "alembic", "pydantic", "click", "rich", "starlette", "numpy", "asyncio")


def test_importing_the_package_loads_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import ftorch; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} | "
        "{name for name in sys.modules if name.startswith('orchestrator.')}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "orchestrator" in loaded
    assert not [name for name in loaded if name in HEAVY or name.startswith("orchestrator.")]


@pytest.mark.parametrize("name", orchestrator.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(orchestrator, name)
    assert getattr(ftorch, name) is found
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(orchestrator)
    assert name in dir(ftorch)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from orchestrator import *", names)
    assert set(orchestrator.__all__) == set(names) - {"__builtins__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'orchestrator' has no attribute 'sumbit'"):
        orchestrator.sumbit  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'sumbit'"):
        exec("from orchestrator import sumbit")
