"""Answers that no host should give: each ends soon in one message, without a traceback, in little memory."""

from __future__ import annotations

import gzip
import json
import os
import random
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.project import FTORCH, Project, make_project

from orchestrator.endpoints import retries

ALL = os.environ.get("FTORCH_HOSTILE") == "all"
COUNT = 500 if ALL else 40
TIMEOUT = 5
LONGEST = 10.0
"""Seconds that a command may take in which a host is silent, or drips."""
MOST_MEMORY = 300_000_000

Hostile = Callable[[random.Random], bytes]


def answer(body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def nonsense(rng: random.Random, depth: int = 0) -> object:
    """Any JSON value, with what is read of jobs and lists in wrong places."""
    names = ("data", "id", "status", "object", "error", "message", "created_at", "has_more", "metadata", "usage")
    choice = rng.randrange(9 if depth < 4 else 7)
    if choice < 7:
        plain = (None, True, -1, 10**400, 1e308, "x" * rng.randrange(50), "\0\x1b[2J\u202e")
        return plain[choice]
    if choice == 7:
        return [nonsense(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(names): nonsense(rng, depth + 1) for _ in range(rng.randrange(6))}


SHAPES: dict[str, Hostile] = {
    "any JSON": lambda rng: answer(json.dumps(nonsense(rng)).encode()),
    "a list of anything": lambda rng: answer(
        json.dumps({"data": nonsense(rng), "has_more": nonsense(rng)}).encode()
    ),
    "a refusal of anything": lambda rng: answer(
        json.dumps(nonsense(rng)).encode(), status=f"{rng.choice((400, 401, 403, 404, 409, 429, 500, 503))} No"
    ),
    "jobs of anything": lambda rng: answer(
        json.dumps({"object": "list", "data": [nonsense(rng, 2) for _ in range(20)], "has_more": True}).encode()
    ),
    "deep": lambda rng: answer(b"[" * rng.randrange(1_000, 200_000)),
    "a long number": lambda rng: answer(b'{"data": [{"created_at": 1' + b"0" * rng.randrange(300, 10_000) + b"}]}"),
    "no JSON": lambda rng: answer(rng.randbytes(rng.randrange(2_000))),
    "a page": lambda rng: answer(b"<html><title>Sign in" + rng.randbytes(50) + b"</title>", kind="text/html"),
    "an unknown charset": lambda rng: answer(b"{}", kind="application/json; charset=no-such-thing"),
    "a compressed bomb": lambda rng: answer(
        gzip.compress(b'{"data": ["' + b"a" * 100_000_000, 1), "content-encoding: gzip"
    ),
    "compressed twice": lambda rng: answer(gzip.compress(gzip.compress(b"{}")), "content-encoding: gzip, gzip"),
    "no gzip after all": lambda rng: answer(b"{}", "content-encoding: gzip"),
    "an unasked encoding": lambda rng: answer(b"{}", "content-encoding: br"),
    "less than it says": lambda rng: answer(b"{}" + b" " * 100)[:-50],
    "long headers": lambda rng: answer(b"{}", f"x-long: {'y' * 200_000}"),
    "no status": lambda rng: b"HTTP/1.1 abc\r\n\r\n",
    "no HTTP": lambda rng: rng.randbytes(200),
    "a redirect to itself": lambda rng: answer(b"", "location: /v1/fine_tuning/jobs", status="302 Found"),
    "a bad chunk": lambda rng: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a wait for ever": lambda rng: answer(b"{}", "retry-after: 9" + "9" * 300, status="429 Too Many"),
}
SLOW = ("silent", "dripping")


class Host(socketserver.ThreadingTCPServer):
    """Gives the same answer to every request."""

    daemon_threads = True
    allow_reuse_address = True
    said = b""
    pace: str | None = None


class Handler(socketserver.BaseRequestHandler):
    server: Host

    def handle(self) -> None:
        self.request.recv(65_536)
        try:
            if self.server.pace is None:
                self.request.sendall(self.server.said)
                return
            self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            end = time.monotonic() + 4 * LONGEST
            while time.monotonic() < end:
                if self.server.pace == "dripping":
                    self.request.sendall(b" ")
                time.sleep(0.2)
        except OSError:
            return


@pytest.fixture
def host() -> Iterator[Host]:
    with Host(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be read is asked for again as often as ever, with short pauses."""
    monkeypatch.setattr(retries, "Retries", partial(retries.Retries, base=0.01))


@pytest.fixture
def project(tmp_path: Path, host: Host) -> Project:
    made = make_project(tmp_path / "project")
    table = f'type = "compatible"\nbase_url = "http://127.0.0.1:{host.server_address[1]}/v1"\n'
    (made.root / "ftorch.toml").write_text(f"[endpoints.hosted]\n{table}timeout_seconds = {TIMEOUT}\n")
    return made


def test_no_answer_ends_in_a_traceback(host: Host, project: Project) -> None:
    rng = random.Random(20)
    for number in range(COUNT):
        name = list(SHAPES)[number % len(SHAPES)]
        host.said = SHAPES[name](rng)
        began = time.monotonic()
        done = project.ftorch("endpoints", "check", "hosted")
        assert done.code in (0, 1), (number, name, done)
        assert "Traceback" not in done.err, (number, name)
        assert len(done.err) < 2_000, (number, name)
        assert done.err.replace("\n", "").isprintable(), (number, name)
        assert time.monotonic() - began < 2 * LONGEST, (number, name)


@pytest.mark.parametrize("pace", SLOW)
def test_a_host_that_is_silent_or_drips_is_given_up(pace: str, host: Host, project: Project) -> None:
    host.pace = pace
    began = time.monotonic()
    done = project.ftorch("endpoints", "check", "hosted")
    assert (done.code, "did not answer in time" in done.err) == (1, True), done.err
    assert time.monotonic() - began < LONGEST + 5  # a machine may be busy


def test_a_bomb_does_not_fill_the_memory(host: Host, project: Project) -> None:
    host.said = SHAPES["a compressed bomb"](random.Random(1))
    measured = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, FTORCH, "endpoints", "check", "hosted"],
        cwd=project.root,
        env=dict(project.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak = map(int, done.stdout.split()[-2:])
    assert (code, "more than 64 MB" in done.stderr) == (1, True), done.stderr
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2)
    assert peak * unit < MOST_MEMORY
