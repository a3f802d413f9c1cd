"""vLLM servers: one that somebody runs, found by its address, or one that is started here and ends when idle.

Flags and variables are those of vLLM 0.33 (https://docs.vllm.ai). A server that is started holds one base model; a
question for another base, or for an adapter of a higher rank than it has room for, replaces it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx2

from orchestrator.childenv import child_environment
from orchestrator.server.launchers.children import end, last_output
from orchestrator.server.trainers.interface import AnswerError, Base
from orchestrator.server.trainers.lora.serving import supervisor

IDLE_SECONDS = 1800.0
"""A server that nobody asks for this long ends, which frees its GPU."""
START_SECONDS = 1200.0
"""The time that a server gets to load its model and compile it."""
LOOK_SECONDS = 0.5
LOST_SECONDS = 3.0
RANKS = (16, 32, 64, 128, 256, 320, 512)
"""The room for adapters that vLLM can make, from its default up."""
MOST_LOADED = 4
"""Adapters on the GPU at once."""


@dataclass(frozen=True)
class Address:
    """A server that answers."""

    url: str
    """Without /v1."""
    headers: dict[str, str] = field(default_factory=dict)


class Servers(Protocol):
    """Where a base model's server is."""

    def using(self, base: Base, rank: int) -> contextlib.AbstractContextManager[Address]:
        """The server of this base, with room for adapters of this rank, which stays while it is used.

        Raises AnswerError.
        """

    def lost(self) -> None:
        """The server could not be reached."""

    def close(self) -> None:
        """End what was started."""


class GivenServer:
    """A server that somebody else runs."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._address = Address(url.rstrip("/").removesuffix("/v1"), headers)

    @contextmanager
    def using(self, base: Base, rank: int) -> Iterator[Address]:
        yield self._address

    def lost(self) -> None:
        """Nothing can be done about it."""

    def close(self) -> None:
        """It is not ours to end."""


class StartedServer:
    """A server in the trainer's Python, started when the first question comes."""

    def __init__(self, python: str, adapters: Path, log: Path, idle_seconds: float = IDLE_SECONDS) -> None:
        """`adapters` is the folder in which vLLM finds adapters by their names."""
        self._python = python
        self._adapters = adapters
        self._log = log
        self._idle_seconds = idle_seconds
        self._door = threading.Lock()
        self._changed = threading.Condition()
        self._running: _Running | None = None
        self._users = 0
        self._last = time.monotonic()
        self._is_closed = False

    @contextmanager
    def using(self, base: Base, rank: int) -> Iterator[Address]:
        # Who waits for another model keeps those who come later from using the present one.
        with self._door:
            running = self._fitting(base, rank)
            with self._changed:
                self._users += 1
        try:
            yield running.address
        finally:
            with self._changed:
                self._users -= 1
                self._last = time.monotonic()
                self._changed.notify_all()

    def lost(self) -> None:
        """Wait until its end is seen, if it ended, so that the next to ask starts another."""
        running = self._running
        if running is not None:
            running.wait(LOST_SECONDS)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            running, self._running = self._running, None
        if running is not None:
            running.end()

    def _fitting(self, base: Base, rank: int) -> _Running:
        with self._changed:
            running = self._running
            if running is not None and running.fits(base, rank):
                return running
            while self._users and running is not None and running.is_alive and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise AnswerError(f"{base.name} can't answer: the server is ending.")
            self._running = None
        if running is not None:
            running.end()
        started = _Running(self._python, base, rank, self._adapters, self._log)
        try:
            started.wait_until_ready()
        except BaseException:
            started.end()
            raise
        return self._adopt(started, base)

    def _adopt(self, started: _Running, base: Base) -> _Running:
        with self._changed:
            if not self._is_closed:
                self._running, self._last = started, time.monotonic()
                threading.Thread(target=self._end_when_idle, args=(started,), daemon=True).start()
                return started
        started.end()
        raise AnswerError(f"{base.name} can't answer: the server is ending.")

    def _end_when_idle(self, running: _Running) -> None:
        with self._changed:
            while self._running is running and (self._users or time.monotonic() < self._last + self._idle_seconds):
                self._changed.wait(None if self._users else self._last + self._idle_seconds - time.monotonic())
            if self._running is not running:
                return
            self._running = None
        running.end()


class _Running:
    """One vLLM process, under a supervisor that ends with us."""

    def __init__(self, python: str, base: Base, rank: int, adapters: Path, log: Path) -> None:
        self._base = base
        self._python = python
        self._rank = next((each for each in RANKS if each >= rank), RANKS[-1])
        self._log = log
        port, key = _free_port(), secrets.token_hex(16)
        self.address = Address(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"})
        adapters.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(supervisor.__file__), *self._command(port)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=child_environment(
                    VLLM_API_KEY=key,
                    VLLM_PLUGINS="lora_filesystem_resolver",
                    VLLM_LORA_RESOLVER_CACHE_DIR=str(adapters),
                    VLLM_ALLOW_RUNTIME_LORA_UPDATING="1",
                    VLLM_NO_USAGE_STATS="1",
                    HF_HUB_OFFLINE="1",
                ),
            )

    def fits(self, base: Base, rank: int) -> bool:
        return self.is_alive and base.folder == self._base.folder and rank <= self._rank

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def wait_until_ready(self) -> None:
        """Raises AnswerError if it ends first, or takes too long."""
        end_of_patience = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address.url}/health", timeout=5, trust_env=False).status_code == 200:
                    return
            if not self.is_alive:
                raise AnswerError(self._why_it_ended())
            if time.monotonic() > end_of_patience:
                raise AnswerError(f"vLLM did not start within {START_SECONDS / 60:.0f} minutes. See {self._log}")
            time.sleep(LOOK_SECONDS)

    def end(self) -> None:
        end(self._process, supervisor.FAREWELL_SECONDS + 5)

    def _command(self, port: int) -> list[str]:
        return [
            *(self._python, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self._base.folder), "--served-model-name", self._base.name),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--enable-lora", "--max-lora-rank", str(self._rank), "--max-loras", str(MOST_LOADED)),
            *("--structured-outputs-config", '{"backend": "guidance"}'),
        ]

    def _why_it_ended(self) -> str:
        output = last_output(self._log)
        if "No module named" in output and "vllm" in output:
            return f"The trainers' Python, {self._python}, has no vllm. Run: {self._python} -m pip install vllm"
        return (
            f"vLLM ended before it could answer for {self._base.name}. Its log, {self._log}, ends with:\n{output}"
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def key_of_environment() -> str | None:
    """The key for a server that somebody runs: VLLM_API_KEY, as vLLM itself reads it."""
    return os.environ.get("VLLM_API_KEY")
