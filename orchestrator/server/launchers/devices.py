"""What trains on this machine: its GPUs, or else its processors. One training at a time on each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.childenv import child_environment
from orchestrator.server.launchers.interface import LaunchError, Waiting
from orchestrator.server.locks import FileLock

LOOK_SECONDS = 0.5
"""Between two tries to get a device."""
_LISTED = re.compile(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)")


@dataclass(frozen=True)
class Device:
    """A GPU, or the processors."""

    gpu: str | None
    """What CUDA_VISIBLE_DEVICES calls it; None for the processors."""

    @property
    def name(self) -> str:
        return "cpu" if self.gpu is None else f"gpu-{re.sub(r'[^A-Za-z0-9-]', '-', self.gpu)}"


@dataclass(frozen=True)
class Held:
    """Devices with the locks on them, which a child process may inherit by their descriptors."""

    devices: Sequence[Device]
    descriptors: Sequence[int]

    @property
    def visible(self) -> str:
        """The GPUs, for CUDA_VISIBLE_DEVICES; empty for the processors."""
        return ",".join(device.gpu for device in self.devices if device.gpu is not None)


def devices() -> list[Device]:
    """The NVIDIA GPUs that processes of this one may use; the processors if there is none.

    Asked of nvidia-smi, as torch is not imported here. CUDA_VISIBLE_DEVICES may choose among them.
    """
    listed, chosen = _gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        listed = _chosen([name.strip() for name in chosen.split(",")], listed)
    return [Device(gpu) for gpu in listed] or [Device(None)]


@contextmanager
def held_devices(count: int, waiting: Waiting) -> Iterator[Held]:
    """Hold this many GPUs that nobody else trains on, waiting for them if need be; or the processors, once.

    A child process that inherited the descriptors holds them until it ends. Raises LaunchError if there are fewer
    GPUs.
    """
    found = devices()
    if found[0].gpu is not None and len(found) < count:
        raise LaunchError(
            f"The job asks for {count} processes, each with its own GPU, and this machine has {len(found)}. "
            f"Set num_processes to {len(found)} or less."
        )
    count = 1 if found[0].gpu is None else count
    locks = [FileLock(_lock_folder() / f"{device.name}.lock") for device in found]
    held = _taken(locks, count)
    if not held:
        waiting.note("Waiting for another training on this machine")
    while not held:
        waiting.tick()
        time.sleep(LOOK_SECONDS)
        held = _taken(locks, count)
    try:
        for lock in held:
            lock.sign()
        chosen = [found[locks.index(lock)] for lock in held]
        yield Held(chosen, [lock.descriptor for lock in held if lock.descriptor is not None])
    finally:
        for lock in held:
            lock.release()


def _taken(locks: Sequence[FileLock], count: int) -> list[FileLock]:
    """This many of the locks, now held; none if fewer are free, so that two that wait don't block each other."""
    held = [lock for lock in locks if lock.acquire()]
    kept = held[:count] if len(held) >= count else []
    for lock in held[len(kept) :]:
        lock.release()
    return kept


def _gpus() -> list[str]:
    """The UUIDs of the GPUs; of one that is split, those of its parts."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=30, check=True, env=child_environment()
        ).stdout
        found = _LISTED.findall(listed)
        return [name for name in found if name.startswith("MIG-")] or found
    return []


def _chosen(names: Sequence[str], listed: Sequence[str]) -> list[str]:
    """As CUDA reads it: numbers or the beginnings of UUIDs, and nothing after the first that is none."""
    found: list[str] = []
    for name in names:
        matching = [gpu for gpu in listed if name and gpu.startswith(name)]
        if name.isdecimal() and int(name) < len(listed):
            matching = [listed[int(name)]]
        if len(matching) != 1:
            break
        found += matching
    return found


def _lock_folder() -> Path:
    """One for all stores of a user on this machine, as they share its devices."""
    folder = Path(tempfile.gettempdir()) / f"ftorch-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; remove it, or set TMPDIR to another folder.")
    return folder
