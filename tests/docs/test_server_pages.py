"""The examples of docs/local-endpoint.md and docs/azure-simulator.md do what the pages say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-c", "from orchestrator.cli import main; main()", "serve", "--port", "0"]


@contextmanager
def served(folder: Path, *options: str, **environment: str) -> Iterator[tuple[str, str]]:
    """A server of its own; gives its address and the lines it said first."""
    server = subprocess.Popen(
        [*SERVE, "--store", str(folder), *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert server.stderr is not None
    try:
        lines = [server.stderr.readline() for _ in range(4 if "--azure" in options else 1)]
        [address] = re.findall(r"http://127\.0\.0\.1:\d+", lines[-1] if len(lines) == 1 else lines[1])
        yield address, "".join(lines)
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=10)
        assert "Traceback" not in errors


def carried_out(page: str, address: str, **environment: str) -> str:
    """What the Python example of that page prints."""
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)[:1]
    program = [sys.executable, "-c", example.replace("http://127.0.0.1:8000", address)]
    done = subprocess.run(
        program,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_local_endpoint_ends_with_a_model(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        said = carried_out("local-endpoint.md", address)
    assert re.fullmatch(r"succeeded ft:gpt-4\.1-mini-2025-04-14:local:drone:\w{8}\n", said)


def test_the_example_of_the_azure_simulator_trains_deploys_and_asks(tmp_path: Path) -> None:
    with served(tmp_path, "--azure", "--api-key-env", "THE_KEY", THE_KEY="a-key-of-this-test") as (address, told):
        assert "a-key-of-this-test" not in told
        assert f"IDENTITY_ENDPOINT={address}/msi/token" in told
        said = carried_out(
            "azure-simulator.md",
            address,
            AZURE_OPENAI_API_KEY="a-key-of-this-test",
            IDENTITY_HEADER="a-key-of-this-test",
            IDENTITY_ENDPOINT=f"{address}/msi/token",
        )
    pattern = r"succeeded (gpt-4\.1-mini-2025-04-14\.ft-[0-9a-f]{32}-drone)\nSucceeded\n\1 takeoff_drone\n"
    assert re.fullmatch(pattern, said), said
