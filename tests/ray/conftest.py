"""Tests on a real Ray head with a pretended GPU (`make test-ray`): its Ray is in an environment of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

RAY = os.environ.get("FTORCH_RAY", "")
TOKEN = "ftorch-test-token-0123456789"
collect_ignore_glob = [] if RAY else ["*.py"]
_OURS = b"orchestrator.server"


class Head:
    """A cluster of one machine. It is killed by its processes' ids: `ray stop` would end every Ray here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [_free_port() for _ in range(2)]
        self._process: subprocess.Popen[bytes] | None = None
        self._lives = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._ports[1]}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._lives += 1
        port, dashboard = self._ports
        command = [RAY, "start", "--head", "--block", f"--port={port}", f"--dashboard-port={dashboard}"]
        command += ["--dashboard-host=127.0.0.1", "--num-gpus=1", "--num-cpus=2", "--disable-usage-stats"]
        command += ["--object-store-memory=100000000", f"--temp-dir=/tmp/ftray-{os.getpid()}-{self._lives}"]
        variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        with (self._folder / f"head-{self._lives}.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **variables}, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / f"head-{self._lives}.log").read_text()
            time.sleep(0.5)

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

    def _answers(self) -> bool:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            return httpx2.get(f"{self.address}/api/jobs/", headers=headers, timeout=5, trust_env=False).is_success
        except httpx2.TransportError:
            return False


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
        found.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
