"""Programs as child processes on this machine; one training at a time on each GPU, or on the processors."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orchestrator.server.launchers.children import end, started
from orchestrator.server.launchers.devices import Held, held_devices
from orchestrator.server.launchers.interface import MEMORY_RAN_OUT, Phase, Program, State, Waiting
from orchestrator.server.launchers.memory import kills_for_memory


class ProcessLauncher:
    """Programs end with this process, so it knows those only that it started itself."""

    outlives = False

    def __init__(self, python: str) -> None:
        self.python = python
        self._held: Held | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._kills: dict[str, int] = {}

    @contextmanager
    def room(self, processes: int, waiting: Waiting) -> Iterator[None]:
        """Hold a GPU for each process, or the processors. See `Launcher.room`."""
        with held_devices(processes, waiting) as held:
            self._held = held
            yield

    def start(self, key: str, program: Program) -> None:
        """See `Launcher.start`. Raises LaunchError if there is no such Python."""
        held = self._held
        chosen = {"CUDA_VISIBLE_DEVICES": held.visible} if held is not None and held.visible else {}
        self._kills[key] = kills_for_memory()
        self._children[key] = started(
            [self.python, "-P", "-m", program.module, *program.arguments],
            program.folder / "package",
            program.log,
            held.descriptors if held is not None else (),
            **chosen,
        )

    def look(self, key: str, seconds: float = 0.0) -> State:
        """See `Launcher.look`."""
        child = self._children.get(key)
        if child is None:
            return State(Phase.UNKNOWN)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
        if child.returncode is None:
            return State(Phase.RUNNING)
        is_memory = child.returncode == -signal.SIGKILL and kills_for_memory() > self._kills[key]
        return State(Phase.ENDED, MEMORY_RAN_OUT if is_memory else child.returncode)

    def stop(self, key: str, seconds: float) -> None:
        """See `Launcher.stop`: its standard input is closed, and it is killed after `seconds`."""
        child = self._children.get(key)
        if child is not None:
            end(child, seconds)

    def logs(self, key: str) -> str:
        """Nothing: all of it is in the program's log."""
        return ""
