"""The folder of one training: what ftorch's side and the program know of each other.

    job.json                what to train, and the version of this layout; written before each start
    data/, parent/          copies of the files and of the model to start from, for workers on other machines
    attempt                 the number of the attempt that counts; only ftorch's side writes it
    stop                    if it exists, the program ends at its next step
    check.json              what `program check` found
    attempts/N/             only attempt N writes here
        owner.json          who began it, written before its program is started
        package             on a cluster: which copy of this package it runs from
        heartbeat, log, log-N   log-N: of the other processes of a training over several nodes
        left                it ended because it was replaced or told to stop
        events.jsonl        steps, notes and checkpoints as they come
        checkpoints/STEP/   weights at the end of an epoch
        states/STEP/        what training continues from; only the newest is kept
        model/              the final weights
        result.json         "succeeded" or "failed", with a message

Everything but the events and the log appears by rename, and a folder counts once its `done` file exists. So the
folder may be on NFS: there are no databases and no byte locks. Only the standard library is imported here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LAYOUT = 1
"""The version of this layout. It changes when a program of the one before would misread a folder, or write one that
is misread."""
LEFT = 75
"""The exit status of a program that was stopped or replaced: EX_TEMPFAIL of sysexits.h."""
DISK_FAILED = 74
"""The exit status of a program that could not write: EX_IOERR of sysexits.h."""
DONE = "done"


@dataclass(frozen=True)
class Limits:
    """What an attempt must do with less, after the memory ran out in an earlier one."""

    most_tokens: int | None = None
    """Of a micro-batch."""
    must_checkpoint: bool = False
    """Whether to compute activations twice."""


@dataclass(frozen=True)
class TrainingFolder:
    """The whole folder."""

    path: Path

    @property
    def stop(self) -> Path:
        return self.path / "stop"

    @property
    def checked(self) -> Path:
        return self.path / "check.json"

    def write_job(self, job: Mapping[str, Any]) -> None:
        put_json(self.path / "job.json", job)

    def job(self) -> dict[str, Any] | None:
        """What `write_job` wrote; None before."""
        found: dict[str, Any] | None = read_json(self.path / "job.json")
        return found

    def begin_attempt(self, limits: Limits | None = None) -> Attempt:
        """A new attempt, which alone counts from now on."""
        number = max([self.current_attempt(), *(attempt.number for attempt in self.attempts())]) + 1
        attempt = self.attempt(number)
        put_json(attempt.owner, {"pid": os.getpid(), **asdict(limits or Limits())})
        put(self.path / "attempt", f"{number}\n".encode())
        self.stop.unlink(missing_ok=True)
        return attempt

    def current_attempt(self) -> int:
        """The number of the attempt that counts; 0 before the first."""
        try:
            return int((self.path / "attempt").read_bytes())
        except FileNotFoundError:
            return 0

    def attempt(self, number: int) -> Attempt:
        return Attempt(number, self.path / "attempts" / str(number))

    def attempts(self) -> list[Attempt]:
        """Those that were begun, oldest first."""
        return [self.attempt(number) for number, _ in _numbered(self.path / "attempts")]

    def newest_state(self) -> tuple[int, Path] | None:
        """The last complete state of any attempt, with its step. Of equal steps the newest attempt's."""
        found = [(step, attempt.number, path) for attempt in self.attempts() for step, path in attempt.states()]
        return None if not found else max(found)[::2]


@dataclass(frozen=True)
class Attempt:
    """The folder of one attempt."""

    number: int
    path: Path

    @property
    def owner(self) -> Path:
        return self.path / "owner.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def heartbeat(self) -> Path:
        return self.path / "heartbeat"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def limits(self) -> Limits:
        """What `begin_attempt` wrote."""
        owner = read_json(self.owner) or {}
        return Limits(owner.get("most_tokens"), owner.get("must_checkpoint", False))

    @property
    def has_left(self) -> bool:
        """Whether its program said that it ended, or ended with a result."""
        return (self.path / "left").exists() or self.result() is not None

    def leave(self) -> None:
        """Say that the program ends without a result."""
        put(self.path / "left", b"")

    def last_beat(self) -> bytes | None:
        """The heartbeat as it is; None before the first. Only whether it changes means something."""
        try:
            return self.heartbeat.read_bytes()
        except FileNotFoundError:
            return None

    def checkpoint(self, step: int) -> Path:
        return self.path / "checkpoints" / str(step)

    def state(self, step: int) -> Path:
        return self.path / "states" / str(step)

    def states(self) -> list[tuple[int, Path]]:
        """The complete states, by step."""
        return _complete(self.path / "states")

    def checkpoints(self) -> list[tuple[int, Path]]:
        """The complete checkpoints that nobody has moved away, by step."""
        return _complete(self.path / "checkpoints")

    def finish(self, result: Mapping[str, Any]) -> None:
        put_json(self.path / "result.json", result)

    def result(self) -> dict[str, Any] | None:
        """What `finish` wrote; None before."""
        found: dict[str, Any] | None = read_json(self.path / "result.json")
        return found


def put(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, and is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        _write(draft, content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def put_json(path: Path, value: Any) -> None:
    put(path, json.dumps(value, indent=1).encode() + b"\n")


def put_folder(path: Path, files: Mapping[str, bytes], done: bytes = b"") -> None:
    """Write a folder of these files and the file `done`; it appears whole or not at all.

    A folder of this name is replaced; for a moment there is none.
    """
    draft = _draft(path)
    try:
        draft.mkdir(parents=True)
        for name, content in [*files.items(), (DONE, done)]:
            _write(draft / name, content)
        if path.exists():
            (path / DONE).unlink(missing_ok=True)  # first, so that a folder half removed by a kill doesn't count
            shutil.rmtree(path)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def read_json(path: Path) -> Any:
    """The value in a file that `put_json` wrote; None if there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def is_complete(folder: Path) -> bool:
    """Whether `put_folder` finished writing it."""
    return (folder / DONE).exists()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _complete(folder: Path) -> list[tuple[int, Path]]:
    return [(number, path) for number, path in _numbered(folder) if is_complete(path)]


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    """The sub-folders whose names are numbers, in their order."""
    try:
        names = [entry.name for entry in folder.iterdir() if entry.name.isdecimal()]
    except FileNotFoundError:
        return
    yield from sorted((int(name), folder / name) for name in names)
