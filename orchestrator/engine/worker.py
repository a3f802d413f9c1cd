"""This process as a worker: its clock, its name, its leases, and what it has seen so far."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Connection

from orchestrator.config import EndpointConfig
from orchestrator.store.database import Database
from orchestrator.store.leased import Leases, T, Transition

LEASE_SECONDS = 30.0

R = TypeVar("R")


@dataclass(frozen=True)
class Clock:
    """Wall-clock seconds since the epoch; sleeping; and seconds from an arbitrary start, by a clock nobody sets."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    steady: Callable[[], float] = time.monotonic


@dataclass(kw_only=True)
class Worker(Generic[T]):
    """One endpoint, the database, and this process at work on one kind of item: what every step may use.

    Each kind's context adds the endpoint itself and the listener that moves and waits are shown to.
    """

    leases: ClassVar[tuple[Leases, ...]] = ()
    """The tables in which this worker holds leases: renewed while it works, and released together."""

    database: Database
    config: EndpointConfig
    owner: str
    clock: Clock = field(default_factory=Clock)
    random: random.Random = field(default_factory=random.SystemRandom)
    has_answered: bool = False
    """Whether the endpoint has answered this worker at all."""
    fresh_intents: set[tuple[str, int]] = field(default_factory=set)
    """The intents to spend money that this process has committed and not yet carried out: (item id, version). Any
    other open attempt in the database may have been sent, and is looked for before it is repeated."""
    searches: dict[Hashable, float] = field(default_factory=dict)
    """Since when this process has been looking for something, by the steady clock."""
    blocked: set[str] = field(default_factory=set)
    """The ids of items that wait for something only the user can change."""

    def now(self) -> float:
        return self.clock.now()

    def lease_end(self) -> float:
        return self.now() + LEASE_SECONDS

    def abandoned(self, connection: Connection) -> list[str]:
        """The lease holders on this endpoint that are certainly not running."""
        owners = {owner for leases in self.leases for owner in leases.owners(connection, self.config.name)}
        return [owner for owner in owners if is_abandoned(owner)]

    def searched_seconds(self, what: Hashable) -> float:
        """How long this process has been looking for it; the first call begins the search."""
        now = self.clock.steady()
        return now - self.searches.setdefault(what, now)

    def begin_search(self, what: Hashable) -> None:
        self.searches[what] = self.clock.steady()

    def note_block(self, item_id: str, blocked: bool) -> None:
        (self.blocked.add if blocked else self.blocked.discard)(item_id)

    # --- shown by each kind ----------------------------------------------------------------------------------

    def moved(self, item: T, line: Transition) -> None:
        """An item has moved."""

    def noted(self, item: T, before: T) -> None:
        """An item waits for something else now."""

    def warned(self, text: str) -> None:
        """Something went wrong that the user may want to know about."""


def new_owner(rng: random.Random) -> str:
    """A name for this process as a worker: machine, process id and its start, and a random part."""
    pid = os.getpid()
    return f"{_machine()}:{pid}.{_started_at(pid)}:{rng.getrandbits(32):08x}"


def process_of(owner: str) -> tuple[str, str]:
    """The machine and the process id in the name of a worker; the id is "" if the name has another form."""
    machine, _, rest = owner.partition(":")
    return machine.split(".")[0], rest.partition(":")[0].partition(".")[0]


def is_abandoned(owner: str) -> bool:
    """Whether the worker of that name certainly no longer runs: it was a process on this machine, and is gone.

    Anything less certain (another machine, a process without a known start, a name of another form) counts as
    alive: its lease runs out.
    """
    machine, _, rest = owner.partition(":")
    number, _, started_at = rest.partition(":")[0].partition(".")
    if machine != _machine() or not (number.isascii() and number.isdigit()):
        return False
    pid = int(number)
    if pid != os.getpid():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
    now = _started_at(pid)
    return bool(started_at and now and started_at != now)  # the process id was reused


def _started_at(pid: int) -> str:
    """When the process of this id started, in ticks since boot; "" if the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return fields[19]  # the 22nd of proc(5)'s list; two of them are before the parenthesis


def _machine() -> str:
    """This boot of this machine, and this process's PID namespace if the system reports it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()[:64]}.{boot}.{namespace}"


def run_blocking(work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine to its end from plain code, even in a notebook, where a loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work()).result()
