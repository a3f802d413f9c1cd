"""The examples in docs/ run as they are, against the endpoint they name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import FTORCH, Project, make_project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The jobs of the checkout in a folder of their own."""
    root = tmp_path_factory.mktemp("examples")
    found = make_project(root)
    shutil.copytree(ROOT / "jobs", root / "jobs", dirs_exist_ok=True)
    return found


@pytest.fixture
def address(project: Project) -> Iterator[str]:
    """`ftorch serve` as a process, on a port of its own."""
    command = [FTORCH, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=project.root, env=project.environment, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/v1", server.stderr.readline().decode())
        assert found
        try:
            yield found.group()
        finally:
            server.terminate()


def test_a_client_nobody_here_wrote_trains_and_calls(project: Project, address: str) -> None:
    script = ROOT / "docs" / "examples" / "drone_client.py"
    done = subprocess.run(
        [sys.executable, str(script), address],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'take off to 50 meters -> takeoff_drone {"altitude":50}' in done.stdout.splitlines()[3]
    rejected = [int(count) for count in re.findall(r"rejects (\d+) of 13", done.stdout)]
    refused = [int(count) for count in re.findall(r"refuses (\d+) of 27", done.stdout)]
    assert rejected[0] == 0
    assert rejected[1] >= 4
    assert refused[1] <= refused[0]


def test_the_notebook_examples_run(project: Project) -> None:
    code = "\n".join(
        re.findall(r"```python\n(.+?)```", (ROOT / "docs" / "notebook.md").read_text(), flags=re.DOTALL)
    )
    inside_a_loop = f"import asyncio\nasync def cell():\n{code}\nasyncio.run(cell())".replace("\n", "\n    ")
    program = inside_a_loop.replace("\n    async def", "\nasync def").replace("\n    asyncio.run", "\nasyncio.run")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "0.0 USD for 259 examples" in done.stdout
    assert re.search(r"succeeded ft:gpt-4\.1-mini-2025-04-14:local:drone:\w+", done.stdout)
    assert "tuned rejection_recall" in done.stdout
    assert "hovering at 50 metres" in done.stdout
