"""A worker that stays: it takes up whatever becomes due in the ledger, beside any number of others.

Runs and sweeps are driven in one event loop, with a task per endpoint. What follows them (deployments, evaluations,
generations, batches) has a thread for each kind, so that no kind waits for another. An error ends nothing: it is
logged once, and the work it concerns is tried again after pauses that grow.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.api.chores import CHORES, ChoreThread
from orchestrator.api.host import Host
from orchestrator.api.observing import observed
from orchestrator.api.workerhost import LogListener, StopSignal, WorkerHost, machine_failed
from orchestrator.errors import DatabaseError, FtorchError, KeyRefused, QuotaExhausted
from orchestrator.ledger import Ledger
from orchestrator.runs.session import stand_by
from orchestrator.store import runs as store
from orchestrator.sweeps.supervisor import SweepSupervisor, supervisors

LOOK_SECONDS = 2.0
"""How often a worker looks for endpoints with unfinished runs: one indexed query."""
_SWEEPS_SECONDS, _SWEEPS_SHARE = 5.0, 0.01
"""The same for sweeps, which takes longer: at most this share of the time."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
_ACCOUNT_PAUSE = 300.0
"""After a refused key or an exhausted quota: only a person ends that."""
_LAST_WAIT_SECONDS = 10.0
log = logging.getLogger("ftorch.worker")

Beat = Callable[[bool], None]
"""Called after each look at the database, with whether it answered."""


def work(ledger: Ledger, stop: StopSignal, beat: Beat = lambda _answered: None) -> None:
    """Take up what becomes due until `stop` is set; then finish the steps under way and return the leases."""
    log.info("worker started on %s", ledger.database.place)
    host = WorkerHost(stop)
    threads = [ChoreThread(name, chore, ledger, stop) for name, chore in CHORES.items()]
    for thread in threads:
        thread.start()
    try:
        with observed(ledger, host):
            host.run(lambda stopping: _Runs(ledger, host).work(stopping, beat))
    finally:
        stop.set()
        until = time.monotonic() + _LAST_WAIT_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        log.info("worker stopped")


@dataclass
class _Pause:
    """The growing pause of an endpoint that can't be worked on."""

    until: float = 0.0
    seconds: float = 0.0
    said: str = ""

    def after(self, error: FtorchError) -> None:
        is_account = isinstance(error, KeyRefused | QuotaExhausted)
        grown = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self.seconds))
        self.seconds = _ACCOUNT_PAUSE if is_account else grown
        self.until = time.monotonic() + self.seconds


@dataclass
class _Runs:
    """The runs and sweeps of all endpoints."""

    ledger: Ledger
    host: Host
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _pauses: dict[str, _Pause] = field(default_factory=lambda: defaultdict(_Pause))
    _sweeps: dict[str, list[SweepSupervisor]] = field(default_factory=lambda: defaultdict(list))
    _sweeps_at: float = 0.0
    _trouble: str = ""

    async def work(self, stop: asyncio.Event, beat: Beat) -> None:
        while not stop.is_set():
            beat(self._look(stop))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        await asyncio.gather(*self._tasks.values())

    def _look(self, stop: asyncio.Event) -> bool:
        """Begin what is due; returns whether the database answered."""
        try:
            self._begin(self._due(), stop)
        except DatabaseError as error:
            if str(error) != self._trouble:
                log.error("%s", error)
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True

    def _due(self) -> set[str]:
        """The endpoints with unfinished runs, or with sweeps that were not known before."""
        with self.ledger.database.read() as connection:
            busy = store.busy_endpoints(connection)
        return {*busy, *self._new_sweeps()}

    def _new_sweeps(self) -> set[str]:
        began = time.monotonic()
        if began < self._sweeps_at:
            return set()
        found = supervisors(self.ledger)
        unfinished = {each.sweep_id for each in found}
        for held in self._sweeps.values():
            held[:] = [each for each in held if each.sweep_id in unfinished]
        known = {each.sweep_id for held in self._sweeps.values() for each in held}
        new = [each for each in found if each.sweep_id not in known]
        for each in new:
            self._sweeps[each.endpoint].append(each)
        took = time.monotonic() - began
        self._sweeps_at = began + max(_SWEEPS_SECONDS, took / _SWEEPS_SHARE)
        return {each.endpoint for each in new}

    def _begin(self, names: set[str], stop: asyncio.Event) -> None:
        for name in sorted(names):
            task, pause = self._tasks.get(name), self._pauses[name]
            if (task is None or task.done()) and time.monotonic() >= pause.until:
                self._tasks[name] = asyncio.create_task(self._drive(name, stop))

    async def _drive(self, name: str, stop: asyncio.Event) -> None:
        try:
            await stand_by(
                self.ledger.workspace,
                self.ledger.database,
                name,
                listener=LogListener(name),
                stop=stop,
                supervisors=self._sweeps[name],
            )
        except FtorchError as error:
            self._wait_after(error, name)
        except OSError as error:
            self._wait_after(machine_failed(error, self.ledger.workspace.home), name)
        except Exception:  # a fault of ours on one endpoint must not end the others
            self._pauses[name].after(FtorchError())
            log.exception("unexpected error on %s", name, extra={"endpoint": name})
        else:
            self._pauses[name] = _Pause()

    def _wait_after(self, error: FtorchError, name: str) -> None:
        pause = self._pauses[name]
        pause.after(error)
        if str(error) != pause.said:
            pause.said = str(error)
            log.error("%s", error, extra={"endpoint": name})
