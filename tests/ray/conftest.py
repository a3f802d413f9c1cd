"""Tests on a real Ray head with a pretended GPU (`make test-ray`): its Ray is in an environment of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

RAY = os.environ.get("FTORCH_RAY", "")
LORA_PYTHON = os.environ.get("FTORCH_LORA_PYTHON", "")
needs_lora = pytest.mark.skipif(not LORA_PYTHON, reason="needs make test-lora's environment")
TOKEN = "ftorch-test-token-0123456789"
collect_ignore_glob = [] if RAY else ["*.py"]
_OURS = b"orchestrator.server"


class Node:
    """A node of a cluster. It is killed by its processes' ids: `ray stop` would end every Ray here."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._lives = 0

    def launch(self, *options: str) -> None:
        self._lives += 1
        command = [RAY, "start", "--block", "--num-gpus=1", "--num-cpus=2", "--disable-usage-stats"]
        variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        variables["PATH"] = f"{Path(RAY).parent}:{os.environ['PATH']}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--object-store-memory=100000000", *options],
                stdout=log,
                stderr=log,
                env={**os.environ, **variables},
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill everything but the trainers, with SIGKILL."""
        if self._process is None:
            return
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            if _OURS not in command_line(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def await_(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.5)

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._name}-{self._lives}.log"


class Head(Node):
    """A cluster of one machine, to which nodes may be added."""

    def __init__(self, folder: Path) -> None:
        super().__init__("head", folder)
        self.port, self._dashboard = _free_port(), _free_port()
        self._folders: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._dashboard}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ports = (f"--port={self.port}", f"--dashboard-port={self._dashboard}", "--dashboard-host=127.0.0.1")
        self._folders.append(f"/tmp/ftray-{os.getpid()}-{self._lives}")
        self.launch("--head", *ports, f"--temp-dir={self._folders[-1]}")
        self.await_(lambda: self._asked("jobs/") is not None)

    def end(self) -> None:
        """Kill it and remove its files."""
        self.kill()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def nodes(self) -> int:
        """How many nodes it has now."""
        answer = self._asked("cluster_status")
        report = answer["data"]["clusterStatus"]["loadMetricsReport"] if answer else {}
        return len(report.get("usageByNode") or {})

    def _asked(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            answer = httpx2.get(f"{self.address}/api/{path}", headers=headers, timeout=5, trust_env=False)
        except httpx2.TransportError:
            return None
        return answer.json() if answer.is_success else None


def descendants(pid: int) -> list[int]:
    """The processes that this one started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def trainers(folder: Path) -> list[int]:
    """The programs that train in this folder."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    mark = str(folder).encode()
    return [
        pid
        for pid in found
        if mark in (line := command_line(pid))
        and b"training.program\0train" in line
        and b"launchers.entry" not in line
    ]


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    found = Head(tmp_path_factory.mktemp("head"))
    found.start()
    try:
        yield found
    finally:
        found.end()


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 329,000 parameters, made in the environment that has torch."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    script = (
        "import sys; from pathlib import Path; from support.randomllama import make_random_llama as make; "
        "make(Path(sys.argv[1]))"
    )
    path = f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"
    subprocess.run([LORA_PYTHON, "-c", script, str(folder)], check=True, env={**os.environ, "PYTHONPATH": path})
    return folder


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
