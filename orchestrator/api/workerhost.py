"""The host of a worker: nobody to ask, everything in the log, and one signal that stops all of its threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.api.host import Host
from orchestrator.errors import FtorchError, MachineFailed, NotConfirmed
from orchestrator.figures import count
from orchestrator.runs.context import Listener, NullListener
from orchestrator.store.runs import Run, Transition

if TYPE_CHECKING:
    from orchestrator.config import EndpointConfig
    from orchestrator.evaluation.results import Results
    from orchestrator.generation.outcome import Outcome
    from orchestrator.ledger import Ledger
    from orchestrator.store.deployments import Deployment

T = TypeVar("T")
log = logging.getLogger("ftorch.worker")


class StopSignal:
    """Set once, from any thread or signal handler; sets the events of all event loops that are linked to it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()
        self._linked: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()
        with self._lock:
            for event, loop in self._linked.items():
                loop.call_soon_threadsafe(event.set)

    def wait(self, seconds: float) -> bool:
        """Sleep for that long, or until it is set; returns whether it is."""
        return self._event.wait(seconds)

    @contextmanager
    def linked(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set together with this."""
        event = asyncio.Event()
        with self._lock:
            self._linked[event] = asyncio.get_running_loop()
        if self.is_set:
            event.set()
        try:
            yield event
        finally:
            with self._lock:
                del self._linked[event]


def machine_failed(error: OSError, home: Path) -> MachineFailed:
    """The error a user can act on, for one of this machine while files below `home` are used."""
    return MachineFailed(path=error.filename or home, problem=error.strerror or error)


class WorkerHost(Host):
    """Logs what happens. With `pass_seconds`, waiting for an endpoint ends after that long, as if it was stopped:
    the next pass then sees what was submitted meanwhile."""

    def __init__(self, stop: StopSignal, pass_seconds: float | None = None) -> None:
        super().__init__()
        self._stop = stop
        self._pass_seconds = pass_seconds
        self._said: set[str] = set()

    def run(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        async def stoppable() -> tuple[T, bool]:
            with self._stop.linked() as stop:
                timer = None
                if self._pass_seconds is not None:
                    timer = asyncio.get_running_loop().call_later(self._pass_seconds, stop.set)
                try:
                    return await work(stop), stop.is_set()
                finally:
                    if timer:
                        timer.cancel()

        return asyncio.run(stoppable())

    def confirm(self, question: str, refusal: FtorchError | None = None) -> None:
        raise refusal or NotConfirmed

    def changes(self) -> Listener:
        return LogListener()

    @contextmanager
    def following(self, ledger: Ledger, followed: Sequence[Run]) -> Iterator[Listener]:
        yield LogListener()

    def say(self, text: str) -> None:
        if self._is_new(text):
            log.info("%s", text)

    def show_error(self, error: FtorchError) -> None:
        if self._is_new(str(error)):
            log.error("%s", error)

    def show_generation(self, outcome: Outcome) -> None:
        self.say(f"{outcome.spec.outputs.training} has {outcome.examples:,} examples")

    def show_deployment(self, settled: Deployment, config: EndpointConfig) -> None:
        facts = {"endpoint": config.name, "state": settled.state}
        if self._is_new(f"{settled.id} {settled.version}"):
            log.info("deployment %s is %s: %s", settled.name, settled.state, settled.reason, extra=facts)

    def show_results(self, results: Results) -> None:
        found = results.evaluation
        log.info("evaluation %s of %s is done", found.id, found.name, extra={"endpoint": found.endpoint})

    def _is_new(self, text: str) -> bool:
        """A pass repeats what the last one said."""
        is_new = text not in self._said
        if len(self._said) >= _MOST_REMEMBERED:
            self._said.clear()
        self._said.add(text)
        return is_new


_MOST_REMEMBERED = 1_000


class LogListener(NullListener):
    """A record for each move and each warning."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = {"endpoint": endpoint} if endpoint else {}

    def moved(self, run: Run, transition: Transition) -> None:
        count("moves_total", endpoint=run.endpoint, to=transition.to_state)
        facts = {"run": run.id, "endpoint": run.endpoint, "state": transition.to_state}
        log.info("run %s is %s: %s", run.id, transition.to_state, transition.reason, extra=facts)

    def warned(self, text: str) -> None:
        log.warning("%s", text, extra=self._endpoint)
