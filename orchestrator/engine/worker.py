"""This process as a worker: its clock, its name, how long its leases last, and running its coroutines."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

LEASE_SECONDS = 30.0

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """Wall-clock seconds since the epoch; sleeping; and seconds from any start, by a clock that nobody sets."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    steady: Callable[[], float] = time.monotonic


def new_owner(rng: random.Random) -> str:
    """A name for this process as a worker: machine, process id, and a random part."""
    return f"{_machine()}:{os.getpid()}:{rng.getrandbits(32):08x}"


def is_abandoned(owner: str) -> bool:
    """Whether the worker of that name certainly runs no more: it was a process here, and is gone.

    Anything less certain (another machine, a process id in use again) counts as alive: its lease runs out.
    """
    machine, pid, _ = owner.rsplit(":", 2)
    if machine != _machine() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """This boot of this machine, and this process's view of process ids where the system tells it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()[:64]}.{boot}.{namespace}"


def run_blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end from plain code, also inside a notebook, where a loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work()).result()
