"""What an attempt may write: its events and folders, for as long as it is the attempt that counts."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from orchestrator.server.trainers.interface import Step
from orchestrator.server.trainers.lora.events import EventWriter
from orchestrator.server.trainers.lora.folder import Attempt, TrainingFolder, is_complete, put_folder, put_json

HEARTBEAT_SECONDS = 5.0


class Left(Exception):
    """This attempt no longer counts, or was told to stop."""


class Fence:
    """The attempt's door to the folder. Every method raises Left once a newer attempt has begun.

    An older attempt that is still running, on another machine or cut off from ftorch, so harms nothing.
    """

    def __init__(self, folder: TrainingFolder, attempt: Attempt) -> None:
        self._folder = folder
        self._attempt = attempt
        self._events = EventWriter(attempt.events)

    def hold(self) -> None:
        """Does nothing while the attempt counts."""
        if self._folder.current_attempt() != self._attempt.number:
            raise Left(f"attempt {self._attempt.number} no longer counts")

    def must_stop(self) -> bool:
        """Whether ftorch's side wants the training to end at this step."""
        self.hold()
        return self._folder.stop.exists()

    def step(self, step: Step, **measured: Any) -> None:
        self.hold()
        self._events.step(step, **measured)

    def note(self, message: str) -> None:
        self.say("note", message=message)

    def say(self, kind: str, **facts: Any) -> None:
        """An event of another kind."""
        self.hold()
        self._events.write(kind, **facts)

    def checkpoint(self, step: Step, files: Mapping[str, bytes]) -> None:
        """A checkpoint and its event; it is written before its event is."""
        self.hold()
        put_folder(self._attempt.checkpoint(step.step), files)
        self.say("checkpoint", **asdict(step))

    def state(self, step: int, files: Mapping[str, bytes]) -> None:
        """What training continues from after this step. Older states, of older attempts too, are removed."""
        self.hold()
        if not is_complete(self._attempt.state(step)):
            put_folder(self._attempt.state(step), files)
        for attempt in self._folder.attempts():
            for number, path in attempt.states():
                if attempt.number < self._attempt.number or (attempt == self._attempt and number < step):
                    shutil.rmtree(path, ignore_errors=True)

    def finish(self, files: Mapping[str, bytes]) -> None:
        """The final weights."""
        self.hold()
        put_folder(self._attempt.model, files)
        self.hold()
        self._attempt.finish({"status": "succeeded"})

    def fail(self, **result: str) -> None:
        """The training can't succeed."""
        self.hold()
        self._attempt.finish({"status": "failed", **result})


class SilentFence(Fence):
    """That of the other processes of a training: they read the attempt that counts, and write a failure only."""

    def __init__(self, folder: TrainingFolder, attempt: Attempt) -> None:
        self._folder = folder
        self._attempt = attempt

    def step(self, step: Step, **measured: Any) -> None:
        self.hold()

    def say(self, kind: str, **facts: Any) -> None:
        self.hold()

    def checkpoint(self, step: Step, files: Mapping[str, bytes]) -> None:
        self.hold()

    def state(self, step: int, files: Mapping[str, bytes]) -> None:
        self.hold()

    def finish(self, files: Mapping[str, bytes]) -> None:
        self.hold()


def beat(attempt: Attempt) -> None:
    """Write the time (seconds since 1970), and which process this is, to the attempt's `heartbeat`.

    Now and every few seconds, in a thread.
    """

    def run() -> None:
        while True:
            with suppress(OSError):
                put_json(attempt.heartbeat, {"time": time.time(), "host": socket.gethostname(), "pid": os.getpid()})
            time.sleep(HEARTBEAT_SECONDS)

    threading.Thread(target=run, name="heartbeat", daemon=True).start()
