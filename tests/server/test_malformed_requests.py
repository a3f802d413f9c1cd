"""Whatever comes in over the wire is answered or cut off at once: no 5xx, no traceback, no hang, little memory.

A sample runs always; `FTORCH_MALFORMED=all` sends 2,000 requests to each server.
"""

from __future__ import annotations

import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.malformed import OPENAI, Malformed, Place, azure_places, malformed

COUNT = 2000 if os.environ.get("FTORCH_MALFORMED") == "all" else 130
SEED = 1
AT_ONCE = 8
MOST_SECONDS = 10.0
MOST_MEMORY = 300 << 20
SERVE = [sys.executable, "-c", "from orchestrator.cli import main; main()", "serve", "--port", "0"]


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes], Path]]:
    """A server of its own: its port, its process and its log."""
    log = folder / "log"
    with log.open("wb") as stderr:
        server = subprocess.Popen([*SERVE, "--store", str(folder / "store"), *options], stderr=stderr)
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"endpoint on http://127\.0\.0\.1:(\d+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield int(found[1]), server, log
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)


def places(port: int, is_azure: bool) -> list[Place]:
    """Where requests go; the management of a resource wants a token."""
    if not is_azure:
        return OPENAI
    address = f"http://127.0.0.1:{port}/msi/token?resource=https://management.azure.com"
    asked = urllib.request.Request(address, headers={"X-IDENTITY-HEADER": "any"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return azure_places(json.load(answer)["access_token"])


def sent(port: int, request: Malformed) -> tuple[bytes, float]:
    """The status and how many seconds it took until the connection ended; no status where there was no answer."""
    began, answer = time.monotonic(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2 * MOST_SECONDS) as connection:
            connection.sendall(request.data)
            if not request.is_whole:
                answer = _first(connection)
                connection.shutdown(socket.SHUT_WR)  # the server may have waited for the rest: there is none
            while piece := connection.recv(65536):
                answer += piece
    except TimeoutError:
        return b"hang", time.monotonic() - began
    except OSError:
        pass  # it was cut off
    return answer[9:12], time.monotonic() - began


def _first(connection: socket.socket) -> bytes:
    """What comes within a moment."""
    connection.settimeout(0.3)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b""
    finally:
        connection.settimeout(2 * MOST_SECONDS)


def peak_memory(server: subprocess.Popen[bytes]) -> int:
    """The most bytes that the process ever held at once, where the system says so; what it holds now elsewhere."""
    status = Path(f"/proc/{server.pid}/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) << 10
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(server.pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) << 10


@pytest.mark.parametrize("options", [[], ["--azure"]], ids=["openai", "azure"])
def test_no_malformed_request_breaks_hangs_or_fills_the_server(tmp_path, options):
    with served(tmp_path, *options) as (port, server, log):
        requests = list(malformed(COUNT, SEED, places(port, bool(options))))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda request: sent(port, request), requests))
        memory = peak_memory(server)
        assert server.poll() is None
    statuses = collections.Counter(status.decode() for status, _ in results)
    slowest = max(seconds for _, seconds in results)
    print(f"{COUNT} requests: {dict(statuses)}, slowest {slowest:.1f} s, {memory >> 20} MB")
    broken = [
        f"{request.name}: {status!r} {request.data[:300]!r}"
        for request, (status, _) in zip(requests, results, strict=True)
        if not re.fullmatch(rb"(|[1-4]\d\d)", status)
    ]
    assert not broken, "\n".join(broken)
    assert slowest < MOST_SECONDS
    assert memory < MOST_MEMORY
    assert "Traceback" not in log.read_text(errors="replace")
    assert len(statuses) > 5  # they got past the door
