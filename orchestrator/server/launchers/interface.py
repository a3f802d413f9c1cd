"""What a trainer needs from a place that runs its programs. A launcher starts, finds and stops them, and knows
nothing of what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

MEMORY_RAN_OUT = 79
"""The exit status that stands for a program which the kernel ended for its memory."""
NOT_SHARED = 78
"""The exit status of a worker that doesn't find the training's folder: EX_CONFIG of sysexits.h."""
PEER_LOST = 76
"""The exit status of a process whose peers have gone: EX_PROTOCOL of sysexits.h."""
WORKER_LOST = 71
"""The exit status of a group that lost one of its workers: EX_OSERR of sysexits.h."""
NO_GROUP = 69
"""The exit status where no group of workers can be made: EX_UNAVAILABLE of sysexits.h."""


@dataclass(frozen=True)
class Program:
    """A module of this package, run by the trainer's Python on the folder of a training."""

    module: str
    arguments: Sequence[str]
    folder: Path
    log: Path
    """Where its output goes."""
    probe: Path
    """A file that was just written: where it can't be read, the folder isn't shared."""
    processes: int = 1
    """How many train together; each has its own GPU where there are some."""
    reads: Sequence[Path] = ()
    """Folders that must exist where it runs."""


class Phase(Enum):
    UNKNOWN = "unknown"
    """The launcher knows no program of this key."""
    PENDING = "pending"
    """It waits for resources."""
    RUNNING = "running"
    ENDED = "ended"
    """It ended on its own, with an exit status."""
    LOST = "lost"
    """The launcher ended it, or lost it, for no fault of the program: it may be started again."""
    STOPPED = "stopped"
    """It was told to stop."""

    @property
    def is_active(self) -> bool:
        """Whether the program runs or may still run."""
        return self in (Phase.PENDING, Phase.RUNNING)


@dataclass(frozen=True)
class State:
    """What a launcher says of a program."""

    phase: Phase
    status: int = 0
    """The exit status of an ended program; negative for a signal."""
    message: str = ""
    """What the launcher says of its end."""


class LaunchError(Exception):
    """This program can't be started here; the message says what to change."""


class UnreachableError(Exception):
    """The launcher can't be asked now: nothing is known of its programs. The message says why."""


@dataclass(frozen=True)
class Waiting:
    """How a launcher reports that it waits. Both may raise, to end the training."""

    tick: Callable[[], None]
    """Nothing new; called at least every second."""
    note: Callable[[str], None]
    """What it waits for, once."""
    is_patient: bool = False
    """Whether a refusal may pass, as an earlier attempt ran there."""


class Launcher(Protocol):
    outlives: bool
    """Whether its programs go on when the process that started them ends."""
    python: str
    """The trainer's Python where the programs run."""

    def room(self, processes: int, waiting: Waiting) -> AbstractContextManager[None]:
        """Hold what this machine must keep free for this many processes, and wait for it if need be.

        Raises LaunchError if there will never be room.
        """

    def start(self, key: str, program: Program) -> None:
        """Start the program under this key, which is used once in the life of the launcher.

        Returns also if it is unclear whether it was started: `look` tells. Raises LaunchError, UnreachableError.
        """

    def look(self, key: str, seconds: float = 0.0) -> State:
        """The state of the program; waits up to `seconds` for its end. Raises UnreachableError."""

    def stop(self, key: str, seconds: float) -> None:
        """Have the program ended, and wait up to `seconds` for it. Raises UnreachableError."""

    def logs(self, key: str) -> str:
        """What the launcher itself kept of its output; empty if nothing. Raises UnreachableError."""
