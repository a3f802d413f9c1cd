"""What a worker does apart from driving runs: each kind of work in its own thread, pass after pass."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.api import batches, followups, generation, sweeps
from orchestrator.api.host import Host
from orchestrator.api.workerhost import StopSignal, WorkerHost, machine_failed
from orchestrator.errors import FtorchError, Stopped
from orchestrator.ledger import Ledger

_LOOK_SECONDS, _LOOK_SHARE = 5.0, 0.02
"""The pause between two passes: so long, and longer if a pass that finds nothing takes long."""
_LONGEST_PAUSE = 600.0
_PASS_SECONDS = 60.0
log = logging.getLogger("ftorch.worker")


@dataclass(frozen=True)
class Chore:
    """One pass over a kind of work; it returns whether there was any."""

    do: Callable[[Ledger, Host], bool]
    pass_seconds: float | None = None
    """A pass that only waits for an endpoint ends after that long; the next one goes on."""


def _deployments(ledger: Ledger, host: Host) -> bool:
    steps = (followups.remove_leftovers, followups.deploy_due, followups.finish_deployments)
    return any([step(ledger, host) for step in steps])  # noqa: C419 - every step has its turn


def _evaluations(ledger: Ledger, host: Host) -> bool:
    return any([sweeps.evaluate_ended(ledger, host), followups.evaluate_due(ledger, host)])


CHORES: Mapping[str, Chore] = {
    "deployments": Chore(_deployments, _PASS_SECONDS),
    "evaluations": Chore(_evaluations),
    "generations": Chore(generation.resume),
    "batches": Chore(batches.resume, _PASS_SECONDS),
}


class ChoreThread(threading.Thread):
    """A daemon: waiting for another worker's evaluation can't hold up the end of the process, and the leases and
    locks of a process that ended are free."""

    def __init__(self, name: str, chore: Chore, ledger: Ledger, stop: StopSignal) -> None:
        super().__init__(daemon=True, name=name)
        self._chore, self._ledger, self._stopping = chore, ledger, stop
        self._host = WorkerHost(stop, chore.pass_seconds)
        self._pause = 0.0

    def run(self) -> None:
        while not self._stopping.wait(self._pause):
            began = time.monotonic()
            is_idle = self._pass()
            took = time.monotonic() - began
            if self._host.error is not None:
                self._pause = min(_LONGEST_PAUSE, 2 * max(_LOOK_SECONDS, self._pause))
            else:
                self._pause = max(_LOOK_SECONDS, took / _LOOK_SHARE if is_idle else 0.0)

    def _pass(self) -> bool:
        """Whether it found nothing to do. An error is left in the host."""
        self._host.error = None
        with self._host.going_on():
            try:
                return not self._chore.do(self._ledger, self._host)
            except Stopped:
                pass
            except FtorchError:
                raise
            except OSError as error:
                raise machine_failed(error, self._ledger.workspace.home) from error
            except Exception as error:  # a fault of ours in one kind of work must not end the others
                log.exception("unexpected error in %s", self.name)
                raise FtorchError(f"{self.name}: {error!r}") from error
        return False
