"""The examples of docs/local.md and docs/azure.md do what the pages say."""

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


def printed_by(program: str, *arguments: str, **environment: str) -> str:
    """What this Python program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
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
        [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "local.md").read_text(), re.DOTALL)
        said = printed_by(example.replace("http://127.0.0.1:8000", address))
    assert re.fullmatch(r"succeeded ft:gpt-4\.1-mini-2025-04-14:local:drone:\w{8}\n", said)


def test_the_client_of_the_azure_page_trains_deploys_and_asks(tmp_path: Path) -> None:
    with served(tmp_path, "--azure", "--api-key-env", "THE_KEY", THE_KEY="a-key-of-this-test") as (address, told):
        assert "a-key-of-this-test" not in told
        assert f"IDENTITY_ENDPOINT={address}/msi/token" in told
        assert "(examples/azure_client.py)" in (ROOT / "docs" / "azure.md").read_text()
        said = printed_by(
            (ROOT / "docs" / "examples" / "azure_client.py").read_text(),
            address,
            AZURE_OPENAI_API_KEY="a-key-of-this-test",
            IDENTITY_HEADER="a-key-of-this-test",
            IDENTITY_ENDPOINT=f"{address}/msi/token",
        )
    pattern = r"succeeded (gpt-4\.1-mini-2025-04-14\.ft-[0-9a-f]{32}-drone)\nSucceeded\n\1 takeoff_drone\n"
    assert re.fullmatch(pattern, said), said
