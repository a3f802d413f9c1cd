"""An installed wheel works outside the checkout: it carries its migrations, its prices and its types."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.project import make_project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without fetching anything."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    [found] = folder.glob("ftorch-*.whl")
    return found


def test_the_wheel_holds_migrations_prices_and_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "orchestrator/migrations/env.py" in names
    assert any(name.startswith("orchestrator/migrations/versions/v1_") for name in names)
    assert {"orchestrator/dataset/prices.toml", "orchestrator/py.typed"} <= set(names)
    assert {"ftorch.py", "orchestrator/generation/prompts/words-1.md"} <= set(names)
    page = ("static/app.js", "static/vendor/htmx-LICENSE.txt", "templates/base.html.jinja")
    assert {f"orchestrator/web/{name}" for name in page} <= set(names)


def test_an_installed_wheel_runs_a_job_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)  # what an installer does with a pure wheel
    project = make_project(tmp_path / "project")
    environment = {**project.environment, "PYTHONPATH": str(installed)}
    program = "import orchestrator, sys; from orchestrator.cli import main; print(orchestrator.__file__); main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "submit", "jobs/greet.toml"],
        cwd=project.root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place, model = done.stdout.split()
    assert place.startswith(str(installed))
    assert model.startswith("ft:gpt-4.1-mini-2025-04-14:local:")
