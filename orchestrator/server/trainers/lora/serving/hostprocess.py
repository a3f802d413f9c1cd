"""A host process and the questions that it has been asked."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from orchestrator.server.launchers.children import end, last_output
from orchestrator.server.launchers.environment import python_environment
from orchestrator.server.launchers.memory import kills_for_memory
from orchestrator.server.trainers.lora.serving.wire import line_of, message_of

PROGRAM = "orchestrator.server.trainers.lora.serving.host"
LOG_BYTES = 1 << 20
"""A log that is longer is begun again at the next start."""

Reply = dict[str, Any]


class Died(Exception):
    """The host ended without an answer; the message says how, with the end of its log."""


class Refused(Exception):
    """The host can't load its model, and would not the next time."""

    def __init__(self, message: str, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing
        """The module that its Python lacks."""


class HostProcess:
    """Starts at once, and loads its model while the first question waits."""

    def __init__(self, python: str, base: Path, folder: Path, log: Path, idle_seconds: float) -> None:
        self._command = [python, "-P", "-m", PROGRAM, str(base)]
        self._folder = folder
        self._log = log
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._asked: dict[int, Future[Reply]] = {}
        self._next = 0
        self._last = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_started = threading.Event()
        self._end: Died | Refused | None = None
        self._is_retired = False
        # The thread that starts the process reads from it and lives as long: when it ends, Linux ends the process.
        self._runner = threading.Thread(target=self._run, name=f"host of {base.name}", daemon=True)
        self._runner.start()

    @property
    def accepts(self) -> bool:
        """Whether it can be asked."""
        with self._changed:
            return self._end is None and not self._is_retired

    def ask(self, request: Mapping[str, Any]) -> Reply | None:
        """The reply; None if this process no longer takes questions. Raises Died and Refused."""
        self._has_started.wait()
        with self._changed:
            if self._is_retired:
                return None
            if self._end is not None:
                raise self._end
            number, future = self._next, Future[Reply]()
            self._next += 1
            self._asked[number] = future
            self._changed.notify_all()
            # A process that has just died closes the pipe; its end fails the future.
            with contextlib.suppress(OSError):
                self._write({**request, "id": number})
        return future.result()

    def retire(self) -> None:
        """Take no more questions, and end once those that were asked are answered."""
        with self._changed:
            self._is_retired = True
            self._changed.notify_all()

    def end(self) -> None:
        """End it now; those who wait for an answer get Died."""
        self.retire()
        self._has_started.wait()
        if self._process is not None:
            end(self._process)
        self._runner.join()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line_of(message))
        self._process.stdin.flush()

    # --- The thread that lives with the process -------------------------------------------------------------

    def _run(self) -> None:
        kills = kills_for_memory()
        try:
            self._process = self._started()
        except OSError as error:
            self._finish(Refused(f"{self._command[0]} can't be started: {error.strerror}"))
            return
        finally:
            self._has_started.set()
        threading.Thread(target=self._end_when_idle, name="idle host", daemon=True).start()
        with self._process.stdout or contextlib.nullcontext(()) as replies:
            refused = self._read_all(replies)
        code = self._process.wait()
        self._finish(refused or Died(_death(code, kills_for_memory() > kills, self._log)))

    def _started(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        is_long = self._log.exists() and self._log.stat().st_size > LOG_BYTES
        with self._log.open("wb" if is_long else "ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=python_environment(self._folder / "package"),
            )

    def _read_all(self, replies: Iterable[bytes]) -> Refused | None:
        """Pass on replies until the process ends; what it refused with, if it did."""
        refused: Refused | None = None
        for line in replies:
            message = message_of(line)
            if "id" in message:
                self._reply(message)
            elif "missing" in message:
                refused = Refused(f"its Python has no {message['missing']}", message["missing"])
            elif "failed" in message:
                refused = Refused(message["failed"])
        return refused

    def _reply(self, message: Reply) -> None:
        with self._changed:
            future = self._asked.pop(message["id"], None)
            self._last = time.monotonic()
            self._changed.notify_all()
        if future is not None:
            future.set_result(message)

    def _finish(self, how: Died | Refused) -> None:
        with self._changed:
            self._end = how
            asked, self._asked = self._asked, {}
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            self._changed.notify_all()
        for future in asked.values():
            future.set_exception(how)

    def _end_when_idle(self) -> None:
        with self._changed:
            while self._end is None and (self._asked or not self._is_idle()):
                self._changed.wait(None if self._asked else self._last + self._idle_seconds - time.monotonic())
            self._is_retired = True
        if self._process is not None:
            end(self._process)

    def _is_idle(self) -> bool:
        return self._is_retired or time.monotonic() >= self._last + self._idle_seconds


def _death(code: int, is_killed_for_memory: bool, log: Path) -> str:
    if code == -signal.SIGKILL and is_killed_for_memory:
        return "the machine's memory ran out, and the system killed it. Use a smaller base model, or free memory"
    how = f"it was killed by signal {-code}" if code < 0 else f"it exited with status {code}"
    return f"{how}. Its log, {log}, ends with:\n{last_output(log)}"
